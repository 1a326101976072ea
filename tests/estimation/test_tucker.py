"""A tensor's few directions above the noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.estimation.tucker import Tucker, above_noise, directions, first_bases, unfold

ROWS, COLS, T = 12, 16, 10


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def waves(rng, count):
    """Plane waves of unit amplitude, each at its own delay."""
    row, col = (
        np.exp(1j * np.outer(np.arange(ROWS), rng.uniform(-1, 1, count))),
        np.exp(1j * np.outer(np.arange(COLS), rng.uniform(-2, 2, count))),
    )
    return np.einsum("rw,cw,wt->rct", row, col, np.eye(count, T))


@pytest.fixture
def model():
    rng = np.random.default_rng(1)
    tensor = 3 * waves(rng, 3) + noise(rng, ROWS, COLS, T)
    return tensor, Tucker.refine(tensor, first_bases(tensor))


def test_as_many_directions_stand_above_the_noise_as_there_are_waves(model):
    tensor, found = model
    assert found.core.shape == (3, 3, 3)
    assert all(base.shape == (size, 3) for base, size in zip(found.bases, tensor.shape, strict=True))


def test_noise_alone_keeps_one_direction():
    tensor = noise(np.random.default_rng(2), ROWS, COLS, T)
    assert all(above_noise(tensor, mode)[0].shape[1] == 1 for mode in range(3))


@pytest.mark.parametrize("mode", range(3))
def test_rounding_of_a_strong_direction_is_no_direction(mode):
    rng = np.random.default_rng(3)
    tensor = 1e5 * waves(rng, 1) + 5 * waves(rng, 2) + noise(rng, ROWS, COLS, T)
    kept, powers = above_noise(tensor.astype(np.complex64), mode)
    exact, exact_powers = above_noise(tensor, mode)
    assert kept.dtype == np.complex64
    assert kept.shape == exact.shape
    assert_allclose(powers, exact_powers, rtol=1e-2)


def test_the_model_is_a_projection(model):
    """What is left is orthogonal to what is kept, and coordinates of the expansion are the core."""
    tensor, found = model
    kept = found.expand(found.core)
    assert abs(np.vdot(kept, tensor - kept)) < 1e-9 * np.vdot(kept, kept).real
    rows, cols, taps = found.bases
    assert_allclose(np.einsum("rct,ri,cj,tk->ijk", kept, rows.conj(), cols.conj(), taps.conj()), found.core, atol=1e-9)


def test_the_cores_slices_are_orthogonal_and_fall_off(model):
    """So that no further turn of the axes is needed before neighbours are averaged."""
    for mode in range(3):
        slices = unfold(model[1].core, mode)
        products = slices @ slices.conj().T
        power = np.diag(products).real
        assert np.all(np.diff(power) <= 0)
        assert np.abs(products - np.diag(power)).max() < 0.02 * power.max()


def test_what_has_nothing_to_do_with_the_first_element_does_not_see_it():
    rng = np.random.default_rng(3)
    tensor = 3 * waves(rng, 3) + noise(rng, ROWS, COLS, T)
    spoilt = tensor.copy()
    spoilt[0, 0] += 1e3
    clean, kept = (first_bases(each, without_first=True) for each in (tensor, spoilt))
    for mine, other in zip(clean, kept, strict=True):
        assert_allclose(mine @ mine.conj().T, other @ other.conj().T, atol=1e-9)
    assert first_bases(spoilt)[0].shape != clean[0].shape


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_slices_are_rows(mode):
    tensor = noise(np.random.default_rng(4), 3, 4, 5)
    assert_allclose(unfold(tensor, mode)[1], np.take(tensor, 1, axis=mode).ravel())


@pytest.mark.parametrize("mode", range(3))
def test_directions_and_powers_are_those_of_the_slices(mode):
    rng = np.random.default_rng(4)
    tensor = (rng.normal(size=(5, 6, 7)) + 1j * rng.normal(size=(5, 6, 7))).astype(np.complex64)
    power, vectors = directions(tensor, mode)
    slices = unfold(tensor, mode)
    assert np.all(np.diff(power) > 0)
    assert_allclose((vectors * power) @ vectors.conj().T, slices @ slices.conj().T, atol=1e-4)
