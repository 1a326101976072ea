"""Sound, estimate, optimise, apply, verify: once."""

from typing import Annotated, Literal

from pydantic import Field

from hil.config.engine import EngineConfig
from hil.config.power_only import SearchConfig
from hil.config.procedure import OptimizerConfig, SweepConfig, VerificationConfig
from hil.config.section import Section


class RefinementConfig(Section):
    """Small changes of the chosen pattern, tried on the air; what comes out is never below what went in."""

    change: Literal["taps", "flips"] = Field(
        "taps", description="disturb the weights of the taps that the pattern is aligned with, or flip blocks"
    )
    trials: Annotated[int, Field(ge=1, le=10_000)] = Field(16, description="changes that are tried")
    step: Annotated[float, Field(gt=0, le=10)] = Field(0.3, description="of a disturbance, relative to the weights")
    block: Annotated[int, Field(ge=1, le=64)] = Field(2, description="rows and columns of a block that flips")
    pairs: Annotated[int, Field(ge=2, le=1000)] = Field(4, description="A/B pairs before the test looks again")
    looks: Annotated[int, Field(ge=1, le=100)] = Field(3, description="at most, before a change is given up")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="that an accepted change is a gain")
    last_pairs: Annotated[int, Field(ge=4, le=10_000)] = Field(32, description="fresh pairs against the start, last")
    last_confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.999, description="that the result is better than the start; else the start comes back"
    )


class ClosedLoopConfig(Section):
    """Sound, estimate, optimise, apply, verify: once."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["closed_loop"]
    description: str = ""
    seed: int = Field(0, ge=0, description="order of patterns, networks' starts, order of the judge")
    sweep: SweepConfig = SweepConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    refinement: RefinementConfig | None = Field(None, description="on-air refinement as the last step; none where null")
    engine: EngineConfig = Field("local", description="where the optimizer runs: `local`, or an optimizer host")
    verification: VerificationConfig = VerificationConfig()
    without_phase: SearchConfig | None = Field(
        SearchConfig(),
        description="the search by power that takes over where the sweep shows that phases do not hold; "
        "null: the run ends there with an error",
    )
