"""The filter follows what turns, foresees it, and says when it cannot explain what it hears."""

import numpy as np
import pytest

from hil.estimation.kalman import ModeFilter

MODES, TAPS, PATTERNS, PERIOD_S = 6, 4, 24, 0.1
SHIFTS_HZ = np.array([0.0, 2.0, -3.0, 1.0, -1.5, 3.5])


class World:
    """Waves that each turn at a pace of their own, seen by random patterns."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.modes = self.rng.standard_normal((MODES, TAPS, 2)) @ [1, 1j]
        self.direct = self.rng.standard_normal((TAPS, 2)) @ [1, 1j]
        self.rows = self.rng.standard_normal((PATTERNS, MODES, 2)) @ [1, 1j]

    def at(self, time_s: float, moving: bool = True) -> np.ndarray:
        return np.exp(2j * np.pi * SHIFTS_HZ * moving * time_s)[:, None] * self.modes

    def sound(self, time_s: np.ndarray, noise: float = 0.02, moving: bool = True) -> np.ndarray:
        pairs = zip(self.rows, time_s, strict=True)
        taps = np.stack([self.direct + row @ self.at(when, moving) for row, when in pairs])
        return taps + noise / 0.02 * self.noise(taps.shape)

    def noise(self, shape: tuple[int, ...]) -> np.ndarray:
        return 0.02 * (self.rng.standard_normal((*shape, 2)) @ [1, 1j])


def known(world: World, oscillators: int = 1) -> ModeFilter:
    band = np.linspace(-1, 1, oscillators) if oscillators > 1 else np.zeros(1)
    power = np.mean(np.abs(world.modes) ** 2, axis=1)
    return ModeFilter.begin(world.direct, world.modes, np.full(MODES + 1, 1e-3), power, band, 0.0)


def follow(world: World, state: ModeFilter, rounds: int, moving: bool = True) -> list[float]:
    misfits = []
    for number in range(1, rounds + 1):
        time_s = number * PERIOD_S + 1e-3 * np.arange(PATTERNS) / PATTERNS
        misfits.append(state.update(world.rows, time_s, world.sound(time_s, moving=moving), 2 * 0.02**2))
    return misfits


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sum(np.abs(found - truth) ** 2) / np.sum(np.abs(truth) ** 2))


def test_what_turns_is_foreseen_a_round_ahead() -> None:
    world = World()
    state = known(world)
    follow(world, state, 20)
    later_s = state.time_s + PERIOD_S
    assert error(state.at(later_s)[1], world.at(later_s)) < 0.01
    assert error(state.at(state.time_s)[1], world.at(later_s)) > 0.3  # without its turning


def test_frequencies_are_found() -> None:
    world = World()
    state = known(world)
    follow(world, state, 20)
    np.testing.assert_allclose(state.doppler[1:] / (2 * np.pi), SHIFTS_HZ, atol=0.05)


def test_a_wave_that_turns_by_more_than_half_between_rounds_is_told_by_its_pace_within_one() -> None:
    world = World()
    state = known(world)
    for number in range(1, 40):
        time_s = number * PERIOD_S + 0.02 * np.arange(PATTERNS) / PATTERNS
        shift_hz = np.where(np.arange(MODES) == 2, 7.0, 0.0)
        turned = world.modes * np.exp(2j * np.pi * np.multiply.outer(time_s, shift_hz))[..., None]
        taps = world.direct + np.einsum("pm,pmt->pt", world.rows, turned)
        state.update(world.rows, time_s, taps + world.noise(taps.shape), 2 * 0.02**2)
    assert state.doppler[3] / (2 * np.pi) == pytest.approx(7.0, abs=0.1)  # and not 7 - 10 = -3


def test_no_wave_turns_faster_than_the_band_of_the_fastest_user() -> None:
    """Soundings that err like another turn, over and over, do not talk a wave out of its band."""
    world = World()
    state = known(world, oscillators=5)
    state.doppler[: state.num_direct] *= 2 * np.pi * 4  # a band of 4 Hz; rounds come 10 times a second
    for number in range(1, 40):
        time_s = number * PERIOD_S + 0.02 * np.arange(PATTERNS) / PATTERNS
        turned = world.modes * np.exp(2j * np.pi * np.multiply.outer(time_s, np.full(MODES, 7.0)))[..., None]
        taps = world.direct + np.einsum("pm,pmt->pt", world.rows, turned)
        state.update(world.rows, time_s, taps, 2 * 0.02**2)
    assert np.abs(state.doppler).max() < 2 * np.pi * 5.1


def test_a_channel_that_stands_is_known_better_and_better() -> None:
    world = World()
    state = known(world)
    follow(world, state, 30, moving=False)
    assert error(state.at(state.time_s)[1], world.modes) < 1e-4
    assert state.wander < 1e-3


def test_a_wave_that_is_not_heard_is_forgotten_down_to_its_power() -> None:
    world = World()
    state = known(world)
    state.wander = 0.1
    for number in range(1, 201):
        state.advance(number * PERIOD_S)
    waves = slice(state.num_direct, None)
    np.testing.assert_allclose(np.diag(state.covariance).real[waves], state.power[waves])
    assert np.abs(state.mean[waves]).max() < 1e-3


def test_a_direct_channel_that_turns_is_followed_by_its_oscillators() -> None:
    world = World()
    state = known(world, oscillators=5)
    for number in range(1, 60):
        time_s = number * 0.02 + 1e-4 * np.arange(PATTERNS)
        turned = world.direct * np.exp(1j * 0.7 * time_s)[:, None]
        state.update(world.rows, time_s, world.rows @ world.modes + turned, 1e-3)
    later_s = state.time_s + 0.1
    assert error(state.at(later_s)[0], world.direct * np.exp(0.7j * later_s)) < 0.01


def test_energy_outside_the_waves_is_told_as_misfit() -> None:
    world = World()
    state = known(world)
    assert max(follow(world, state, 3)) < 0.05
    strange = world.rng.standard_normal((PATTERNS, TAPS, 2)) @ [3, 3j]
    time_s = state.time_s + PERIOD_S + np.zeros(PATTERNS)
    assert state.update(world.rows, time_s, strange, 2 * 0.02**2) > 0.3


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [5, 2]])
def test_waves_are_exchanged_without_touching_the_others(kept: list[int]) -> None:
    world = World()
    state = known(world)
    follow(world, state, 5)
    before, time_s = state.at(state.time_s + 0.05)[1], state.time_s + 0.05
    state.exchange(np.array(kept), np.array([0.5, 0.25]))
    after = state.at(time_s)[1]
    np.testing.assert_allclose(after[: len(kept)], before[kept])
    assert not after[len(kept) :].any()
    assert state.covariance.diagonal().real[-2:].tolist() == [0.5, 0.25]
