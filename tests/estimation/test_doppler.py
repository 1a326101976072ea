"""Waves that beat are foreseen from their past, at whatever times that was, and the past says how well."""

import numpy as np
import pytest

from hil.estimation.doppler import FEWEST, PAST, DopplerSpectra, _root_of_ratio

WIDEST_HZ, PERIOD_S, TAPS = 8.0, 0.055, 12
PATHS_HZ = np.array([[5.1, -2.3], [-4.4, 0.7], [1.3, 6.2]])  # two paths in each of three waves
STILL = np.ones((1, TAPS), dtype=complex)


class World:
    """Waves of two paths each, whose taps have amplitudes of their own."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.rng, self.amplitude = rng, rng.standard_normal((*PATHS_HZ.shape, TAPS, 2)) @ [1, 1j]

    def at(self, time_s: float) -> np.ndarray:
        return np.asarray(np.einsum("wp,wpt->wt", np.exp(2j * np.pi * PATHS_HZ * time_s), self.amplitude))

    def seen(self, time_s: float, noise: float) -> np.ndarray:
        return self.at(time_s) + noise * (self.rng.standard_normal((len(PATHS_HZ), TAPS, 2)) @ [1, 1j])


def watched(world: World, count: int, *, noise: float = 0.1, jitter_s: float = 0.0) -> tuple[DopplerSpectra, float]:
    spectra, time_s = DopplerSpectra(WIDEST_HZ), 0.0
    for number in range(count):
        time_s = number * PERIOD_S + jitter_s * world.rng.uniform()
        spectra.add(time_s, world.seen(time_s, noise))
    return spectra, time_s


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sum(np.abs(found - truth) ** 2) / np.sum(np.abs(truth) ** 2))


@pytest.mark.parametrize("jitter_s", [0.0, 0.02])
def test_a_beat_is_foreseen_two_rounds_ahead(jitter_s: float) -> None:
    world = World()
    spectra, now_s = watched(world, 30, jitter_s=jitter_s)
    later_s = now_s + 2 * PERIOD_S
    assert error(spectra.at(later_s), world.at(later_s)) < 0.06
    assert error(world.at(now_s), world.at(later_s)) > 1  # who stays where he was is worse off than who knows nothing


def test_what_is_foreseen_gets_better_with_the_past() -> None:
    errors = []
    for count in (FEWEST, 6, PAST):
        world = World()
        spectra, now_s = watched(world, count)
        errors.append(error(spectra.at(now_s + PERIOD_S), world.at(now_s + PERIOD_S)))
    assert errors[0] > 2 * max(errors[1:])
    assert max(errors) < 0.1


def test_the_lines_lie_where_the_paths_turn() -> None:
    spectra, _ = watched(World(), 30)
    for wave, paths_hz in enumerate(PATHS_HZ):
        near = np.min(np.abs(spectra.lines_hz[:, None] - paths_hz), axis=1) < 0.8
        assert spectra.power[wave, near].sum() > 0.9 * spectra.power[wave].sum()


def test_noise_is_taken_for_something_white() -> None:
    world = World()
    spectra, _ = watched(world, 60, noise=0.5)
    signal = np.mean(np.abs(world.amplitude) ** 2)
    assert 0.5 * 2 * 0.5**2 < spectra.white.mean() < 2 * 2 * 0.5**2
    assert spectra.power.sum(axis=1).mean() == pytest.approx(2 * signal, rel=0.4)


def test_no_line_turns_by_more_than_values_so_far_apart_can_tell() -> None:
    spectra = DopplerSpectra(WIDEST_HZ)
    for number in range(FEWEST):
        spectra.add(0.5 * number, STILL)
    assert spectra.lines_hz[[0, -1]].tolist() == [-1.0, 1.0]
    for number in range(FEWEST, FEWEST + PAST):
        spectra.add(spectra_end := 0.5 * FEWEST + PERIOD_S * number, STILL)
    assert spectra.lines_hz[[0, -1]].tolist() == [-WIDEST_HZ, WIDEST_HZ]
    assert error(spectra.at(spectra_end + PERIOD_S), STILL) < 0.01


def test_other_waves_take_their_places_without_touching_those_that_stay() -> None:
    world = World()
    spectra, now_s = watched(world, 20)
    before = spectra.at(now_s + PERIOD_S)
    spectra.exchange(np.array([2, 0]), 1)
    after = spectra.at(now_s + PERIOD_S)
    np.testing.assert_allclose(after[:2], before[[2, 0]], rtol=1e-4, atol=1e-4)
    assert not after[2].any()
    for number in range(1, PAST):
        time_s = now_s + number * PERIOD_S
        spectra.add(time_s, world.seen(time_s, 0.1)[[2, 0, 1]])
    assert error(spectra.at(time_s + PERIOD_S), world.at(time_s + PERIOD_S)[[2, 0, 1]]) < 0.05


def test_nothing_is_foreseen_from_too_little() -> None:
    spectra, _ = watched(World(), FEWEST - 1)
    assert not spectra.foresees
    spectra.add(1.0, np.zeros((len(PATHS_HZ), TAPS), dtype=complex))
    assert spectra.foresees


@pytest.mark.filterwarnings("error")
def test_what_rounding_leaves_below_zero_changes_no_power() -> None:
    explained, should = np.array([4.0, -1e-9, 1e-9, 0.0, 1.0]), np.array([1.0, 1.0, -1e-9, 2.0, 0.0])
    assert _root_of_ratio(explained, should).tolist() == [2.0, 1.0, 1.0, 0.0, 1.0]
