"""An error of the imaginary part on one axis, filled in from the surface's structure where it has one."""

import numpy as np
import pytest

from hil.estimation.denoise import denoise
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.quadrature import denoise_quadrature

ROWS, COLS, T = 12, 16, 10
NOISE, ERROR = 1e-3, 1.0  # variances: of all coordinates, and of the first one's imaginary part


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def waves(rng, count=5):
    row, col = np.divmod(np.arange(ROWS * COLS), COLS)
    phase = np.outer(row, rng.uniform(-1, 1, count)) + np.outer(col, rng.uniform(-2, 2, count))
    return np.exp(1j * phase) @ noise(rng, count, T)


def strangers(rng):
    return np.sqrt(5) * noise(rng, ROWS * COLS, T)


def measured(rng, cascade):
    heard = cascade + np.sqrt(NOISE) * noise(rng, *cascade.shape)
    heard[:, 0] += 1j * np.sqrt(ERROR) * rng.normal(size=len(heard))
    variance = np.full(cascade.shape, NOISE)
    variance[:, 0] += ERROR
    return CascadedEstimate(noise(rng, T), heard, np.eye(T, dtype=complex), variance[0], variance)


def clean(estimate):
    return denoise_quadrature(estimate, ROWS, COLS, share=ERROR / (ERROR + NOISE))


def error(estimate, cascade):
    return float(np.sum(np.abs(estimate.cascade - cascade) ** 2))


@pytest.mark.parametrize("seed", range(3))
def test_waves_are_restored_to_the_noise_of_all_other_coordinates(seed):
    rng = np.random.default_rng(seed)
    cascade = waves(rng)
    raw = measured(rng, cascade)
    found = error(clean(raw), cascade)
    assert found < 2 * NOISE * cascade.size
    assert found < 0.3 * error(denoise(raw, ROWS, COLS), cascade)


@pytest.mark.parametrize("seed", range(3))
def test_strangers_are_not_made_worse(seed):
    rng = np.random.default_rng(seed)
    cascade = strangers(rng)
    raw = measured(rng, cascade)
    assert error(clean(raw), cascade) < 1.02 * error(raw, cascade)


@pytest.mark.parametrize("channel", [waves, strangers])
def test_no_smaller_error_is_claimed_than_is_left(channel):
    rng = np.random.default_rng(5)
    cascade = channel(rng)
    found = clean(measured(rng, cascade))
    assert found.cascade_var.sum() > 0.5 * error(found, cascade)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_that_is_claimed_of_the_first_axis_is_the_one_that_is_left(seed):
    rng = np.random.default_rng(seed)
    for channel in (waves, strangers):
        cascade = channel(rng)
        found = clean(measured(rng, cascade))
        claimed, left = found.cascade_var[:, 0].sum(), np.sum(np.abs(found.cascade - cascade)[:, 0] ** 2)
        by_chance = 3 * ERROR * np.sqrt(2 * len(cascade))  # scatter of Stein's estimate
        assert abs(claimed - left) < by_chance
        assert channel is waves or 0.5 < claimed / left < 2


def test_what_was_given_is_not_touched():
    rng = np.random.default_rng(6)
    raw = measured(rng, waves(rng))
    cascade, variance = raw.cascade.copy(), raw.cascade_var.copy()
    clean(raw)
    assert np.array_equal(raw.cascade, cascade)
    assert np.array_equal(raw.cascade_var, variance)
