"""A channel of plane waves and fractional delays, sounded by arithmetic alone: what estimates are judged against."""

from dataclasses import dataclass

import numpy as np
import pytest

from hil.config import SweepConfig
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan
from hil.phy.ofdm import OfdmGrid

K, L, NUM_TAPS = 100, 128, 12


def _noise(rng, shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


@dataclass
class Channel:
    """direct[subcarrier], cascade[element, subcarrier] of a surface; surface's part of unit mean power."""

    direct: np.ndarray
    cascade: np.ndarray
    rows: int
    cols: int
    grid: OfdmGrid

    def response(self, signs):
        return self.direct + signs @ self.cascade

    def sound(self, signs, snr_db, rng, phase=1.0):
        """Soundings at random starts, with noise that is `snr_db` below the mean response; and the starts."""
        clean = self.response(signs)
        noise_var = np.mean(np.abs(clean) ** 2) / 10 ** (snr_db / 10)
        starts = rng.integers(0, L, len(signs))
        ramp = np.exp(2j * np.pi / L * np.outer(starts, np.arange(K) - K // 2))
        heard = (clean * ramp * np.exp(1j * phase) + np.sqrt(noise_var) * _noise(rng, clean.shape)) * self.grid.used
        count = len(signs)
        block = SoundingBlock(
            heard.astype(np.complex64),
            np.full(count, noise_var),
            np.arange(count, dtype=float),
            np.zeros(count, dtype=int),
            np.zeros(count, dtype=bool),
            0,
        )
        return block, starts


@pytest.fixture
def make_channel():
    """channel(rows, cols, direct_db, kind): `few` waves, `rough` (each element for itself), or `flat` (one delay)."""

    def make(rows=8, cols=8, direct_db=0.0, kind="few", seed=1):
        rng = np.random.default_rng(seed)
        k = np.arange(K) - K // 2
        num_paths = 1 if kind == "flat" else 12
        delay = rng.uniform(20, 20 + NUM_TAPS - 2, num_paths)
        waves = (
            np.exp(-2j * np.pi / K * np.outer(delay, k))
            * _noise(rng, (num_paths, 1))
            * np.exp(-(delay[:, None] - 20) / 4)
        )
        if kind == "rough":
            steer = _noise(rng, (rows * cols, num_paths))
        else:
            row, col = np.divmod(np.arange(rows * cols), cols)
            steer = np.exp(
                1j * (np.outer(row, rng.uniform(-1, 1, num_paths)) + np.outer(col, rng.uniform(-2, 2, num_paths)))
            )
        cascade = steer @ waves
        cascade /= np.sqrt(np.mean(np.sum(np.abs(cascade) ** 2, axis=0)))
        direct_delay = rng.uniform(20, 20 + NUM_TAPS - 2, 6)
        direct = _noise(rng, 6) @ np.exp(-2j * np.pi / K * np.outer(direct_delay, k))
        direct *= 10 ** (direct_db / 20) / np.sqrt(np.mean(np.abs(direct) ** 2))
        grid = OfdmGrid.build(K, L, 10e6, np.arange(K) != K // 2, "newman")
        return Channel(direct, cascade, rows, cols, grid)

    return make


@pytest.fixture
def sweep(make_channel):
    """sweep(channel, scheme, snr_db, seed) -> plan, block of soundings, starts."""

    def run(channel, scheme="pairs", snr_db=20.0, seed=0):
        plan = SweepPlan.from_config(SweepConfig(scheme=scheme), channel.rows * channel.cols, seed=seed)
        block, starts = channel.sound(plan.signs().astype(float), snr_db, np.random.default_rng(seed + 100))
        return plan, block, starts

    return run
