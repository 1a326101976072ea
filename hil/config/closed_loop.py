"""Sound, estimate, optimise, apply, verify: once."""

from typing import Literal

from pydantic import Field

from hil.config.engine import EngineConfig
from hil.config.procedure import OptimizerConfig, SweepConfig, VerificationConfig
from hil.config.section import Section


class ClosedLoopConfig(Section):
    """Sound, estimate, optimise, apply, verify: once."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["closed_loop"]
    description: str = ""
    seed: int = Field(0, ge=0, description="order of patterns, networks' starts, order of the judge")
    sweep: SweepConfig = SweepConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    engine: EngineConfig = Field("local", description="where the optimizer runs: `local`, or an optimizer host")
    verification: VerificationConfig = VerificationConfig()
