"""A field test: a plan that is fixed, and hashed, before anything is radiated."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.config.engine import EngineConfig
from hil.config.procedure import OptimizerConfig, SweepConfig
from hil.config.section import NonNegative, Position, Section
from hil.config.simulation import SurfaceCondition
from hil.config.station import UserConfig

LEAST_BLOCKS = 6  # of one station: fewer tell no scatter that a confidence interval could rest on


class HypothesisConfig(Section):
    """The one comparison that decides; all others are told beside it."""

    arm: str = Field(description="name of the arm that is claimed to be better")
    against: str = Field(description="name of the arm that it is compared with")
    direction: Literal["higher", "lower"] = Field("higher", description="claimed sign of the difference in power")
    smallest_effect_db: NonNegative = Field(
        0.0, description="supported where the whole confidence interval of the difference lies beyond this"
    )


class StationConfig(Section):
    """A place of the receive antenna, and what the surface is there."""

    name: str = Field(description="how prompts and tables call it")
    position_m: Position = Field(description="in the testbed's frame")
    orientation_deg: float = Field(0.0, description="azimuth of the antenna's boresight; recorded")
    antenna: str = Field("as the testbed has it", description="which antenna; recorded")
    line_of_sight: bool = Field(True, description="whether the surface sees it (simulation)")
    surface: SurfaceCondition = Field("open", description="covered by absorber, removed, or a metal plate in its place")
    patterns_of: str | None = Field(
        None, description="station whose patterns are shown here too: for one where the surface is not open"
    )
    prompt: str | None = Field(None, description="what the operator is asked to do; made from the rest where null")

    @property
    def user(self) -> UserConfig:
        """The place, as testbeds know it."""
        return UserConfig(name=self.name, position_m=self.position_m, line_of_sight=self.line_of_sight)

    @model_validator(mode="after")
    def _control_borrows_patterns(self) -> "StationConfig":
        if (self.surface == "open") != (self.patterns_of is None):
            raise ValueError(
                "patterns_of: needed where `surface` is not open, as nothing can be learnt there, else not"
            )
        return self


class UniformArm(Section):
    """All elements in one state."""

    kind: Literal["uniform"]
    name: str
    state: Annotated[int, Field(ge=0, le=255)] = Field(0, description="of every element")


class BestPilotArm(Section):
    """The pattern of the sweep that was received best."""

    kind: Literal["best_pilot"]
    name: str


class OptimizedArm(Section):
    """What an optimizer chooses from the station's sweep."""

    kind: Literal["optimized"]
    name: str
    optimizer: OptimizerConfig = OptimizerConfig()


class ShamArm(Section):
    """The pattern of another arm under a second name: it must show 0 dB."""

    kind: Literal["sham"]
    name: str
    of: str = Field(description="name of that arm")


ArmConfig = Annotated[UniformArm | BestPilotArm | OptimizedArm | ShamArm, Field(discriminator="kind")]


class RuleConfig(Section):
    """When a round does not count. The quantities are defined in `hil.experiments.field.limits`."""

    quantity: Literal["snr_db", "drift_db", "overloads", "interference", "temperature_c"]
    limit: float = Field(description="least SNR; highest value of the others")
    then: Literal["retake", "exclude", "stop"] = Field(
        "retake", description="sound the round again, and exclude it in the end; exclude it at once; stop the test"
    )


class StoppingConfig(Section):
    """When the test ends. There is no early success: looking until it is significant finds what is not there."""

    max_retakes: Annotated[int, Field(ge=0, le=20)] = Field(2, description="of a round, before it is excluded")
    max_excluded: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of rounds; beyond it there is no verdict"
    )


class AnalysisConfig(Section):
    """How differences and their intervals are computed; see `hil.measure.paired`."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of the intervals, two-sided")
    sham_confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.99,
        description="of the sham arm's interval, by which the test trusts itself: so seldom is a sound one refused",
    )
    resamples: Annotated[int, Field(ge=200, le=100_000)] = Field(4000, description="of the bootstrap")
    block_rounds: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="successive rounds resampled together: as many as remember each other"
    )


class FieldTestConfig(Section):
    """Arms compared at stations, blinded and in random order, by a plan fixed beforehand."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["field_test"]
    description: str = ""
    seed: int = Field(0, ge=0, description="codes of arms, order of stations and soundings, optimizers, bootstrap")
    hypothesis: HypothesisConfig
    stations: tuple[StationConfig, ...] = Field(min_length=1)
    arms: tuple[ArmConfig, ...] = Field(min_length=2)
    reference: str = Field("all_zero", description="name of the arm that gains are told against")
    visits: Annotated[int, Field(ge=1, le=100)] = Field(2, description="of each station, in random order")
    rounds: Annotated[int, Field(ge=2, le=10_000)] = Field(12, description="of each visit; all arms in each")
    soundings: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="of an arm in a round")
    pause_s: NonNegative = Field(0.25, description="before each round, so that it meets the room anew")
    sweep: SweepConfig = SweepConfig()
    rules: tuple[RuleConfig, ...] = Field(
        (
            RuleConfig(quantity="snr_db", limit=5.0),
            RuleConfig(quantity="drift_db", limit=3.0),
            RuleConfig(quantity="overloads", limit=3),
            RuleConfig(quantity="interference", limit=10),
            RuleConfig(quantity="temperature_c", limit=85.0, then="stop"),
        ),
        description="when a round does not count",
    )
    stopping: StoppingConfig = StoppingConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    engine: EngineConfig = Field(
        "local", description="where arms are optimised, to the same patterns; no part of the plan's hash"
    )

    @model_validator(mode="after")
    def _names_fit(self) -> "FieldTestConfig":
        arms, stations = ([each.name for each in group] for group in (self.arms, self.stations))
        for what, names in (("arms", arms), ("stations", stations)):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: names must differ, got {names}")
        wanted = {"hypothesis.arm": self.hypothesis.arm, "hypothesis.against": self.hypothesis.against}
        for where, name in {**wanted, "reference": self.reference}.items():
            if name not in arms:
                raise ValueError(f"{where}: no arm is called {name!r}; there are {', '.join(arms)}")
        if self.hypothesis.arm == self.hypothesis.against:
            raise ValueError("hypothesis: an arm cannot be compared with itself; a sham arm can")
        return self

    @model_validator(mode="after")
    def _borrowed_from_the_right_ones(self) -> "FieldTestConfig":
        if sum(arm.kind == "sham" for arm in self.arms) > 1:
            raise ValueError("arms: at most one sham arm")
        real = {arm.name for arm in self.arms if arm.kind != "sham"}
        for arm in self.arms:
            if isinstance(arm, ShamArm) and arm.of not in real:
                raise ValueError(f"arms: {arm.name}: `of` names no arm with a pattern of its own: {arm.of!r}")
        open_ = {station.name for station in self.stations if station.surface == "open"}
        for station in self.stations:
            if station.patterns_of is not None and station.patterns_of not in open_:
                raise ValueError(f"stations: {station.name}: patterns_of names no station with an open surface")
        return self

    @model_validator(mode="after")
    def _enough_blocks(self) -> "FieldTestConfig":
        if self.rounds // self.analysis.block_rounds < LEAST_BLOCKS:
            raise ValueError(f"rounds: at least {LEAST_BLOCKS} x analysis.block_rounds in a visit")
        return self
