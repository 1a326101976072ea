"""What comes from elsewhere is told within a few updates of fewer soundings than waves; what turns and fades is not."""

import numpy as np
import pytest

from hil.estimation.consistency import WINDOW, Consistency, whitened_energy
from hil.estimation.kalman import ModeFilter

MODES, PATTERNS, TAPS, NOISE_VAR = 24, 10, 6, 1e-3
POWER = 0.7 ** np.arange(MODES)  # few waves are strong
WIDEST = 2 * np.pi * 8.0


class World:
    """Waves of a wide range of powers; stray: power of a sounding that comes from elsewhere, over the waves'."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.modes = np.sqrt(POWER)[:, None] * self.complex(MODES, TAPS)
        self.direct, self.doppler = 3 * self.complex(TAPS), np.zeros(MODES)
        self.stray = 0.0

    def complex(self, *shape: int) -> np.ndarray:
        return np.asarray(self.rng.standard_normal((*shape, 2)) @ [1, 1j] / np.sqrt(2))

    def filter(self) -> ModeFilter:
        band = np.linspace(-WIDEST, WIDEST, 9)
        return ModeFilter.begin(self.direct, self.modes, np.full(MODES + 1, NOISE_VAR), POWER, band, 0.0)

    def round(self, state: ModeFilter, period_s: float = 0.05) -> float:
        """One update; what the test says after it."""
        now_s = state.time_s + period_s
        self.modes = np.exp(1j * self.doppler * period_s)[:, None] * self.modes
        rows = self.complex(PATTERNS, MODES)
        taps = self.direct + rows @ self.modes + np.sqrt(NOISE_VAR) * self.complex(PATTERNS, TAPS)
        taps = taps + np.sqrt(self.stray * POWER.sum()) * self.complex(PATTERNS, TAPS)
        state.update(rows, now_s + 1e-5 * np.arange(PATTERNS), taps, NOISE_VAR)
        return state.consistency.ratio


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stray", [1.0, 4.0])
def test_energy_from_elsewhere_is_told_within_a_few_rounds(seed: int, stray: float) -> None:
    world = World(seed)
    state = world.filter()
    assert max(world.round(state) for _ in range(5)) < 1
    world.stray = stray
    assert any(world.round(state) > 1 for _ in range(6))


@pytest.mark.parametrize("seed", range(4))
def test_waves_that_set_off_and_turn_at_paces_of_their_own_are_no_alarm(seed: int) -> None:
    world = World(seed)
    state = world.filter()
    ratios = [world.round(state) for _ in range(5)]
    world.doppler = world.rng.uniform(-0.9 * WIDEST, 0.9 * WIDEST, MODES)
    ratios += [world.round(state) for _ in range(60)]
    assert max(ratios) < 1


@pytest.mark.parametrize("seed", range(3))
def test_waves_that_are_all_new_but_as_strong_as_before_are_no_alarm(seed: int) -> None:
    """Nothing is foreseen at all: the worst that the test allows for."""
    world = World(seed)
    state = world.filter()
    for _ in range(60):
        world.modes = np.sqrt(POWER)[:, None] * world.complex(MODES, TAPS)
        assert world.round(state) < 1


def test_what_is_tolerated_is_no_alarm() -> None:
    world = World(0)
    world.stray, state = 0.05, world.filter()
    assert max(world.round(state) for _ in range(60)) < 1


def test_one_odd_update_alone_is_no_alarm_and_is_forgotten() -> None:
    found = Consistency()
    assert found.ratio == 0
    found.add(1e6, 100)
    assert found.ratio == 0
    found.add(1e6, 100)
    assert found.ratio > 1
    for _ in range(WINDOW):
        found.add(100.0, 100)
    assert 0.3 < found.ratio < 0.5, "what is older than the window is forgotten"


def test_many_good_updates_do_not_hide_what_changed_after_them() -> None:
    found = Consistency()
    for energy in [1.0] * WINDOW + [400.0, 400.0]:
        found.add(energy, 100)
    assert found.ratio > 1


def test_innovations_of_the_waves_themselves_have_their_size_as_energy() -> None:
    rng = np.random.default_rng(3)
    excitation = rng.standard_normal((PATTERNS, 1 + MODES)) + 0j
    power = np.concatenate([[4.0], POWER])
    energies = []
    for _ in range(200):
        states = np.sqrt(power / 2)[:, None] * (rng.standard_normal((1 + MODES, TAPS, 2)) @ [1, 1j])
        energies.append(whitened_energy(excitation @ states, excitation, power, 1e-9, 1))
    assert 0.5 * PATTERNS * TAPS < np.mean(energies) < PATTERNS * TAPS, "less where what is tolerated is missing"
