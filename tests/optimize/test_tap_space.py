import numpy as np
import pytest

from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective
from hil.optimize.tap_space import TapPool, TapSearch


def search(problem, seed=0, **pool):
    objective, rng = Objective.of(problem), np.random.default_rng(seed)
    found, _ = iterate(TapPool(**pool), objective, None, rng)
    return objective, *iterate(TapSearch(), objective, found, rng)


def test_the_optimum_is_a_fixed_point(make_problem):
    objective, found, _ = search(make_problem(8, 8, users=2))
    reflection = found.best(1).reflection(objective)
    assert np.allclose(objective.align(objective.asked(reflection)), reflection, atol=5e-3)


def test_no_phase_can_be_improved_afterwards(make_problem):
    objective, found, _ = search(make_problem(6, 6, users=2))
    best = found.best(1).reflection(objective)
    _, outer = objective.rate_and_gradient(objective.taps(best))
    pull = (outer.conj() @ objective.cascade.swapaxes(-1, -2)).conj()
    assert np.allclose((pull * best.conj()).imag / np.abs(pull).mean(), 0, atol=5e-3)


def test_it_is_as_good_as_hundreds_of_starts(make_problem):
    problem = make_problem(4, 4, users=4, seed=11)
    _, few, _ = search(problem)
    objective = Objective.of(problem)
    rng = np.random.default_rng(5)
    pool, _ = iterate(TapPool(random=400, keep=(200,)), objective, None, rng)
    many, _ = iterate(TapSearch(keep=200), objective, pool, rng)
    assert np.all(few.rate.max(-1) >= many.rate.max(-1) * (1 - 1e-4))


def test_the_history_never_falls(make_problem):
    _, _, history = search(make_problem(users=3))
    assert np.all(np.diff(np.array(history), axis=0) >= 0)


def test_a_batch_gives_what_each_user_gets_alone(make_problem):
    problem = make_problem(users=3, seed=12)
    objective = Objective.of(problem)
    rng = np.random.default_rng(0)
    together, _ = iterate(TapPool(random=0), objective, None, rng)
    together, _ = iterate(TapSearch(), objective, together, rng)
    for user in range(3):
        alone = objective.users(np.arange(3) == user)
        found, _ = iterate(TapPool(random=0), alone, None, rng)
        found, _ = iterate(TapSearch(), alone, found, rng)
        assert found.rate.max() == pytest.approx(together.rate[user].max(), rel=1e-6)


def test_it_runs_on_torch_as_on_numpy(make_problem):
    objective = Objective.of(make_problem(8, 8, users=3), np.complex64)
    rng = np.random.default_rng(0)
    pool, _ = iterate(TapPool(), objective, None, rng)
    ours, _ = iterate(TapSearch(steps=8), objective, pool, rng)
    theirs, _ = iterate(TapSearch(steps=8, device="cpu"), objective.on("cpu"), pool, rng)
    assert not isinstance(theirs.point, np.ndarray)
    assert np.allclose(theirs.rate, ours.rate, rtol=1e-4)
