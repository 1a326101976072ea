"""Search by received power alone, then verify: where coherence fails, or models are wrong."""

from typing import Annotated, Literal

from pydantic import Field

from hil.config.procedure import VerificationConfig
from hil.config.section import Section


class SearchConfig(Section):
    """Which patterns are tried, and by what they are compared."""

    method: Literal["voting", "conditional_mean", "quadratic", "flips_element", "flips_column", "flips_block"] = Field(
        "conditional_mean", description="how the next patterns follow from the figures of those before"
    )
    figure: Literal["power", "rate"] = Field(
        "power", description="what is compared: mean power over the band, or the rate that the powers allow"
    )
    budget: Annotated[int, Field(ge=64, le=1_000_000)] = Field(1024, description="soundings that the search may use")
    batch: Annotated[int, Field(ge=4, le=4096)] = Field(
        64, description="soundings of one durable step; what comes next follows from all of them"
    )
    repetitions: Annotated[int, Field(ge=2, le=4096)] | None = Field(
        None, description="symbols averaged in a sounding of the search; ofdm.repetitions where null"
    )
    max_retakes: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="tries for one sounding before the search fails"
    )


class PowerOnlyConfig(Section):
    """Search by received power alone, verify: no phase is used, no channel is estimated."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["power_only"]
    description: str = ""
    seed: int = Field(0, ge=0, description="patterns that are tried, order of the judge")
    search: SearchConfig = SearchConfig()
    verification: VerificationConfig = VerificationConfig(held_out=0)
