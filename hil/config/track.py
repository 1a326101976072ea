"""Follow a moving user: sound as little as possible, estimate, optimise, apply, verify, again and again."""

from typing import Annotated, Literal

from pydantic import Field

from hil.config.engine import EngineConfig
from hil.config.procedure import OptimizerConfig, SweepConfig
from hil.config.section import NonNegative, Positive, Section

PolicyName = Literal["hold", "full", "grouped", "partial", "progressive", "two_timescale"]


class PolicyConfig(Section):
    """What is sounded in a round, and what is made of it."""

    name: PolicyName = Field("two_timescale", description="hold: nothing; full: a whole sweep; the others: a part")
    patterns: Annotated[int, Field(ge=4, le=4096)] = Field(64, description="soundings of a round; not of `full`")
    symbols: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None,
        description="averaged in a sounding; where null one if the board steps by its own timer, else as the sweep",
    )
    modes: Annotated[int, Field(ge=2, le=1024)] = Field(96, description="plane waves that two_timescale follows")
    fresh: Annotated[int, Field(ge=0, le=4096)] = Field(
        4, description="patterns of a round that two_timescale chooses anew where they must be stored on the board"
    )
    group: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (8, 8), description="rows x columns of neighbours that switch together in `grouped`"
    )
    fastest_m_per_s: Positive = Field(1.0, description="speed that the direct channel's Doppler band is made for")
    quiet: NonNegative = Field(
        3e-3, description="share of a reference sounding's energy that may be unforeseen with nothing sounded after it"
    )
    misfit: Positive = Field(0.5, description="share of a round's energy that, twice unexplained, asks for a sweep")
    oddity: Positive | None = Field(
        None,
        description="what was unforeseen in some rounds, over the most that the waves can cause, that asks for a sweep "
        "too: 1, where users hardly move during one; none where null: who goes from beam to beam sounds odd as well",
    )


class TrackConfig(Section):
    """Learn the channel once by a full sweep, then follow the user round by round."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["track"]
    description: str = ""
    seed: int = Field(0, ge=0, description="order of patterns, starts of the optimizer, instants of the judge")
    duration_s: Positive = Field(5.0, description="from the end of the first sweep, by the testbed's clock")
    policy: PolicyConfig = PolicyConfig()
    sweep: SweepConfig = Field(SweepConfig(scheme="hadamard"), description="the first sweep, and those of `full`")
    optimizer: OptimizerConfig = Field(
        OptimizerConfig(algorithm="tap-space-quick"), description="of every round; epochs are its budget"
    )
    first_epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="epochs of the search after the first sweep, before anybody walks; the same where null"
    )
    warm: bool = Field(True, description="a round's search begins from what the last one left; else each begins anew")
    engine: EngineConfig = Field("local", description="where the optimizer runs: `local`, or an optimizer host")
    deadline_s: Positive | None = Field(None, description="after which a round is optimised here instead")
    serve_s: NonNegative = Field(0.03, description="the surface serves this long before it is sounded again")
    compute_s: NonNegative = Field(
        0.04, description="charged to a simulated clock for the software of a round; real ones see what it takes"
    )
    hold_every: Annotated[int, Field(ge=1)] = Field(
        1, description="rounds from one sounding of the first pattern of all, for comparison, to the next"
    )
    receive_s: NonNegative = Field(
        0.0, description="of compute_s: what commands and demodulation of a sounding take, which nothing overlaps"
    )
    overlap: bool = Field(
        False,
        description="the next round is sounded while the pattern of this one is computed, which serves after both",
    )
    judge_every_s: Positive | Literal["round"] = Field(
        0.1,
        description="simulation: the true channel judges about so often; `round`: as each new pattern begins to serve",
    )
