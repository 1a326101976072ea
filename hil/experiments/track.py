"""A moving user, followed: sound a little, estimate, optimise, apply, verify, round after round.

The channel is learnt once by a full sweep; then each round begins with a reference sounding of the pattern that serves,
which verifies the round before and, where it holds no surprise, spares the rest of the soundings. What is sounded and
what is made of it is a policy (`hil.experiments.policies`). The pattern is chosen for the channel at the middle of the
time in which it will serve. Instruments appear up to the recording; `evaluate` reads everything else from the file.

A track that was interrupted has ended: the user has gone on meanwhile. What was recorded of it is evaluated; a first
sweep that was interrupted is resumed as in a closed loop.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.config.track import TrackConfig
from hil.engine import open_engine
from hil.errors import ConfigError
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.begin import recorded_procedure
from hil.experiments.choose import check_optimizer
from hil.experiments.probing import suited
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.experiments.tracking.judge import judge_by_truth
from hil.experiments.tracking.round_record import Round, load_rounds
from hil.experiments.tracking.rounds import Follower
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.sweep import SweepPlan
from hil.testbed import Testbed
from hil.units import wavelength_m

TAKING_TURNS = ("partial", "progressive")  # policies that must hear a round before they are asked for the next


@dataclass(frozen=True)
class TrackResult:
    """What a track found out.

    rounds: as recorded. sweep: the first one; None where the channel was known before. truth: in simulation, a record
    of `hil.experiments.tracking.judge.TRUTH` for each instant; else None.
    """

    setup: Setup
    config: TrackConfig
    rounds: list[Round]
    sweep: Sweep | None
    truth: np.ndarray | None

    @property
    def follows_m_per_s(self) -> float | None:
        """Speed up to which this loop can follow; None where it ended before a pattern that it made had served.

        A policy that extrapolates phases must see each of them turn by less than half a circle from round to round:
        half a wavelength of way. Any other uses each pattern at its mean age, by which the user may have gone an eighth
        of a wavelength at most (paths from all sides then add up to 0.9 of their sum).
        """
        wavelength = wavelength_m(self.setup.testbed.radio.lo_hz)
        period_s, age_s = _median(self.rounds, "period_s"), _median(self.rounds, "age_s")
        if self.config.policy.name == "hold":
            return 0.0
        if self.config.policy.name == "two_timescale":
            return None if period_s is None else wavelength / 2 / period_s
        return None if age_s is None else wavelength / 8 / age_s


def check(experiment: TrackConfig) -> None:
    """Raise ConfigError for a procedure that cannot come to its end."""
    check_optimizer(experiment.optimizer, experiment.engine)
    sweep = experiment.sweep
    if sweep.group != (1, 1):
        raise ConfigError("sweep.group: the first sweep of a track is of single elements; use policy.group")
    if sweep.scheme == "dft":
        raise ConfigError(
            "sweep.scheme: dft: rounds sound patterns of two states, and go on from what a sweep of those two tells; a "
            "board of more states is swept by them too: pairs, hadamard or hadamard_plus_one"
        )
    if sweep.patterns is not None:
        raise ConfigError(
            "sweep.patterns: the first sweep tells each element by itself, for every round goes on from there; a round "
            "sounds as few as policy.patterns"
        )
    if experiment.receive_s > experiment.compute_s:
        raise ConfigError(f"receive_s: it is a part of compute_s, {experiment.compute_s:g} s")
    if experiment.overlap and experiment.policy.name in TAKING_TURNS:
        raise ConfigError(
            f"overlap: {experiment.policy.name} asks for what comes next by what it heard last; it is for hold, full, "
            "grouped and two_timescale"
        )


def run(
    testbed: Testbed, experiment: TrackConfig, recording: Recording, progress: Progress = no_progress
) -> TrackResult:
    """Learn, then follow the user of an open testbed for the configured time. The last pattern stays on the surface.

    Raises whatever the instruments raise where it goes on for `MAX_LOST` rounds; what was recorded stays.
    """
    plan, estimate = learn(testbed, recording, experiment, progress)
    return follow(testbed, recording, experiment, plan, estimate, progress)


def learn(
    testbed: Testbed, recording: Recording, experiment: TrackConfig, progress: Progress = no_progress
) -> tuple[SweepPlan, CascadedEstimate]:
    """The first sweep, and the channel that it shows; the plan of later ones, which take no references.

    The radio drifts over the seconds of this sweep, but hardly over a round: soundings of a round have one phase.
    """
    config = suited(experiment.sweep, testbed)
    sweep = sound_surface(testbed, recording, config, seed=experiment.seed, progress=progress)
    plan = sweep.plan.only(sweep.plan.of_surface)
    return plan, estimate_channel(sweep, Setup.from_json(recording.manifest))


def follow(
    testbed: Testbed,
    recording: Recording,
    experiment: TrackConfig,
    plan: SweepPlan,
    estimate: CascadedEstimate,
    progress: Progress = no_progress,
    known: MutableMapping[float, float] | None = None,
) -> TrackResult:
    """Follow the user from a channel that is known. known: as of `judge_by_truth`."""
    if not load_rounds(recording):
        testbed.continue_at(recording.time_s)
        with open_engine(experiment.engine) as engine:
            Follower(testbed, recording, experiment, plan, estimate, engine).run(progress)
    if testbed.truth is not None and "truth" not in recording:
        judge_by_truth(testbed.truth, recording, experiment, testbed.surface.states, progress, known)
    return evaluate(recording)


def evaluate(recording: Recording) -> TrackResult:
    """The result, from the run directory alone. Raises RecordingError where a stage is missing."""
    setup = Setup.from_json(recording.manifest)
    config = recorded_procedure(recording, TrackConfig)
    truth = recording.read("truth").data if "truth" in recording else None
    sweep = load_sweep(recording) if "sweep/begin" in recording else None
    return TrackResult(setup, config, load_rounds(recording), sweep, truth)


def summary(result: TrackResult) -> dict[str, Any]:
    """The figures of a track as plain values: predicted, measured and, in simulation, true ones apart.

    It passes where it measured no less than the first pattern of all, over the rounds that measured both, which are
    `rounds_compared`; where the first one itself serves there is nothing to compare. Pilots and radio time are those
    of the first sweep, rates means over the rounds.
    """
    rounds, sweep = result.rounds, result.sweep
    measured, hold = (_mean(rounds, name) for name in ("measured_mbps", "hold_mbps"))
    both = [(each.measured_mbps, each.hold_mbps) for each in rounds if each.measured_mbps != each.hold_mbps]
    gains_mbps = [mine - first for mine, first in both if mine is not None and first is not None]
    kept = measured is not None and sum(gains_mbps) >= 0
    return {
        "outcome": "PASS" if kept else "FAIL",
        "testbed": result.setup.testbed.name,
        "user": result.setup.user,
        "simulated": result.setup.simulated,
        "calibrated": result.setup.budget.calibrated,
        "num_elements": result.setup.num_elements,
        "policy": result.config.policy.name,
        "algorithm": result.config.optimizer.algorithm,
        "num_pilots": sweep and sweep.plan.num_patterns,
        "radio_time_s": sweep and sweep.radio_time_s,
        "radio_time_floor_s": sweep and sweep.floor_s,
        "rounds": len(rounds),
        "lost_rounds": sum(each.lost is not None for each in rounds),
        "sweeps_again": sum(each.swept for each in rounds),
        "retaken": sum(each.retaken for each in rounds),
        "overloaded": sum(each.overloaded for each in rounds),
        "restarts": sum(each.restarts for each in rounds),
        "patterns": _mean(rounds, "patterns"),
        "predicted_mbps": _mean(rounds, "predicted_mbps"),
        "measured_mbps": measured,
        "hold_mbps": hold,
        "rate_mbps": {"hold": hold, "chosen": measured},
        "gain_over_hold_mbps": float(np.mean(gains_mbps)) if gains_mbps else None,
        "rounds_compared": len(gains_mbps),
        "period_s": _median(rounds, "period_s"),
        "lag_s": _median(rounds, "lag_s"),
        "epochs": _median(rounds, "epochs"),
        "stages_s": {name: float(np.median([each.stages_s.get(name, 0.0) for each in rounds])) for name in STAGES},
        "software_ms": _median(rounds, "software_ms"),
        "thinking_ms": _median(rounds, "thinking_ms"),
        "charged_ms": 1e3 * result.config.compute_s if result.setup.simulated else None,
        "follows_m_per_s": result.follows_m_per_s,
        "user_m_per_s": _user_m_per_s(result.setup),
        **_true_figures(result.truth),
    }


FRACTIONS = ("mean_true_fraction", "mean_served_fraction", "mean_hold_fraction")
STAGES = ("reference", "sound", "compute", "apply", "serve")


def _user_m_per_s(setup: Setup) -> float | None:
    """How fast a simulated user walks; None for one who does not, or is real."""
    path = next((user.path for user in setup.testbed.users if user.name == setup.user), None)
    return path.speed_m_per_s if path is not None and setup.simulated else None


def _true_figures(truth: np.ndarray | None) -> dict[str, Any]:
    """mean_true_fraction: of the pattern last configured, at every instant, as if soundings took no time;
    mean_served_fraction: of what is on the surface, soundings and all, no data while pilots are listened to."""
    if truth is None:
        return {**dict.fromkeys(FRACTIONS), "true_rate_mbps": {}}
    best = truth["optimum_mbps"]
    return {
        "true_rate_mbps": {
            "hold": float(np.mean(truth["hold_mbps"])),
            "chosen": float(np.mean(truth["configured_mbps"])),
        },
        "mean_true_fraction": float(np.mean(truth["configured_mbps"] / best)),
        "mean_served_fraction": float(np.mean(truth["served_mbps"] / best)),
        "mean_hold_fraction": float(np.mean(truth["hold_mbps"] / best)),
        "optimum_mbps": float(np.mean(best)),
        "judged_instants": len(truth),
    }


def _values(rounds: list[Round], name: str) -> Float[np.ndarray, "round"]:
    values = [getattr(each, name) for each in rounds]
    return np.array([each for each in values if each is not None], dtype=float)


def _mean(rounds: list[Round], name: str) -> float | None:
    values = _values(rounds, name)
    return float(values.mean()) if values.size else None


def _median(rounds: list[Round], name: str) -> float | None:
    values = _values(rounds, name)
    return float(np.median(values)) if values.size else None
