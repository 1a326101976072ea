"""The policy of two time scales, told what patterns sound like by a made-up world of a few paths."""

from collections.abc import Callable

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.config.track import PolicyConfig
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.policies import Ask, Heard
from hil.experiments.policies.two_timescale import TwoTimescale
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan
from hil.testbed import open_testbed
from hil.units import wavelength_m

TAPS, PERIOD_S, AHEAD_S, BAND_HZ = 4, 0.055, 0.11, 8.0
NOISE = 1e-3
PATHS_HZ = np.array([5.0, -2.4, 1.1, -5.6])
WAVES = np.array([[2, 3], [2, 3], [9, 12], [5, 14]])  # the first two paths share a direction: their wave beats


class World:
    """Paths that turn, and what patterns sound like. stray: energy of other directions, relative to the paths'."""

    sets_off_s = 0.0

    def __init__(self, setup: Setup, stray: float = 0.0) -> None:
        rng = self.rng = np.random.default_rng(1)
        self.setup, size = setup, setup.num_elements
        row, col = np.divmod(np.arange(size), setup.cols)
        turns = (np.outer(row, WAVES[:, 0]) / setup.rows + np.outer(col, WAVES[:, 1]) / setup.cols) % 1
        amplitude = rng.standard_normal((len(WAVES), TAPS, 2)) @ [1, 1j] / np.sqrt(size)
        self.paths = np.exp(2j * np.pi * turns).T[:, :, None] * amplitude[:, None, :]
        self.direct = rng.standard_normal((TAPS, 2)) @ [1, 1j]
        elsewhere = rng.standard_normal((size, TAPS, 2)) @ [1, 1j]
        energy = np.sum(np.abs(self.paths) ** 2)
        self.stray = np.sqrt(stray * energy / np.sum(np.abs(elsewhere) ** 2)) * elsewhere
        subcarriers = setup.grid.num_subcarriers
        delays = np.outer(np.arange(subcarriers) - subcarriers // 2, np.arange(TAPS))
        self.basis = np.exp(-2j * np.pi * delays / subcarriers) / np.sqrt(subcarriers)

    def cascade(self, time_s: float) -> np.ndarray:
        turned = np.exp(2j * np.pi * PATHS_HZ * max(time_s - self.sets_off_s, 0.0))
        return np.asarray(np.tensordot(turned, self.paths, 1) + self.stray)

    def estimate(self) -> CascadedEstimate:
        cascade = self.cascade(0.0)
        variance = np.full(cascade.shape, NOISE**2 / len(cascade))
        return CascadedEstimate(self.direct, cascade, self.basis, variance[0], variance, states=self.setup.states)

    def heard(self, ask: Ask, time_s: float, *, swept: bool = False) -> Heard:
        signs = self.setup.states[ask.patterns]
        taps = self.direct + signs @ self.cascade(time_s)
        taps = taps + NOISE * (self.rng.standard_normal((*taps.shape, 2)) @ [1, 1j]) / np.sqrt(2)
        count = len(taps)
        block = SoundingBlock(
            (taps @ self.basis.T).astype(np.complex64),
            np.full(count, NOISE**2),
            time_s + 1e-6 * np.arange(count),
            np.zeros(count, dtype=int),
            np.zeros(count, dtype=bool),
            0,
        )
        return Heard(ask.patterns, block, slice(0, count), (slice(0, count),), swept)


@pytest.fixture(scope="module")
def setup(station: Callable[..., TestbedConfig]) -> Setup:
    with open_testbed(station()) as bed:
        return bed.setup


def policy_of(world: World, **settings: object) -> TwoTimescale:
    setup = world.setup
    plan = SweepPlan.from_config(SweepConfig(scheme="hadamard"), setup.num_elements, plus=setup.plus, minus=setup.minus)
    fastest_m_per_s = BAND_HZ * wavelength_m(setup.testbed.radio.lo_hz)
    values = {"patterns": 24, "modes": 24, "fresh": 1, "fastest_m_per_s": fastest_m_per_s, **settings}
    return TwoTimescale(PolicyConfig.model_validate(values), setup, world.estimate(), plan, 0.0, stored=True)


def follow(world: World, policy: TwoTimescale, rounds: int) -> float:
    """The time of the last round."""
    serving = np.zeros(world.setup.num_elements, dtype=np.uint8)
    for number in range(1, rounds + 1):
        ask = policy.ask(serving, 1.0)
        assert ask is not None
        policy.hear(world.heard(ask, number * PERIOD_S))
    return rounds * PERIOD_S


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """At the phase that fits best."""
    overlap = abs(np.vdot(found, truth))
    return float((np.sum(np.abs(found) ** 2) + np.sum(np.abs(truth) ** 2) - 2 * overlap) / np.sum(np.abs(truth) ** 2))


def test_paths_that_share_a_direction_are_foreseen_two_rounds_ahead(setup: Setup) -> None:
    world = World(setup)
    policy = policy_of(world)
    later_s = follow(world, policy, 24) + AHEAD_S
    assert error(policy.channel(later_s).cascade, world.cascade(later_s)) < 0.03
    assert error(world.cascade(later_s - AHEAD_S), world.cascade(later_s)) > 0.5


def test_a_misfit_asks_for_one_sweep_and_begins_anew_with_what_that_shows(setup: Setup) -> None:
    world = World(setup)
    policy = policy_of(world, patterns=48, modes=8, misfit=0.1)  # more soundings than waves: not all is explained
    now_s = follow(world, policy, 6)
    world.paths = world.paths * np.exp(10j * np.pi * np.arange(setup.num_elements) / setup.cols)[:, None]  # 5 beams on
    serving = np.zeros(setup.num_elements, dtype=np.uint8)
    asks: list[Ask] = []
    while not asks or asks[-1].rows is None:
        now_s += PERIOD_S
        ask = policy.ask(serving, 1.0)
        assert ask is not None and len(asks) < 8, "it never asks for a sweep"
        asks.append(ask)
        policy.hear(world.heard(ask, now_s))
    again = policy.ask(serving, 1.0)
    assert again is not None and again.rows is None, "asked for already"
    policy.hear(world.heard(asks[-1], now_s, swept=True))
    assert error(policy.channel(now_s).cascade, world.cascade(now_s)) < 0.02


def test_fewer_soundings_than_waves_still_tell_that_the_waves_are_others(setup: Setup) -> None:
    """Each round is explained after the fact; that it was not what it could be is told by the rounds together."""
    world = World(setup)
    policy = policy_of(world, patterns=12, modes=24, oddity=1.0)
    now_s = follow(world, policy, 8)
    assert policy.oddity < 0.7
    world.paths = world.paths * np.exp(10j * np.pi * np.arange(setup.num_elements) / setup.cols)[:, None]
    serving, asks, misfits = np.zeros(setup.num_elements, dtype=np.uint8), list[Ask](), list[float]()
    while not asks or asks[-1].rows is None:
        now_s += PERIOD_S
        ask = policy.ask(serving, 1.0)
        assert ask is not None and len(asks) < 8, "it never asks for a sweep"
        asks.append(ask)
        misfits.append(policy.hear(world.heard(ask, now_s)))
    assert max(misfits[:-1]) < policy.config.misfit, "what is left of a round does not tell"


@pytest.mark.parametrize("seed", range(3))
def test_who_stands_and_then_walks_asks_for_no_sweep(setup: Setup, seed: int) -> None:
    world = World(setup, stray=0.01)
    world.rng, world.sets_off_s = np.random.default_rng(seed), 30 * PERIOD_S
    policy, serving = policy_of(world, patterns=12, modes=24, oddity=1.0), np.zeros(setup.num_elements, dtype=np.uint8)
    for number in range(1, 100):
        ask = policy.ask(serving, 1.0)
        assert ask is not None and ask.rows is None
        policy.hear(world.heard(ask, number * PERIOD_S))


def test_what_sounds_odd_is_told_though_no_sweep_is_asked_for(setup: Setup) -> None:
    world = World(setup)
    policy = policy_of(world, patterns=12, modes=24)
    now_s = follow(world, policy, 8)
    world.paths = world.paths * np.exp(10j * np.pi * np.arange(setup.num_elements) / setup.cols)[:, None]
    told = []
    for number in range(1, 9):
        ask = policy.ask(np.zeros(setup.num_elements, dtype=np.uint8), 1.0)
        assert ask is not None and ask.rows is None
        policy.hear(world.heard(ask, now_s + number * PERIOD_S))
        told.append(policy.oddity)
    assert max(told) > 1
