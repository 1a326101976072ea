"""A field test: a plan fixed beforehand, stations visited in turn, arms compared blind, one analysis, then the names.

`run` is its course; `evaluate` reads everything from the run directory again, and judges.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.config import FieldTestConfig
from hil.config.field_test import OptimizedArm, UniformArm
from hil.engine import open_engine
from hil.errors import ConfigError
from hil.experiments.begin import recorded_procedure
from hil.experiments.choose import check_optimizer
from hil.experiments.field.analysis import analyse
from hil.experiments.field.blinding import Key, check_plan, plan_sha256, seal, sealed_hashes, unblind
from hil.experiments.field.itinerary import Visit, itinerary
from hil.experiments.field.rates import Rates, read_rates
from hil.experiments.field.rounds import Round, Rounds
from hil.experiments.field.visits import make_visit
from hil.experiments.listen import heard_before, listened_stages, words
from hil.experiments.sound import Sweep, load_sweep
from hil.interfaces import Progress, no_progress
from hil.measure.canonical import canonical_sha256, read_value
from hil.measure.paired import Differences
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.verification import Interval, Outcome
from hil.testbed import Testbed
from hil.units import power_db


@dataclass(frozen=True)
class FieldTestResult:
    """Everything that a field test found out, with names.

    analysis: as frozen, under codes. pooled, stations: differences between arms in the order of `key.names`, in dB.
    rates: what each arm's rate is, was predicted to be and, in simulation, truly is.
    rounds: of each visit. sweeps: of each visit to an open surface. stopped: why and where a rule stopped the test.
    true_db: in simulation, power of each arm in each visit to an open surface, from the true channel at rest; else
    empty.
    checks: whether plan, key and analysis are what they were when they were fixed.
    """

    plan: FieldTestConfig
    recording: Recording
    setup: Setup
    key: Key
    analysis: dict[str, Any]
    pooled: Differences
    stations: dict[str, Differences]
    rates: Rates
    rounds: dict[Visit, list[Round]]
    sweeps: dict[Visit, Sweep]
    stopped: list[dict[str, str]]
    true_db: dict[Visit, Float[np.ndarray, "arm"]]
    checks: dict[str, bool]

    def difference(self, arm: str, against: str, station: str | None = None) -> Interval:
        """Received power of one arm against another's in dB, at a station or over all."""
        found = self.pooled if station is None else self.stations[station]
        return _between(found, self.key.index(arm), self.key.index(against))

    @property
    def sham(self) -> tuple[str, str] | None:
        """The sham arm, and the one whose pattern it shows; None where the plan has none."""
        return next(((arm.name, arm.of) for arm in self.plan.arms if arm.kind == "sham"), None)

    @property
    def gate(self) -> Interval | None:
        """The sham arm's difference with the interval by which the test trusts itself."""
        if self.sham is None:
            return None
        return _between(Differences.from_json(self.analysis["gate"]), *map(self.key.index, self.sham))

    @property
    def sham_ok(self) -> bool:
        """Whether the sham arm shows no difference, as far as that interval can tell."""
        return self.gate is None or self.gate.low <= 0 <= self.gate.high

    @property
    def excluded(self) -> int:
        """Rounds that do not count."""
        return sum(each.fate == "excluded" for rounds in self.rounds.values() for each in rounds)

    @property
    def trusted(self) -> bool:
        """Whether the plan allows a verdict: few rounds were excluded, the sham arm shows nothing."""
        total = sum(len(rounds) for rounds in self.rounds.values())
        return self.sham_ok and self.excluded <= self.plan.stopping.max_excluded * total

    @property
    def primary(self) -> Interval:
        """The difference that decides, in the claimed direction: positive where the claim holds."""
        claim = self.plan.hypothesis
        up = claim.direction == "higher"
        return self.difference(*((claim.arm, claim.against) if up else (claim.against, claim.arm)))

    @property
    def finding(self) -> str:
        """`supported`, `refuted`: the whole interval lies beyond the smallest effect, or below; else `not shown`."""
        least = self.plan.hypothesis.smallest_effect_db
        if self.primary.low > least:
            return "supported"
        return "refuted" if self.primary.high < least else "not shown"

    @property
    def outcome(self) -> Outcome:
        """PASS where the hypothesis is supported; ERROR where the test's own checks fail: nothing was measured then."""
        if not self.trusted or not all(self.checks.values()):
            return Outcome.ERROR
        return Outcome.PASS if self.finding == "supported" else Outcome.FAIL


def run(
    testbed: Testbed, plan: FieldTestConfig, recording: Recording, progress: Progress = no_progress
) -> FieldTestResult:
    """Carry out a plan; what the recording holds is not repeated.

    Raises MeasurementError where a rule of the plan stops the test, RecordingError where the plan is not the one that
    this run directory began with, and whatever the instruments raise: what was recorded stays, the radio is quiet.
    """
    _check_states(plan, testbed.setup)
    key = seal(recording, plan)
    with open_engine(plan.engine) as engine:
        for visit in itinerary(plan):
            make_visit(testbed, recording, visit, plan, key, engine, progress)
    unblind(recording, key, analyse(recording, plan, key))
    return evaluate(recording)


def check(plan: FieldTestConfig) -> None:
    """Raise ConfigError for a plan that cannot come to its end."""
    for arm in plan.arms:
        if isinstance(arm, OptimizedArm):
            check_optimizer(arm.optimizer, plan.engine)


def evaluate(recording: Recording) -> FieldTestResult:
    """The result, from the run directory alone. Raises RecordingError where a part is missing or the plan changed."""
    plan = recorded_procedure(recording, FieldTestConfig)
    check_plan(recording, plan)
    analysis = read_value(recording, "analysis")
    key = Key(tuple(read_value(recording, "unblinding").values()))
    visits = itinerary(plan)
    opened = [visit for visit in visits if visit.station.surface == "open"]
    return FieldTestResult(
        plan,
        recording,
        Setup.from_json(recording.manifest),
        key,
        analysis,
        Differences.from_json(analysis["pooled"]),
        {name: Differences.from_json(each) for name, each in analysis["stations"].items()},
        read_rates(recording, visits, analysis, key),
        {visit: Rounds(recording, visit, plan).states for visit in visits},
        {visit: load_sweep(recording, f"{visit.name}/sweep") for visit in opened},
        [
            {"where": name.removeprefix("stopped/"), "why": recording.read(name).facts["why"]}
            for name in recording.names
            if name.startswith("stopped/")
        ],
        {visit: _true_db(recording, visit) for visit in opened if f"{visit.name}/truth" in recording},
        _checks(recording, plan, key, analysis),
    )


def summary(result: FieldTestResult) -> dict[str, Any]:
    """The figures of a field test as plain values."""
    plan, names = result.plan, tuple(arm.name for arm in result.plan.arms)
    places = [None, *(station.name for station in plan.stations)]
    gains = {place or "all": {arm: result.difference(arm, plan.reference, place) for arm in names} for place in places}
    rounds = [each for visit in result.rounds.values() for each in visit]
    rates = result.rates.to_json(names, [station.name for station in plan.stations], plan.reference)
    return {
        "outcome": str(result.outcome),
        "finding": result.finding,
        "testbed": result.setup.testbed.name,
        "simulated": result.setup.simulated,
        "calibrated": result.setup.budget.calibrated,
        "num_elements": result.setup.num_elements,
        "num_pilots": sum(each.plan.num_patterns for each in result.sweeps.values()),
        "plan_sha256": plan_sha256(plan),
        "checks": result.checks,
        "hypothesis": plan.hypothesis.model_dump(mode="json"),
        "primary_db": _plain(result.primary),
        "confidence": plan.analysis.confidence,
        "stations": [station.name for station in plan.stations],
        "arms": list(names),
        "gain_db": {place: {arm: each.value for arm, each in by_arm.items()} for place, by_arm in gains.items()},
        "gain_interval_db": {
            place: {arm: [each.low, each.high] for arm, each in by_arm.items()} for place, by_arm in gains.items()
        },
        "paired": [_paired(result, one, other) for i, one in enumerate(names) for other in names[i + 1 :]],
        "sham": _sham(result),
        "controls_db": {
            place: {
                arm: [each[name][result.key.index(arm)] for name in ("value_db", "low_db", "high_db")] for arm in names
            }
            for place, each in result.analysis["controls"].items()
        },
        "rates": rates,
        "rate_mbps": {arm: value for arm, (value, _, _) in rates["measured_mbps"]["all"].items()},
        "true_rate_mbps": rates["true_mbps"].get("all", {}),
        "optimised_at": optimised_at(result),
        "repeatability_db": repeatability_db(result),
        "true_gain_db": _true_gain_db(result),
        "rounds": len(rounds),
        "retaken": sum(each.retaken for each in rounds),
        "retaken_captures": _retaken_captures(result, rounds),
        "excluded": result.excluded,
        "listened": words(heard_before(result.recording, listened_stages(result.recording))),
        "aborted": result.stopped,
        "radio_time_s": sum(each.radio_time_s for each in result.sweeps.values())
        + sum(one.radio_time_s for each in rounds for one in each.tries),
    }


def repeatability_db(result: FieldTestResult) -> dict[str, dict[str, list[float]]]:
    """By station and arm: gain against the reference arm in each visit, in their order."""
    reference = result.key.index(result.plan.reference)
    gains: dict[str, dict[str, list[float]]] = {}
    for visit in sorted(result.analysis["visits"], key=lambda each: each["visit"]):
        level = visit["level_db"]
        for arm in result.plan.arms:
            gain = level[result.key.index(arm.name)] - level[reference]
            gains.setdefault(visit["station"], {}).setdefault(arm.name, []).append(gain)
    return gains


def optimised_at(result: FieldTestResult) -> list[str]:
    """Where the arms were optimised, each place once; with the reason where it was not where the plan says."""
    places = [
        place for visit in result.sweeps for place in result.recording.read(f"{visit.name}/arms").facts["optimised_at"]
    ]
    return sorted({place for place in places if place})


def true_difference_db(result: FieldTestResult, arm: str, against: str) -> float | None:
    """In simulation, what `difference` would be without noise and in a room at rest; None elsewhere."""
    if not result.true_db:
        return None
    one, other = result.key.index(arm), result.key.index(against)
    return float(np.mean([each[one] - each[other] for each in result.true_db.values()]))


def _true_gain_db(result: FieldTestResult) -> dict[str, float | None]:
    return {arm.name: true_difference_db(result, arm.name, result.plan.reference) for arm in result.plan.arms}


def _paired(result: FieldTestResult, one: str, other: str) -> dict[str, Any]:
    place = result.key.index(one), result.key.index(other)
    return {
        "arm": one,
        "against": other,
        **_plain(result.difference(one, other)),
        "memory": float(result.pooled.memory[place]),
        "stations": {name: _plain(result.difference(one, other, name)) for name in result.stations},
    }


def _sham(result: FieldTestResult) -> dict[str, Any] | None:
    gate = result.gate
    if gate is None:
        return None
    confidence = result.plan.analysis.sham_confidence
    return {
        "difference_db": gate.value, "interval": [gate.low, gate.high], "confidence": confidence, "ok": result.sham_ok
    }  # fmt: skip


def _retaken_captures(result: FieldTestResult, rounds: list[Round]) -> int:
    blocks = [one.soundings for each in rounds for one in each.tries if one.soundings is not None]
    return sum(int(each.retakes.sum()) for each in blocks) + sum(sweep.retaken for sweep in result.sweeps.values())


def _plain(interval: Interval) -> dict[str, float]:
    return {"difference_db": interval.value, "low_db": interval.low, "high_db": interval.high}


def _between(found: Differences, one: int, other: int) -> Interval:
    return Interval(*(float(each[one, other]) for each in (found.value, found.low, found.high)))


def _check_states(plan: FieldTestConfig, setup: Setup) -> None:
    for arm in plan.arms:
        if isinstance(arm, UniformArm) and arm.state >= setup.states.size:
            raise ConfigError(
                f"arms: {arm.name}: state {arm.state}: the elements of this surface have {setup.states.size} states"
            )


def _true_db(recording: Recording, visit: Visit) -> Float[np.ndarray, "arm"]:
    used = Setup.from_json(recording.manifest).grid.used
    return power_db(np.mean(np.abs(recording.read(f"{visit.name}/truth").data[:, used]) ** 2, axis=1))


def _checks(recording: Recording, plan: FieldTestConfig, key: Key, analysis: dict[str, Any]) -> dict[str, bool]:
    names = recording.names
    fixed = [names.index(name) for name in ("plan", "sealed", "analysis", "unblinding")]
    sounded = [place for place, name in enumerate(names) if name.startswith("visit/") and "/truth" not in name]
    return {
        "the plan is the one that was hashed": set(sealed_hashes(recording).values()) == {plan_sha256(plan)},
        "plan and key were fixed before the first sounding": max(fixed[:2]) < min(sounded),
        "the arms are those of the key that was sealed": recording.read("sealed").facts["key_sha256"] == key.sha256,
        "the analysis was frozen after the last sounding and before the names were known": max(sounded)
        < fixed[2]
        < fixed[3],
        "the soundings give the frozen analysis again": canonical_sha256(analyse(recording, plan, key))
        == canonical_sha256(analysis),
    }
