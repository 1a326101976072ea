"""Randomised hidden faults of a simulated station, and whether a calibration finds them: misses, false alarms."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.config import CalibrateConfig, TestbedConfig
from hil.experiments import calibrate
from hil.experiments.begin import begin
from hil.experiments.calibration.summary import summary
from hil.experiments.sound import sound_surface
from hil.interfaces import Progress, no_progress
from hil.sim.hidden import wiring
from hil.testbed import Testbed, open_testbed
from hil.units import power_db

QUICK_WATCH_S = 8.0
COVERED_SYMBOLS = 256
QUICK = {
    "schema": "hil-experiment/1",
    "kind": "calibrate",
    "candidates": 12,
    "switches": 4,
    "watch_s": QUICK_WATCH_S,
    "watch_soundings": 400,
}
Simulation = dict[str, Any]
"""What of the `simulation` section a fault replaces."""

SETTLE_TOLERANCE = 0.15
PACE_FACTOR = 1.5  # of a random walk, known from the few independent steps of the time watched
MOTION_DB, DOPPLER_FACTOR = 3.0, 1.6
RATIO_DB, RATIO_DEG = 1.0, 10.0


@dataclass(frozen=True)
class Fault:
    """A kind of fault: how it is drawn, and whether a summary tells it (the simulation section is the truth).

    found: hits and all that there was to find. untold: of the rest, those of which it says that they cannot be told.
    covered: a sweep without the surface is made first.
    """

    draw: Callable[[np.random.Generator, int, int], Simulation]
    found: Callable[[dict[str, Any], TestbedConfig], tuple[int, int]]
    untold: Callable[[dict[str, Any], TestbedConfig], int] = lambda _summary, _true: 0
    covered: bool = False


def count_faults(
    station: TestbedConfig,
    names: list[str] | None,
    *,
    user: str | None,
    trials: int,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[dict[str, Any]]:
    """A row for each kind of fault: {fault, trials, hidden, found, missed, untold, false_alarms}.

    Each trial is a room of its own with one fault. hidden, found, missed: elements for `stuck_elements`, else trials.
    untold: of the missed, those of which the calibration says that the channel cannot tell.
    false_alarms: trials in which a calibration told a fault of another kind, or elements that are whole.
    Raises KeyError for a name that is none of FAULTS.
    """
    chosen = names or list(FAULTS)
    rows = []
    for number, name in enumerate(chosen):
        outcomes, kind = [], list(FAULTS).index(name)
        for trial in range(trials):
            outcomes.append(_trial(station, FAULTS[name], name, user, np.random.default_rng([seed, kind, trial])))
            progress("calibrations", number * trials + trial + 1, len(chosen) * trials)
        found, hidden, untold, alarms = np.sum(outcomes, axis=0).tolist()
        row = {"fault": name, "trials": trials, "hidden": hidden, "found": found, "missed": hidden - found}
        rows.append({**row, "untold": untold, "false_alarms": alarms})
    return rows


def _trial(
    station: TestbedConfig, fault: Fault, name: str, user: str | None, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Found, hidden, told to be unknown, and whether there was a false alarm."""
    assert station.simulation is not None
    room = {
        "seed": int(rng.integers(1 << 16)),
        "scene": {**_plain(station)["scene"], "seed": int(rng.integers(1 << 16))},
    }
    true = _with(station, {**room, **fault.draw(rng, *_shape(station))})
    with tempfile.TemporaryDirectory() as folder:
        direct = (
            _covered_sweep(_with(station, {**room, "surface_condition": "covered"}), user, folder)
            if fault.covered
            else None
        )
        told = _calibrate(true, user, direct, folder)
    found, hidden = fault.found(told, true)
    return found, hidden, fault.untold(told, true), int(bool(_told(told, true) - {name}))


def _calibrate(station: TestbedConfig, user: str | None, direct: str | None, folder: str) -> dict[str, Any]:
    experiment = CalibrateConfig.model_validate({**QUICK, "direct": direct})
    with open_testbed(station, user=user) as testbed:
        recording = begin(testbed, experiment, folder)
        told = summary(calibrate.run(testbed, experiment, recording))
        return {**told, "true_motion_db": _true_motion_db(testbed)}


def _true_motion_db(testbed: Testbed) -> float:
    """Mean power of the echoes of those who walk, relative to the channel that stands still."""
    truth, nothing = testbed.truth, np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8)
    assert truth is not None
    still = truth.response(nothing)
    times_s = testbed.clock.now_s() - np.linspace(0, QUICK_WATCH_S, 400)
    moving = np.mean([np.sum(np.abs(truth.response(nothing, float(at)) - still) ** 2) for at in times_s])
    return float(power_db(moving / np.sum(np.abs(still) ** 2)))


def _covered_sweep(station: TestbedConfig, user: str | None, folder: str) -> str:
    experiment = CalibrateConfig.model_validate(QUICK)
    with open_testbed(station, user=user) as testbed:
        recording = begin(testbed, experiment, folder)
        sound_surface(testbed, recording, experiment.sweep.model_copy(update={"repetitions": COVERED_SYMBOLS}))
    return str(recording.path)


def _plain(station: TestbedConfig) -> dict[str, Any]:
    assert station.simulation is not None
    return station.simulation.model_dump(mode="json")


def _with(station: TestbedConfig, changes: Simulation) -> TestbedConfig:
    content = station.model_dump(mode="json", by_alias=True)
    return TestbedConfig.model_validate({**content, "simulation": {**content["simulation"], **changes}})


def _shape(station: TestbedConfig) -> tuple[int, int]:
    from hil.firmware.profile import load_profile

    geometry = load_profile(station.surface.profile).surface_geometry()
    return geometry.rows, geometry.cols


def _told(summary: dict[str, Any], true: TestbedConfig) -> set[str]:
    """Kinds of faults that a summary tells; elements count where they are whole in truth."""
    assert true.simulation is not None
    hidden = true.simulation.surface
    rows, cols = _shape(true)
    broken = {int(name) for name in hidden.stuck_elements}
    broken |= {row * cols + col for row in range(rows) for col in hidden.dead_columns}
    order = "mirrored" if "the surface is" in summary["element_order"] else "exchanged_lines"
    settle_s = summary["settle_time_s"]
    told = {
        order: not summary["order_as_declared"],
        "whole elements": bool(set(summary["dead_elements"]) - broken),
        "slow_settling": settle_s is not None
        and not summary["settle_hidden"]
        and settle_s > (1 + SETTLE_TOLERANCE) * summary["settle_declared_s"],
        "drift": summary["drift_deg_per_s"] > 0,
        "walkers": summary["motion_db"] is not None,
    }
    return {name for name, is_told in told.items() if is_told}


# ---------------------------------------------------------------------------------------------- the kinds of faults


def _surface(**changes: Any) -> Simulation:
    return {"surface": changes}


def _draw_columns(rng: np.random.Generator, _rows: int, cols: int) -> Simulation:
    return _surface(dead_columns=rng.choice(cols, rng.integers(1, 4), replace=False).tolist())


def _draw_stuck(rng: np.random.Generator, rows: int, cols: int) -> Simulation:
    elements = rng.choice(rows * cols, rng.integers(1, 9), replace=False)
    return _surface(stuck_elements={str(element): int(rng.integers(2)) for element in elements})


def _draw_mirrored(rng: np.random.Generator, _rows: int, _cols: int) -> Simulation:
    return _surface(mirrored=str(rng.choice(["left_right", "up_down", "both"])))


def _draw_exchanged(rng: np.random.Generator, rows: int, cols: int) -> Simulation:
    kind, count = [("swapped_columns", cols), ("swapped_rows", rows)][rng.integers(2)]
    return _surface(**{kind: [rng.choice(count, 2, replace=False).tolist()]})


def _draw_slow(rng: np.random.Generator, _rows: int, _cols: int) -> Simulation:
    return _surface(settle_s=float(rng.uniform(1.5e-3, 4e-3)))


def _draw_drift(rng: np.random.Generator, _rows: int, _cols: int) -> Simulation:
    return {"rf_drift": {"phase_deg_per_sqrt_s": float(rng.uniform(2, 20))}}


def _draw_walkers(rng: np.random.Generator, _rows: int, _cols: int) -> Simulation:
    level_db, doppler_hz = float(rng.uniform(-40, -20)), float(rng.uniform(0.5, 4))
    return {"room_motion": {"level_db": level_db, "doppler_hz": doppler_hz, "num_walkers": 3}}


def _draw_states(rng: np.random.Generator, _rows: int, _cols: int) -> Simulation:
    return _surface(state_db=float(rng.uniform(-6, 1)), state_deg=float(rng.uniform(-90, 90)))


def _found_columns(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    assert true.simulation is not None
    return int(set(summary["dead_columns"]) == set(true.simulation.surface.dead_columns)), 1


def _found_stuck(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    assert true.simulation is not None
    stuck = {int(name) for name in true.simulation.surface.stuck_elements}
    return len(stuck & set(summary["dead_elements"])), len(stuck)


def _untold_stuck(summary: dict[str, Any], true: TestbedConfig) -> int:
    assert true.simulation is not None
    return len({int(name) for name in true.simulation.surface.stuck_elements} & set(summary["faded_elements"]))


def _found_order(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    assert true.simulation is not None
    return int(summary["element_moves"] == wiring(*_shape(true), true.simulation.surface).tolist()), 1


def _found_slow(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    assert true.simulation is not None
    true_s = true.simulation.surface.settle_s
    assert true_s is not None
    return int(abs(summary["settle_time_s"] / true_s - 1) < SETTLE_TOLERANCE), 1


def _found_drift(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    assert true.simulation is not None
    pace = true.simulation.rf_drift.phase_deg_per_sqrt_s
    return int(pace / PACE_FACTOR < summary["drift_deg_per_s"] < PACE_FACTOR * pace), 1


def _found_walkers(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    """The level, relative to all that stands still, and the largest Doppler shift."""
    assert true.simulation is not None
    motion = true.simulation.room_motion
    assert motion is not None
    if summary["motion_db"] is None:
        return 0, 1
    level = abs(summary["motion_db"] - summary["true_motion_db"]) < MOTION_DB
    return int(level and 1 / DOPPLER_FACTOR < summary["doppler_hz"] / motion.doppler_hz < DOPPLER_FACTOR), 1


def _found_states(summary: dict[str, Any], true: TestbedConfig) -> tuple[int, int]:
    from hil.firmware.profile import load_profile
    from hil.sim.hidden import true_states

    assert true.simulation is not None
    states = true_states(load_profile(true.surface.profile).state_set(), true.simulation.surface)
    gamma = states.reflection(np.array([true.radio.lo_hz]))[0]
    ratio, told = gamma[states.minus] / gamma[states.plus], summary["state_ratio"]
    turn = (told["phase_deg"] - np.degrees(np.angle(ratio)) + 180) % 360 - 180
    near = abs(told["amplitude_db"] - 20 * np.log10(abs(ratio))) < RATIO_DB and abs(turn) < RATIO_DEG
    return int(told["measured"] and near), 1


FAULTS: dict[str, Fault] = {
    "none": Fault(lambda _rng, _rows, _cols: {}, lambda _summary, _true: (0, 0)),
    "dead_columns": Fault(_draw_columns, _found_columns),
    "stuck_elements": Fault(_draw_stuck, _found_stuck, _untold_stuck),
    "mirrored": Fault(_draw_mirrored, _found_order),
    "exchanged_lines": Fault(_draw_exchanged, _found_order),
    "slow_settling": Fault(_draw_slow, _found_slow),
    "drift": Fault(_draw_drift, _found_drift),
    "walkers": Fault(_draw_walkers, _found_walkers),
    "state_ratio": Fault(
        _draw_states, _found_states, lambda summary, _true: int(not summary["state_ratio"]["measured"]), covered=True
    ),
}
