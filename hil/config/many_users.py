"""Many users of one surface: each starts from what is known nearby, then all are served in turn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.config.power_only import SearchConfig
from hil.config.procedure import OptimizerConfig, SweepConfig, VerificationConfig
from hil.config.section import NonNegative, Positive, Section
from hil.config.station import UserConfig


class ManyUsersConfig(Section):
    """Users come one after the other; configurations are kept with their places."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["many_users"]
    description: str = ""
    seed: int = Field(0, ge=0, description="order of patterns, blocks that are flipped, order of the judge")
    users: tuple[UserConfig, ...] = Field(min_length=1, description="in the order in which they come")
    book: str | None = Field(
        None, description="`known.jsonl` of an earlier run, to begin with; nobody is known where null"
    )
    reach_m: NonNegative = Field(
        1.0, description="who has nobody known within this is swept in full, who has searches from there"
    )
    compare_cold: bool = Field(True, description="search from all zeros too, to know what the nearest start saves")
    sweep: SweepConfig = SweepConfig()
    optimizer: OptimizerConfig = Field(OptimizerConfig(algorithm="tap-space"), description="after a full sweep")
    search: SearchConfig = Field(
        SearchConfig(method="flips_block", figure="rate", budget=128, batch=32),
        description="from the nearest known configuration: one of the flips",
    )
    verification: VerificationConfig = VerificationConfig(rounds=12, held_out=0)
    turns_s: tuple[Positive, ...] = Field((0.02, 0.1, 1.0), description="lengths of a turn in round robin, to be told")
    service_rounds: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="times that all patterns go over the link, each change timed"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "ManyUsersConfig":
        names = [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ValueError("users: two have the same name; the book keeps one configuration for each")
        return self

    @model_validator(mode="after")
    def _search_has_a_start(self) -> "ManyUsersConfig":
        if not self.search.method.startswith("flips"):
            raise ValueError(
                f"search.method: {self.search.method} has no start; allowed: flips_element, _column, _block"
            )
        return self
