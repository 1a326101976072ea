"""Estimates through simulated radios, in samples from DAC to ADC: what a reference receiver and a second Pluto do.

The true channel judges random patterns that were no part of the sweep; errors are relative to the surface's part.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hil.campaign.shipped import STATION
from hil.config import SweepConfig, TestbedConfig, load_testbed
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments.closed_loop import new_recording
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.measure.setup import Setup
from hil.testbed import Testbed, open_testbed
from hil.units import power_db, power_from_db

CLOSE = {"power.radiated_power_dbm": -16.0, "radio.rx_gain_db": 46}  # some 40 dB SNR with 16 symbols
DRIFT = {"simulation.rf_drift": {"phase_deg_per_sqrt_s": 10.0}}
COUPLER = {"simulation.num_channels": 2, "simulation.reference_db": -30.0}
WIRED = {"surface.profile": "reference-64x64", "surface.trigger": "radio"}
HELD_OUT, FRACTIONS = 16, 512  # random patterns; parts of a sample to which two radios' delays are matched

Row = dict[str, Any]


def radio_rows(*, seeds: Sequence[int]) -> list[Row]:
    """One row a radio, from sweeps in pairs; `nmse_db` of raw estimates, the mean over the seeds' stations."""
    return [
        _mean(
            name,
            [
                _judge(load_testbed(STATION, {**CLOSE, **more, "simulation.seed": seed + 1}), mode, group, seed)
                for seed in seeds
            ],
        )
        for name, mode, group, more in _cases()
    ]


def _cases() -> Iterator[tuple[str, str, tuple[int, int], Mapping[str, object]]]:
    yield "radio that stands still, pipelined", "pipelined", (2, 2), {}
    yield "radio walks 10 deg/sqrt(s), pairs", "pipelined", (2, 2), DRIFT
    yield "radio walks 10 deg/sqrt(s), reference receiver", "pipelined", (2, 2), {**DRIFT, **COUPLER}
    for mode, group, board in (("burst", (4, 2), {}), ("sequence", (8, 8), WIRED), ("triggered", (8, 8), WIRED)):
        yield f"one Pluto, {mode}", mode, group, board
        for sender_ppm in (9.05, -9.05, 54.0, -54.0):
            two: dict[str, object] = {"receiver": {"uri": "sim"}, "simulation.crystal": {"offset_ppm": sender_ppm}}
            yield f"two Plutos {sender_ppm * 5.53:+.0f} kHz, {mode}", mode, group, {**board, **two}


def _mean(name: str, rows: Sequence[Row]) -> Row:
    """Of one case: errors as powers, everything else in dB."""

    def mean(key: str) -> float | None:
        values = [row[key] for row in rows if row[key] is not None]
        return float(np.mean(values)) if values else None

    error = float(power_db(np.mean([power_from_db(row["nmse_db"]) for row in rows])))
    means = {key: mean(key) for key in ("direct_to_surface_db", "snr_db", "reference_snr_db")}
    seeds = [row["seed"] for row in rows]
    return {"case": name, "nmse_db": error, "crlb_db": None, "rate_fraction": None, **means, "seeds": seeds}


def _judge(config: TestbedConfig, mode: str, group: tuple[int, int], seed: int) -> Row:
    asked = SweepConfig.model_validate({"mode": mode, "scheme": "pairs", "group": group})
    with tempfile.TemporaryDirectory() as folder, open_testbed(config) as bed:
        recording = new_recording(bed, root=Path(folder))
        sound_surface(bed, recording, asked, seed=seed)
        sweep, setup = load_sweep(recording), Setup.from_json(recording.manifest)
        return _errors(bed, sweep, setup, group, seed) | {"seed": seed}


def _errors(bed: Testbed, sweep: Sweep, setup: Setup, group: tuple[int, int], seed: int) -> Row:
    assert bed.truth is not None
    shape = (HELD_OUT, setup.rows // group[0], setup.cols // group[1])
    blocks = np.random.default_rng([seed, 7]).integers(0, 2, shape).astype(np.uint8)
    patterns = blocks.repeat(group[0], axis=1).repeat(group[1], axis=2).reshape(HELD_OUT, -1)
    truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * bed.grid.used
    direct = truth.mean(axis=0)
    surface = float(power_db(np.mean(np.abs(truth - direct) ** 2)))
    predicted = estimate_channel(sweep, setup, denoised=False).predict_patterns(patterns)
    predicted = predicted * setup.grid.used * setup.budget.scale
    error_db = nmse_to_truth_db(predicted, truth, FRACTIONS * bed.grid.fft_size)
    power = np.mean(np.abs(sweep.soundings.response[:, bed.grid.used]) ** 2)
    return {
        "nmse_db": error_db + float(power_db(np.mean(np.abs(truth) ** 2))) - surface,
        "direct_to_surface_db": float(power_db(np.mean(np.abs(direct) ** 2))) - surface,
        "snr_db": float(power_db(power / np.mean(sweep.soundings.noise_var))),
        "reference_snr_db": sweep.reference_snr_db,
    }
