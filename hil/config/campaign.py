"""A campaign: a grid of studies over simulated channels, and of closed loops on stations, with a rule when to stop."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.config.section import Section
from hil.yamlfile import load_yaml

Count = Annotated[int, Field(ge=1, le=100_000)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class ChannelsConfig(Section):
    """Optimizers on simulated channels, judged over the true one: every combination of the lists."""

    scenes: Names = Field(("paper",), description="paper, paper-rich, sp-cup-2021, lab")
    sizes: Annotated[tuple[Annotated[int, Field(ge=2, le=256)], ...], Field(min_length=1)] = Field(
        (64,), description="elements a side"
    )
    bits: Annotated[tuple[Annotated[int, Field(ge=0, le=8)], ...], Field(min_length=1)] = Field(
        (0,), description="bits of an element's phase, 0 for continuous phases"
    )
    csi: Annotated[tuple[Literal["perfect", "ls", "denoised"], ...], Field(min_length=1)] = Field(
        ("perfect",), description="what the optimizers are told"
    )
    algorithms: Names = Field(description="names of optimizers, and `no-surface`")
    users: Count = Field(10, description="of each kind and environment: seeing the surface, and not")
    seeds: Count = Field(1, description="environments")
    bound: bool = Field(True, description="also the certified bound of each channel, and the fraction of it reached")


class StationsConfig(Section):
    """Closed loops on stations, each at a worker that was started with `hil host --testbed FILE`."""

    testbeds: Names = Field(description="names of stations, as their files say")
    places: Annotated[tuple[str | None, ...], Field(min_length=1)] = Field(
        (None,), description="users of the stations by name; null for the first one"
    )
    algorithms: Names = Field(("neural-prior",), description="names of optimizers")
    seeds: Count = Field(1, description="closed loops of each combination")
    group: tuple[Count, Count] = Field((1, 1), description="rows x columns of elements that switch together")
    rounds: Annotated[int, Field(ge=2, le=10_000)] = Field(24, description="of the verification")


class StoppingConfig(Section):
    """A cell of the grid (all but user and seed) has enough when its mean is known well enough.

    Looked at after `look`, 2 `look`, ... results in the order of the grid, whatever order they arrive in. Each look is
    one more chance to stop early by luck: intervals of cells that stopped are somewhat narrower than their confidence.
    """

    relative_half_width: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="half of the confidence interval of the mean rate, relative to it"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of that interval")
    look: Annotated[int, Field(ge=3)] = Field(10, description="results between two looks")


class CampaignConfig(Section):
    """What to study."""

    schema_: Literal["hil-campaign/1"] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    description: str = ""
    seed: int = Field(0, ge=0, description="added to the number of each environment")
    channels: ChannelsConfig | None = None
    stations: StationsConfig | None = None
    stopping: StoppingConfig | None = Field(None, description="null: every task of the grid")

    @model_validator(mode="after")
    def _something(self) -> "CampaignConfig":
        if self.channels is None and self.stations is None:
            raise ValueError("nothing to do: give `channels`, `stations`, or both")
        return self


def load_campaign(path: str | Path) -> CampaignConfig:
    """The campaign that a file describes. Raises ConfigError listing every problem with file and line."""
    return load_yaml(path, CampaignConfig)
