import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.optimize.bound import certified_bound
from hil.optimize.solve import solve


def brute_force(problem):
    """The best rate over all patterns of one user."""
    rates = [
        problem.rate_mbps(problem.states[list(pattern)])
        for pattern in itertools.product(range(len(problem.states)), repeat=problem.num_elements)
    ]
    return max(rates)


def random_reflection(problem, seed):
    shape = problem.cascade.shape[:-1]
    return np.exp(1j * np.random.default_rng(seed).uniform(0, 2 * np.pi, shape))


STATE_SETS = {
    "1 bit": [1, -1],
    "1 bit, unequal": [0.9 * np.exp(0.4j), 0.5 * np.exp(2.9j)],
    "2 bit": [1, 1j, -1, -1j],
    "3 states": [1, 0.3 + 0.4j, -0.8],
    "3 states on a line, the first in its middle": [0, 1j, -1j],
}


@pytest.mark.parametrize("states", STATE_SETS.values(), ids=STATE_SETS)
@pytest.mark.parametrize("snr_db", [-10, 10, 30])
def test_no_pattern_of_a_2x2_surface_passes_the_bound_and_the_best_comes_near(make_problem, states, snr_db):
    for seed in range(2):
        problem = make_problem(2, 2, snr_db=snr_db, states=states, seed=seed)
        best = brute_force(problem)
        bound = certified_bound(problem, problem.states[[0, 1, 0, 1]])
        assert best <= bound
        assert bound <= 1.6 * best


def test_no_1_bit_pattern_of_a_3x3_surface_passes_the_bound(make_problem):
    for seed in range(2):
        problem = make_problem(3, 3, states=[1, -1], seed=seed)
        best = brute_force(problem)
        assert best <= certified_bound(problem, np.ones(9, dtype=complex)) <= 1.2 * best


def test_the_continuous_bound_is_above_a_dense_multi_start_and_near_it(make_problem):
    fractions = []
    for seed in range(8):
        problem = make_problem(3, 3, users=20, seed=seed)
        problem = replace(problem, direct=problem.direct[:1].repeat(20, 0), cascade=problem.cascade[:1].repeat(20, 0))
        best = solve(problem, "tap-space", seed=seed, certify=False).rate_mbps.max()
        bound = certified_bound(replace(problem, direct=problem.direct[0], cascade=problem.cascade[0]), np.ones(9) + 0j)
        assert best <= bound
        fractions.append(best / bound)
    assert np.mean(fractions) > 0.985


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    snr_db=st.floats(-30, 50),
    rows=st.integers(1, 5),
    taps=st.integers(1, 6),
    states=st.sampled_from([None, *STATE_SETS.values()]),
)
def test_whatever_is_found_lies_below_the_bound(make_problem, seed, snr_db, rows, taps, states):
    problem = make_problem(rows, 3, num_taps=taps, snr_db=snr_db, states=states, seed=seed)
    solution = solve(problem, "tap-space", seed=seed, certify=False)
    assert solution.rate_mbps <= certified_bound(problem, random_reflection(problem, seed), seed=seed)


def test_the_right_multipliers_leave_no_gap_where_one_path_carries_everything(make_problem):
    problem = make_problem(4, 4, num_taps=1, num_paths=1)
    solution = solve(problem, "tap-space")
    assert solution.certified_fraction == pytest.approx(1, abs=1e-6)


def test_users_are_bounded_one_by_one(make_problem):
    problem = make_problem(3, 3, users=3, seed=9)
    start = random_reflection(problem, 0)
    together = certified_bound(problem, start)
    for user in range(3):
        alone = replace(problem, direct=problem.direct[user], cascade=problem.cascade[user])
        assert certified_bound(alone, start[user]) == pytest.approx(together[user], rel=1e-4)
