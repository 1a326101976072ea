"""Stage four: judge the chosen patterns on the air, by soundings that nothing else used."""

import math
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex, Pattern, Patterns, UInt8
from hil.config import SweepConfig, VerificationConfig
from hil.errors import MeasurementError, ReadbackMismatch
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.prediction import Prediction, compare_held_out
from hil.experiments.sound import load_blocks, sound_in_blocks
from hil.experiments.sounding_stage import SoundingStage
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording, Step, as_recorded
from hil.measure.repeated import aligned_in_window, find_each_other, window_basis
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.verification import Schedule, Verification, judge
from hil.phy.metrics import unbiased_rate
from hil.testbed import Testbed


@runtime_checkable
class Judged(Protocol):
    """What is to be judged: patterns by arm, `all_zero` and `chosen` among them."""

    @property
    def patterns(self) -> dict[str, Pattern]: ...


@dataclass(frozen=True)
class Examination:
    """The patterns of a verification in the order of their soundings: held-out ones first, then the arms in rounds."""

    held_out: Patterns
    arms: UInt8[np.ndarray, "arm element"]
    schedule: Schedule

    @classmethod
    def of(cls, choice: Judged, config: VerificationConfig, setup: Setup, seed: int) -> "Examination":
        rng = np.random.default_rng([seed, 1])
        held_out = setup.patterns(1 - 2 * rng.integers(0, 2, (config.held_out, setup.num_elements)))
        arms = np.stack(list(choice.patterns.values()))
        return cls(held_out, arms, Schedule.interleaved(len(arms), config.rounds, config.soundings, seed))

    @property
    def num_soundings(self) -> int:
        return len(self.held_out) + self.schedule.arm.size

    def patterns(self, which: slice) -> Patterns:
        """Patterns of some of the soundings."""
        order = np.arange(self.num_soundings)[which]
        num_held_out = len(self.held_out)
        pool = np.concatenate([self.held_out, self.arms])
        arm = num_held_out + self.schedule.arm[np.maximum(order - num_held_out, 0)]
        return pool[np.where(order < num_held_out, order, arm)]


def examine(
    testbed: Testbed,
    recording: Recording,
    choice: Judged,
    config: VerificationConfig | None = None,
    sweep: SweepConfig | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
    stage: str = "verify",
) -> Examination:
    """Sound held-out random patterns, then all arms interleaved in random order. Raises what the instruments raise.

    stage: what its steps are called; a run may hold several verifications.
    """
    config = config or VerificationConfig()
    sweep = (sweep or SweepConfig()).model_copy(update={"repetitions": None})
    examination = Examination.of(choice, config, Setup.from_json(recording.manifest), seed)
    facts = {"config": config.model_dump(mode="json"), "block": sweep.block, "seed": seed}
    asked = SoundingStage(stage, examination.patterns, examination.num_soundings, sweep, facts=facts)
    sound_in_blocks(testbed, recording, asked, progress)
    return examination


def load_verification(
    recording: Recording, choice: Judged, estimate: CascadedEstimate
) -> tuple[Verification, Prediction]:
    """The verdict on the arms and on the estimate's predictions.

    Raises RecordingError where blocks are missing, MeasurementError where the chosen pattern is too faint for one.

    >>> verification, prediction = load_verification(recording, choice, estimate)
    >>> verification.outcome
    <Outcome.PASS: 'PASS'>
    """
    setup = Setup.from_json(recording.manifest)
    verification, examination, held_out = _load(recording, choice, setup)
    apart = setup.testbed.receiver is not None
    return verification, compare_held_out(estimate, examination.held_out, held_out, setup.grid, apart=apart)


def load_verdict(recording: Recording, choice: Judged, *, stage: str = "verify") -> Verification:
    """The verdict on the arms alone. Raises as `load_verification`."""
    return _load(recording, choice, Setup.from_json(recording.manifest), stage)[0]


def leave_on_surface(testbed: Testbed, pattern: Pattern) -> None:
    """Apply and read back. Raises ReadbackMismatch; a board that cannot say what it holds is believed."""
    testbed.surface.apply(pattern)
    held = testbed.surface.read_pattern()
    if held is not None and not np.array_equal(held, pattern):
        raise ReadbackMismatch(f"{testbed.surface.identity}: holds another pattern than the chosen one; apply it again")


def record_truth(
    testbed: Testbed, recording: Recording, choice: Judged, examination: Examination, *, stage: str = "truth"
) -> None:
    """In simulation, keep true responses beside the measured ones, for the report; nothing acts on them."""
    truth = testbed.truth
    if truth is not None:
        patterns = [*choice.patterns.values(), *examination.held_out]
        responses = np.stack([truth.response(pattern) for pattern in patterns])
        recording.step(stage, lambda: Step(responses, recording.time_s))


def true_responses(
    recording: Recording, choice: Judged, *, stage: str = "truth"
) -> dict[str, Complex[np.ndarray, "subcarrier"]]:
    """What `record_truth` kept of the arms; nothing where it is no simulation."""
    if stage not in recording:
        return {}
    return dict(zip(choice.patterns, recording.read(stage).data, strict=False))


def verdict_figures(
    setup: Setup, measured: Verification, truth: dict[str, Complex[np.ndarray, "subcarrier"]]
) -> dict[str, Any]:
    """A verdict as plain values, measured and true ones apart, as every summary of an experiment holds it."""
    return {
        "outcome": str(measured.outcome),
        "testbed": setup.testbed.name,
        "user": setup.user,
        "simulated": setup.simulated,
        "calibrated": setup.budget.calibrated,
        "num_elements": setup.num_elements,
        "rate_mbps": {name: interval.value for name, interval in measured.rate_mbps.items()},
        "rate_interval_mbps": {name: [each.low, each.high] for name, each in measured.rate_mbps.items()},
        "gain_db": {name: interval.value for name, interval in measured.gain_db.items()},
        "gain_interval_db": {name: [each.low, each.high] for name, each in measured.gain_db.items()},
        "advantage_mbps": {name: [each.low, each.value, each.high] for name, each in measured.advantage_mbps.items()},
        "confidence": measured.confidence,
        "true_rate_mbps": {name: setup.rate_mbps(response) for name, response in truth.items()},
    }


def _load(
    recording: Recording, choice: Judged, setup: Setup, stage: str = "verify"
) -> tuple[Verification, Examination, SoundingBlock]:
    """The verdict, what was examined, and the soundings of the held-out patterns."""
    facts = recording.read(f"{stage}/begin").facts
    with as_recorded(f"{recording.path}: {stage}/begin"):
        config = VerificationConfig.model_validate(facts["config"])
    examination = Examination.of(choice, config, setup, facts["seed"])
    soundings = load_blocks(recording, stage, examination.num_soundings, facts["block"])
    held_out, arms = soundings[: config.held_out], soundings[config.held_out :]
    verification = _judge_arms(examination.schedule, list(choice.patterns), arms, setup, config.confidence)
    return verification, examination, held_out


def _judge_arms(
    schedule: Schedule, names: list[str], soundings: SoundingBlock, setup: Setup, confidence: float
) -> Verification:
    """Rates and powers of the arms, corrected for noise; no estimate of anybody's is used.

    Raises MeasurementError where the chosen pattern is too faint. Simplification: the rate of another arm that is too
    faint comes out lower than it is; its power does not.
    """
    ofdm, grid = setup.testbed.ofdm, setup.grid
    responses, noise_var = np.empty_like(soundings.response), float(soundings.noise_var.mean())
    for arm, name in enumerate(names):
        mine = schedule.arm == arm
        if name == "chosen" and not find_each_other(soundings.response[mine], noise_var, setup):
            raise MeasurementError(
                "verification: soundings of the chosen pattern are too deep in noise to be brought together: nothing "
                "can be said of its rate; raise ofdm.repetitions or power.radiated_power_dbm"
            )
        responses[mine] = aligned_in_window(soundings.response[mine], setup)
    noise_var *= setup.budget.scale**2
    rate = partial(
        unbiased_rate,
        noise_var=noise_var,
        basis=window_basis(setup),
        snr_scale=setup.budget.snr_scale,
        num_taps=ofdm.num_taps,
        bandwidth_hz=ofdm.bandwidth_hz,
    )
    return judge(
        schedule,
        names,
        responses * setup.budget.scale,
        rate=lambda some: rate(some)[0],
        power=lambda some: _mean_power(some[:, grid.used], noise_var),
        confidence=confidence,
    )


def _mean_power(responses: Complex[np.ndarray, "sounding subcarrier"], noise_var: float) -> float:
    """Mean |h|^2 over the band, without the noise's own energy; the soundings need not agree in phase.

    At least the standard error of that energy: of an arm that noise hides no more can be said than that it is as weak.
    """
    least = max(noise_var / math.sqrt(responses.size), sys.float_info.min)
    return max(float(np.mean(np.abs(responses) ** 2)) - noise_var, least)
