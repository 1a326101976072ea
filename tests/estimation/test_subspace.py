"""A few plane waves hold the channel of a user, and go on holding it when the user moves."""

import numpy as np
import pytest

from hil.estimation.subspace import AngularSubspace, expected_power

ROWS, COLS, TAPS = 8, 16, 3


def channel(phases: np.ndarray, seed: int = 0) -> np.ndarray:
    """Waves from a few directions, none of them on a Fourier grid, each with its own taps and phase."""
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(ROWS * COLS), COLS)
    waves = [np.exp(2j * np.pi * (0.11 * row + u * col)) for u in rng.uniform(-0.5, 0.5, phases.size)]
    taps = rng.standard_normal((phases.size, TAPS, 2)) @ [1, 1j]
    turned = [np.exp(1j * turn) * np.outer(wave, tap) for turn, wave, tap in zip(phases, waves, taps, strict=True)]
    return np.asarray(np.sum(turned, axis=0))


def subspace(cascade: np.ndarray, modes: int) -> AngularSubspace:
    return AngularSubspace.of(cascade, np.full(cascade.shape, 1e-9), ROWS, COLS, modes)


def test_all_waves_together_are_a_unitary_basis() -> None:
    waves = subspace(channel(np.zeros(2)), ROWS * COLS)
    np.testing.assert_allclose(waves.basis.conj().T @ waves.basis, np.eye(ROWS * COLS), atol=1e-5)


def test_a_channel_comes_back_from_its_coefficients() -> None:
    cascade = channel(np.zeros(4))
    waves = subspace(cascade, ROWS * COLS)
    np.testing.assert_allclose(waves.expand(waves.coefficients(cascade)), cascade, atol=1e-4)


def test_waves_learnt_in_one_place_hold_the_channel_when_all_phases_have_turned() -> None:
    cascade, moved = channel(np.zeros(3)), channel(np.array([2.0, -1.0, 0.5]))
    waves = subspace(cascade, 20)
    left = moved - waves.expand(waves.coefficients(moved))
    assert np.sum(np.abs(left) ** 2) < 0.03 * np.sum(np.abs(moved) ** 2)


def test_the_singular_vectors_of_one_place_do_not_hold_it() -> None:
    """Why waves, and not the channel's own singular vectors: these mix paths in the phases of that place."""
    cascade, moved = channel(np.zeros(10)), channel(np.linspace(0, 9, 10) ** 2)
    own = np.linalg.svd(cascade, full_matrices=False)[0]
    left = moved - own @ (own.conj().T @ moved)
    assert np.sum(np.abs(left) ** 2) > 0.3 * np.sum(np.abs(moved) ** 2)


def test_rows_of_patterns_give_their_responses() -> None:
    cascade = channel(np.zeros(2))
    waves = subspace(cascade, ROWS * COLS)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (5, ROWS * COLS))
    expected = signs @ cascade
    np.testing.assert_allclose(waves.rows_of(signs) @ waves.coefficients(cascade), expected, atol=1e-3)
    np.testing.assert_allclose(waves.rows_of(1j * signs) @ waves.coefficients(cascade), 1j * expected, atol=1e-3)


def test_neighbours_of_a_strong_wave_are_expected_to_have_a_share_of_its_power() -> None:
    power = np.zeros((4, 4))
    power[1, 1], power[3, 3] = 1.0, -1.0
    expected = expected_power(power)
    assert expected[1, 1] == 1.0
    assert expected[0, 1] == expected[1, 2] == pytest.approx(0.1)
    assert expected[2, 2] == pytest.approx(0.01)
    assert expected.min() >= 0
