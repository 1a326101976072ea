"""The main job, once: sound the surface, estimate the channel, optimise, apply, verify on the air.

Instruments appear up to the recording; `evaluate` reads everything right of it from the file again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Complex
from hil.config import ClosedLoopConfig
from hil.engine import open_engine
from hil.errors import Incoherent
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.prediction import Prediction, nmse_to_truth_db
from hil.experiments import power_only
from hil.experiments.begin import begin
from hil.experiments.choose import Choice, check_optimizer, choose_patterns
from hil.experiments.power_only import PowerOnlyResult
from hil.experiments.refine import refine_on_air, refined
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.experiments.verify import examine, leave_on_surface, load_verification, record_truth, verdict_figures
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording, Step
from hil.measure.repeated import PARTS_OF_A_SAMPLE
from hil.measure.setup import Setup
from hil.measure.verification import Verification
from hil.testbed import Testbed

INCOHERENT = "incoherent"  # the step that says why no phase is used


@dataclass(frozen=True)
class ClosedLoopResult:
    """Everything that a closed loop found out.

    truth: in simulation, the true response of each arm, complex[subcarrier]; else empty.
    true_nmse_db: in simulation, error of the prediction relative to the true response of the held-out patterns.
    """

    setup: Setup
    sweep: Sweep
    estimate: CascadedEstimate
    choice: Choice
    verification: Verification
    prediction: Prediction
    truth: dict[str, Complex[np.ndarray, "subcarrier"]]
    true_nmse_db: float | None


@dataclass(frozen=True)
class Unphased:
    """What a closed loop found by power alone, after a sweep that was not coherent, and why that is known."""

    sweep: Sweep
    found: PowerOnlyResult
    why: str


def run(
    testbed: Testbed, experiment: ClosedLoopConfig, recording: Recording, progress: Progress = no_progress
) -> ClosedLoopResult | Unphased:
    """Configure the surface of an open testbed and verify it; steps that the recording holds are not repeated.

    Where the sweep shows that phases do not hold, the search goes by power alone (`without_phase`). The chosen pattern
    is on the surface when this returns. Raises whatever the instruments raise: what was recorded stays, the radio is
    quiet.
    """
    seed = experiment.seed
    sweep = sound_surface(testbed, recording, experiment.sweep, seed=seed, progress=progress)

    setup = Setup.from_json(recording.manifest)
    try:
        estimate = estimate_channel(sweep, setup)
    except Incoherent as lost:
        return _by_power_alone(testbed, experiment, recording, lost, progress)
    choice = _decide(recording, lambda: _choose(estimate, sweep, setup, experiment))
    if experiment.refinement is not None:
        refine_on_air(testbed, recording, choice, estimate, experiment.refinement, seed=seed, progress=progress)
        choice = refined(recording, choice, estimate, setup)

    examination = examine(
        testbed, recording, choice, experiment.verification, experiment.sweep, seed=seed, progress=progress
    )
    leave_on_surface(testbed, choice.patterns["chosen"])
    record_truth(testbed, recording, choice, examination)
    return _judge(recording, setup, sweep, estimate)


def check(experiment: ClosedLoopConfig) -> None:
    """Raise ConfigError for a procedure that cannot come to its end."""
    check_optimizer(experiment.optimizer, experiment.engine)


def new_recording(testbed: Testbed, experiment: ClosedLoopConfig | None = None, root: str | Path = "runs") -> Recording:
    """A run directory under `root`. Raises ConfigError for a procedure that cannot come to its end, RecordingError."""
    experiment = experiment or ClosedLoopConfig(schema="hil-experiment/1", kind="closed_loop")
    check(experiment)
    return begin(testbed, experiment, root)


def evaluate(recording: Recording) -> ClosedLoopResult | Unphased:
    """The result, from the run directory alone. Raises RecordingError where a stage is missing."""
    if INCOHERENT in recording:
        return _unphased(recording)
    setup = Setup.from_json(recording.manifest)
    sweep = load_sweep(recording)
    return _judge(recording, setup, sweep, estimate_channel(sweep, setup))


def summary(result: ClosedLoopResult | Unphased) -> dict[str, Any]:
    """The figures of a closed loop as plain values: predicted, measured and, in simulation, true ones apart.

    by_power_alone: why no phase was used; None where it was. Then there is nothing predicted.
    """
    if isinstance(result, Unphased):
        swept = {"sweep_mode": result.sweep.mode, "retaken": result.sweep.retaken}
        return {**power_only.summary(result.found), **swept, "by_power_alone": result.why}
    measured, choice, prediction = result.verification, result.choice, result.prediction
    return {
        **verdict_figures(result.setup, measured, result.truth),
        "num_pilots": result.sweep.plan.num_patterns,
        "sweep_mode": result.sweep.mode,
        "algorithm": choice.algorithm,
        "predicted_mbps": choice.predicted_mbps,
        "bound_mbps": choice.bound_mbps,
        "certified_fraction": choice.certified_fraction,
        "stages_mbps": choice.stages,
        "winner": choice.winner,
        "advice": choice.status,
        "prediction_nmse_db": prediction.nmse_db,
        "true_prediction_nmse_db": result.true_nmse_db,
        "estimate": result.estimate.summary(),
        "crest_factor_db": result.setup.grid.crest_factor_db,
        "sounding_snr_db": result.sweep.snr_summary(result.setup.grid),
        "sounding_noise": result.sweep.noise_summary(result.setup.grid),
        "retaken": result.sweep.retaken,
        "ambiguous": result.sweep.ambiguous,
        "radio_time_s": result.sweep.radio_time_s,
        "radio_time_floor_s": result.sweep.floor_s,
        "solve_time_s": choice.solve_time_s,
        "solved_at": choice.solved_at,
        "solved_note": choice.solved_note,
        "by_power_alone": None,
    }


def _by_power_alone(
    testbed: Testbed, experiment: ClosedLoopConfig, recording: Recording, lost: Incoherent, progress: Progress
) -> Unphased:
    """What is left where no phase holds; the record says why. Raises Incoherent where that is not wanted."""
    if experiment.without_phase is None:
        raise lost
    recording.step(INCOHERENT, lambda: Step(np.empty(0), recording.time_s, {"why": str(lost)}))
    progress("no phase holds: search by power", 0, experiment.without_phase.budget)
    power_only.run(testbed, power_only.procedure_of(recording), recording, progress)
    return _unphased(recording)


def _unphased(recording: Recording) -> Unphased:
    return Unphased(load_sweep(recording), power_only.evaluate(recording), recording.read(INCOHERENT).facts["why"])


def _choose(estimate: CascadedEstimate, sweep: Sweep, setup: Setup, experiment: ClosedLoopConfig) -> Choice:
    with open_engine(experiment.engine) as engine:
        return choose_patterns(estimate, sweep, setup, experiment.optimizer, seed=experiment.seed, engine=engine)


def _decide(recording: Recording, decide: Callable[[], Choice]) -> Choice:
    """The recorded choice, or a new one: a resumed run judges the patterns that it chose before."""
    return Choice.from_step(recording.step("choice", lambda: decide().to_step(recording.time_s)))


def _judge(recording: Recording, setup: Setup, sweep: Sweep, estimate: CascadedEstimate) -> ClosedLoopResult:
    """What the rest of the recording says of the recorded choice, its prediction by an estimate of the same sweep."""
    choice = refined(recording, Choice.from_step(recording.read("choice")), estimate, setup)
    verification, prediction = load_verification(recording, choice, estimate)
    truth, true_nmse_db = _read_truth(recording, choice, prediction, setup)
    return ClosedLoopResult(setup, sweep, estimate, choice, verification, prediction, truth, true_nmse_db)


def _read_truth(
    recording: Recording, choice: Choice, prediction: Prediction, setup: Setup
) -> tuple[dict[str, Complex[np.ndarray, "subcarrier"]], float | None]:
    if "truth" not in recording:
        return {}, None
    responses, count = recording.read("truth").data, len(choice.patterns)
    held_out = responses[count:] * setup.grid.used
    predicted = prediction.predicted * setup.budget.scale
    parts = 1 if setup.testbed.receiver is None else PARTS_OF_A_SAMPLE
    nmse_db = nmse_to_truth_db(predicted, held_out, parts * setup.grid.fft_size) if len(held_out) else None
    return dict(zip(choice.patterns, responses[:count], strict=True)), nmse_db
