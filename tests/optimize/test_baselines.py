import numpy as np
import pytest
from scipy.linalg import hadamard

from hil.optimize.solve import evaluate, solve


def test_all_zero_is_state_zero_everywhere(make_problem):
    problem = make_problem(states=[0.9, 0.5 * np.exp(2.9j)])
    solution = solve(problem, "all-zero")
    assert np.array_equal(solution.pattern, np.zeros(16))
    assert solution.rate_mbps == pytest.approx(problem.rate_mbps(np.full(16, 0.9 + 0j)))


@pytest.mark.parametrize("states", [None, [1, -1], [0.9, 0.5 * np.exp(2.9j)]])
def test_the_best_pilot_is_the_best_row_of_the_hadamard_matrix_or_its_complement(make_problem, states):
    problem = make_problem(users=2, states=states, seed=13)
    plus, minus = states or [1, -1]
    rows = np.concatenate([hadamard(16), -hadamard(16)])
    rates = np.stack([problem.rate_mbps(np.stack([np.where(row > 0, plus, minus) + 0j] * 2)) for row in rows])
    assert np.allclose(solve(problem, "best-pilot").rate_mbps, rates.max(axis=0))


def test_a_pattern_chosen_elsewhere_is_rated_as_it_is(make_problem):
    problem = make_problem(users=2, states=[1, -1])
    pattern = np.random.default_rng(0).integers(2, size=(2, 16)).astype(np.uint8)
    solution = evaluate(problem, pattern, certify=True)
    assert np.array_equal(solution.pattern, pattern)
    assert np.allclose(solution.rate_mbps, problem.rate_mbps(1 - 2.0 * pattern + 0j))
    assert np.all(solution.certified_fraction < 1)


def test_a_pattern_means_nothing_without_states(make_problem):
    with pytest.raises(ValueError):
        evaluate(make_problem(), np.zeros(16, dtype=np.uint8))
