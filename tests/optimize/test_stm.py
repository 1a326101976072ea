import numpy as np
from scipy.linalg import qr

from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.stm import StrongestTap


def candidates(problem, by_rate=True):
    objective = Objective.of(problem)
    found, _ = iterate(StrongestTap(by_rate), objective, None, np.random.default_rng(0))
    return found.rate, found.reflection(objective)


def test_each_candidate_aligns_every_element_with_the_direct_channel_at_its_tap(make_problem):
    problem = make_problem(users=2, seed=5)
    _, reflection = candidates(problem)
    for user in range(2):
        for tap in range(5):
            theta = np.exp(1j * (np.angle(problem.direct[user, tap]) - np.angle(problem.cascade[user, :, tap])))
            assert np.allclose(reflection[user, tap], theta)


def test_candidate_rates_equal_direct_evaluation(make_problem):
    problem = make_problem(users=2, seed=6)
    rate, reflection = candidates(problem)
    for tap in range(5):
        assert np.allclose(rate[:, tap], problem.rate_mbps(reflection[:, tap]))


def test_the_strongest_tap_is_the_one_of_largest_possible_modulus(make_problem):
    problem = make_problem(users=3, seed=7)
    reach = np.abs(problem.direct) + np.abs(problem.cascade).sum(axis=-2)
    (_, chosen), (_, everyone) = candidates(problem, by_rate=False), candidates(problem)
    for user, tap in enumerate(reach.argmax(axis=-1)):
        assert np.allclose(chosen[user, 0], everyone[user, tap])


def test_it_aims_at_physical_taps_whatever_the_basis(make_problem):
    problem = make_problem(seed=8)
    turned, triangle = qr(problem.basis, mode="economic")
    change = triangle.T
    same = Problem(
        **{**vars(problem), "basis": turned, "direct": problem.direct @ change, "cascade": problem.cascade @ change}
    )
    for ours, theirs in zip(candidates(same), candidates(problem), strict=True):
        assert np.allclose(ours, theirs)


def test_a_missing_direct_channel_leaves_finite_phases(make_problem):
    problem = make_problem()
    silent = Problem(**{**vars(problem), "direct": np.zeros(5, dtype=complex)})
    rate, reflection = candidates(silent)
    assert np.isfinite(rate).all()
    assert np.allclose(np.abs(reflection), 1)
