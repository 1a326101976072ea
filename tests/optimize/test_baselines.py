import numpy as np
import pytest
from scipy.linalg import hadamard

from hil.optimize.solve import solve


def test_all_zero_is_state_zero_everywhere(make_problem):
    problem = make_problem(states=[0.9, 0.5 * np.exp(2.9j)])
    solution = solve(problem, "all-zero")
    assert np.array_equal(solution.pattern, np.zeros(16))
    assert solution.rate_mbps == pytest.approx(problem.rate_mbps(np.full(16, 0.9 + 0j)))


@pytest.mark.parametrize("states", [None, [1, -1], [0.9, 0.5 * np.exp(2.9j)]])
@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (3, 5), (1, 1)])
def test_the_best_pilot_is_the_best_row_of_the_hadamard_matrix_or_its_complement(make_problem, states, rows, cols):
    problem = make_problem(rows, cols, users=2, states=states, seed=13)
    plus, minus = states or [1, -1]
    matrix = hadamard(1 if rows * cols == 1 else 16)[:, : rows * cols]
    signs = np.concatenate([matrix, -matrix])
    rates = np.stack([problem.rate_mbps(np.stack([np.where(row > 0, plus, minus) + 0j] * 2)) for row in signs])
    assert np.allclose(solve(problem, "best-pilot").rate_mbps, rates.max(axis=0))
