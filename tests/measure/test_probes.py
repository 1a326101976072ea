"""Patterns are chosen so that what they leave unknown costs least."""

import numpy as np
import pytest

from hil.measure.probes import choose_probes

ELEMENTS, MODES = 64, 6
WAVES = np.exp(2j * np.pi * np.outer(np.arange(ELEMENTS), [3, 10, 17, 30, 41, 55]) / ELEMENTS) / np.sqrt(ELEMENTS)
BASIS = WAVES.astype(np.complex64)
PRIOR = np.diag([1.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25]).astype(complex)


def left_by(signs: np.ndarray, noise_var: float = 1.0, prior: np.ndarray = PRIOR) -> float:
    rows = np.concatenate([np.ones((len(signs), 1)), signs @ BASIS], axis=1)
    reach = prior @ rows.conj().T
    after = prior - reach @ np.linalg.solve(rows @ reach + noise_var * np.eye(len(signs)), reach.conj().T)
    return float(np.trace(after).real)


def test_what_is_said_to_be_left_is_left() -> None:
    signs, after = choose_probes(BASIS, PRIOR, 1.0, 10)
    np.testing.assert_allclose(np.trace(after).real, left_by(signs), rtol=1e-3)


def test_chosen_patterns_tell_more_than_random_ones() -> None:
    signs, _ = choose_probes(BASIS, PRIOR, 1.0, 12)
    rng = np.random.default_rng(0)
    random = [left_by(rng.choice([-1, 1], signs.shape)) for _ in range(20)]
    assert left_by(signs) < 0.5 * min(random)


def test_the_best_come_first() -> None:
    signs, _ = choose_probes(BASIS, PRIOR, 1.0, 12)
    gains = -np.diff([np.trace(PRIOR).real, *(left_by(signs[:count]) for count in range(1, 13))])
    assert gains[0] == max(gains)
    assert gains[:6].sum() > gains[6:].sum()


def test_patterns_are_signs_and_the_prior_is_left_alone() -> None:
    before = PRIOR.copy()
    signs, _ = choose_probes(BASIS, PRIOR, 1.0, 5)
    assert set(np.unique(signs)) == {-1, 1}
    np.testing.assert_array_equal(PRIOR, before)


@pytest.mark.parametrize("seed", range(6))
def test_of_the_phases_of_the_most_uncertain_wave_the_one_that_tells_most_is_sounded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(7, 7)) + 1j * rng.normal(size=(7, 7))
    prior = mixed @ np.diag([1.0, 30.0, 0.5, 0.4, 0.3, 0.2, 0.1]) @ mixed.conj().T
    (first,), _ = choose_probes(BASIS, prior, 1.0, 1)
    wave = BASIS @ np.linalg.eigh(prior[1:, 1:])[1][:, -1]
    phases = np.exp(-1j * np.linspace(0, 2 * np.pi, 721))
    tried = np.unique(np.where((wave * phases[:, None]).real >= 0, 1, -1), axis=0)
    left = [left_by(signs[None], prior=prior) for signs in tried]
    assert left_by(first[None], prior=prior) < np.quantile(left, 0.5)
