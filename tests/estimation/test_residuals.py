"""Residuals: nothing is left of what an estimate explains, whatever start and phase; noise and errors are."""

import numpy as np
import pytest

from hil.config import OfdmConfig, SweepConfig
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.residuals import residuals
from hil.measure.repeated import PARTS_OF_A_SAMPLE
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis

GRID = OfdmGrid.from_config(
    OfdmConfig(num_subcarriers=64, num_taps=4, bandwidth_hz=5e6, fft_size=80, pilot="zadoff_chu", repetitions=4)
)
PLAN = SweepPlan.from_config(SweepConfig(), 16, seed=1)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


@pytest.fixture
def estimate() -> CascadedEstimate:
    rng = np.random.default_rng(0)
    basis = DelayBasis.build(GRID.used, 0, 4).basis
    taps = basis.shape[1]
    return CascadedEstimate(normal(rng, taps), normal(rng, 16, taps), basis, np.zeros(taps), np.zeros((16, taps)))


def sounded(estimate: CascadedEstimate, noise_var: float, parts: int = 1) -> SoundingBlock:
    """Soundings of the plan at random phases and starts, told in so many parts of a sample."""
    rng = np.random.default_rng(1)
    count = PLAN.num_patterns
    exact = estimate.predict_patterns(PLAN.patterns(slice(0, count))) * GRID.used
    turned = (
        advance(exact, rng.integers(0, parts * 80, count), parts * 80) * np.exp(2j * np.pi * rng.random(count))[:, None]
    )
    noisy = turned + np.sqrt(noise_var) * normal(rng, *turned.shape)
    return SoundingBlock(
        noisy.astype(np.complex64), np.full(count, noise_var), np.arange(count) * 1e-3,
        np.zeros(count, dtype=int), np.zeros(count, dtype=bool), 0,
    )  # fmt: skip


def test_nothing_is_left_of_what_the_estimate_explains(estimate: CascadedEstimate) -> None:
    left = residuals(estimate, PLAN, sounded(estimate, 0.0), GRID)
    assert left.by_sounding.max() < 1e-8 * left.signal.mean()


def test_nothing_is_left_where_two_radios_captures_start_between_samples(estimate: CascadedEstimate) -> None:
    soundings = sounded(estimate, 0.0, parts=PARTS_OF_A_SAMPLE)
    left = residuals(estimate, PLAN, soundings, GRID, apart=True)
    assert left.by_sounding.max() < 1e-8 * left.signal.mean()
    assert residuals(estimate, PLAN, soundings, GRID).by_sounding.max() > 1e-2 * left.signal.mean()


def test_noise_is_left_as_it_is_over_soundings_and_band(estimate: CascadedEstimate) -> None:
    left = residuals(estimate, PLAN, sounded(estimate, 0.01), GRID)
    assert left.by_sounding.mean() == pytest.approx(0.01, rel=0.1)
    assert left.by_subcarrier.mean() == pytest.approx(left.by_sounding.mean())


def test_signal_is_the_power_that_was_measured_and_blocks_make_no_difference(
    estimate: CascadedEstimate, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundings = sounded(estimate, 0.01)
    whole = residuals(estimate, PLAN, soundings, GRID)
    np.testing.assert_allclose(whole.signal, np.mean(np.abs(soundings.response[:, GRID.used]) ** 2, axis=0), rtol=1e-5)
    monkeypatch.setattr("hil.estimation.residuals.BLOCK", 7)
    parts = residuals(estimate, PLAN, soundings, GRID)
    for name, values in vars(whole).items():
        np.testing.assert_allclose(getattr(parts, name), values, rtol=1e-5)


def test_one_wrong_sounding_stands_out(estimate: CascadedEstimate) -> None:
    soundings = sounded(estimate, 1e-4)
    soundings.response[5] *= 1.5
    left = residuals(estimate, PLAN, soundings, GRID)
    assert int(left.by_sounding.argmax()) == 5
    assert left.by_sounding[5] > 100 * np.median(left.by_sounding)
