import itertools

import numpy as np
import pytest

from hil.optimize.arrangement import corners, sweep
from hil.optimize.discrete import StateSearch
from hil.optimize.solve import solve

STATE_SETS = [[1, -1], [0.9, 0.3 + 0.2j], [1, 1j, -1, -1j], [1, np.exp(2.1j), 0.2, 0.8 * np.exp(-2j)]]


def search_of(problem):
    return StateSearch.of_user(problem.with_leading_axis(), 0)


def test_only_states_at_the_corners_can_be_the_best():
    assert list(np.sort(corners(np.array([1, 0.1, -1, 0.5j])))) == [0, 2, 3]
    assert list(np.sort(corners(np.array([1, 0, -1 + 0j])))) == [0, 2]


@pytest.mark.parametrize("states", STATE_SETS)
@pytest.mark.parametrize("seed", range(4))
def test_with_one_tap_the_best_of_all_patterns_is_among_them(make_problem, states, seed):
    search = search_of(make_problem(2, 3, num_taps=1, num_subcarriers=4, states=states, seed=seed))
    everything = np.array(list(itertools.product(range(len(states)), repeat=6)), dtype=np.uint8).T
    pattern, rate = sweep(search, search.cascade[:, 0].conj())
    assert rate == pytest.approx(search.rate(search.taps(everything)).max())
    assert search.rate_of(pattern) == pytest.approx(rate)


@pytest.mark.parametrize("states", STATE_SETS)
def test_no_turn_is_left_out(make_problem, states):
    search = search_of(make_problem(8, 8, states=states, seed=3))
    asked = np.exp(1j * np.random.default_rng(0).uniform(0, 6, 64))
    pattern, rate = sweep(search, asked)
    assert search.rate_of(pattern) == pytest.approx(rate)
    for turn in np.linspace(0, 2 * np.pi, 500):
        assert search.rate_of(search.nearest(asked[None] * np.exp(1j * turn))) <= rate * (1 + 1e-12)


def test_as_an_optimizer_it_is_certified(make_problem):
    problem = make_problem(4, 4, users=2, states=[1, -1])
    solution = solve(problem, "turn-sweep")
    assert np.all(solution.certified_fraction <= 1)
    assert np.all(solution.rate_mbps >= 0.99 * solve(problem, "tap-space", certify=False).rate_mbps)
