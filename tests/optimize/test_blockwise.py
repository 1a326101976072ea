import numpy as np
import pytest

from hil.optimize.blockwise import ConvexSteps, CoordinateAscent, Majorise, best_tap
from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective
from hil.optimize.solve import solve


def objective_of(make_problem, **options):
    return Objective.of(make_problem(6, 6, users=3, **options))


def test_a_majorising_step_never_lowers_the_rate(make_problem):
    for seed in range(5):
        objective = objective_of(make_problem, seed=seed)
        state = Majorise().init(objective, None, np.random.default_rng(0))
        for _ in range(20):
            after = Majorise().step(objective, state)
            assert np.all(after.rate >= state.rate * (1 - 1e-12))
            state = after


@pytest.mark.parametrize("solver", [Majorise(), ConvexSteps(), CoordinateAscent()])
def test_they_improve_on_strongest_tap_and_come_near_the_tap_space_search(make_problem, solver):
    problem = make_problem(6, 6, users=6, seed=22)
    objective = Objective.of(problem)
    found, history = iterate(solver, objective, None, np.random.default_rng(0))
    assert np.allclose(np.abs(found.point), 1)
    assert np.allclose(history[0], solve(problem, "stm", certify=False).rate_mbps)
    assert np.mean(history[-1]) > np.mean(history[0])
    assert np.mean(history[-1]) > 0.98 * np.mean(solve(problem, "tap-space", certify=False).rate_mbps)


def test_a_sweep_keeps_its_books(make_problem):
    objective = objective_of(make_problem)
    own = objective.cascade[0] @ objective.basis.T
    reflection = best_tap(objective)[0, 0].copy()
    response = (objective.direct[0, 0] + reflection @ objective.cascade[0]) @ objective.basis.T
    CoordinateAscent().sweep(reflection, own, own.conj(), response)
    expected = (objective.direct[0, 0] + reflection @ objective.cascade[0]) @ objective.basis.T
    assert np.allclose(response, expected)
    assert np.allclose(np.abs(reflection), 1)


def test_the_majorant_is_as_steep_as_the_quadratic_form_it_stands_for(make_problem):
    objective = objective_of(make_problem)
    weight = np.random.default_rng(0).random((3, 1, 32))
    largest = Majorise().largest(objective, weight)
    for user in range(3):
        own = objective.cascade[user] @ objective.basis.T
        dense = (own.conj() * weight[user, 0]) @ own.T
        assert largest[user, 0, 0] == pytest.approx(np.linalg.eigvalsh(dense)[-1])
