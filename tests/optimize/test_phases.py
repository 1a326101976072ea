import numpy as np
import pytest

from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective
from hil.optimize.phases import PhaseAdam, PhaseLbfgs, Riemannian, rate_and_slope
from hil.optimize.solve import solve


def test_the_slope_in_phases_equals_finite_differences(make_problem):
    objective = Objective.of(make_problem(users=2))
    rng = np.random.default_rng(0)
    phases, change = rng.uniform(0, 6, (2, 2, 3, 16))
    _, _, slope = rate_and_slope(objective, phases)
    difference = (
        rate_and_slope(objective, phases + 1e-6 * change)[1] - rate_and_slope(objective, phases - 1e-6 * change)[1]
    )
    assert np.allclose((slope * change).sum(-1), difference / 2e-6, rtol=1e-5)


@pytest.mark.parametrize("solver", [PhaseAdam(starts=4), PhaseLbfgs(starts=4), Riemannian(starts=4)])
def test_ascents_in_phases_reach_what_the_tap_space_search_reaches(make_problem, solver):
    problem = make_problem(6, 6, users=3, seed=21)
    found, _ = iterate(solver, Objective.of(problem), None, np.random.default_rng(0))
    assert np.allclose(np.abs(found.point), 1)
    assert np.all(found.rate.max(-1) >= 0.995 * solve(problem, "tap-space", certify=False).rate_mbps)


@pytest.mark.parametrize("solver", [PhaseLbfgs(steps=40), Riemannian(steps=40)])
def test_they_never_fall(make_problem, solver):
    objective = Objective.of(make_problem(6, 6, users=2))
    state = solver.init(objective, None, np.random.default_rng(1))
    for _ in range(30):
        after = solver.step(objective, state)
        assert np.all(after.rate >= state.rate)
        assert np.allclose(after.rate, objective.rate(objective.taps(after.point)))
        state = after
