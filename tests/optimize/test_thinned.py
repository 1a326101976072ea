from dataclasses import replace

import numpy as np
import pytest

from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective
from hil.optimize.relaxation import Relaxation
from hil.optimize.tap_space import TapPool, TapSearch
from hil.optimize.thinned import Thinned

SEARCH = (TapPool(keep=(8, 6, 4)), TapSearch(keep=4, steps=8))


@pytest.mark.parametrize(("rows", "cols"), [(64, 64), (70, 45), (33, 32), (16, 200)])
def test_the_elements_of_every_cell_are_counted_once(make_problem, rows, cols):
    objective = Objective.of(make_problem(rows, cols))
    ones = replace(objective, cascade=np.ones_like(objective.cascade))
    some = ones.thinned(256, np.random.default_rng(0))
    assert some.num_elements < rows * cols / 2
    assert some.rows * some.cols == some.num_elements
    assert np.allclose(some.cascade.sum(axis=1), rows * cols)


def test_each_element_stands_for_its_own_cell(make_problem):
    """Where all of a cell are alike, the one is their sum: cells of 3 x 3, smaller at the right and lower edge."""
    objective = Objective.of(make_problem(8, 10))
    cells = [(row, col) for row in range(0, 8, 3) for col in range(0, 10, 3)]
    cascade = objective.cascade.reshape(8, 10, -1).copy()
    for row, col in cells:
        cascade[row : row + 3, col : col + 3] = cascade[row, col]
    some = replace(objective, cascade=cascade.reshape(1, 80, -1)).thinned(8, np.random.default_rng(0))
    sums = [cascade[row : row + 3, col : col + 3].sum(axis=(0, 1)) for row, col in cells]
    assert (some.rows, some.cols) == (3, 4)
    assert np.allclose(some.cascade[0], sums)


def test_a_surface_that_is_small_already_is_searched_whole(make_problem):
    objective = Objective.of(make_problem(8, 8))
    assert objective.thinned(32, np.random.default_rng(0)) is objective


def test_some_of_the_subcarriers_tell_the_rate_of_all(make_problem):
    objective = Objective.of(make_problem(48, 48, num_subcarriers=500))
    taps = objective.taps(np.ones((1, 1, objective.num_elements)))
    some = objective.thinned(256, np.random.default_rng(0))
    assert len(some.basis) < 100
    assert some.rate(taps) == pytest.approx(objective.rate(taps), rel=1e-2)


def test_what_leaves_is_rated_with_all_elements(make_problem):
    problem = make_problem(48, 48, users=2, seed=3)
    objective = Objective.of(problem)
    found, history = iterate(Thinned(SEARCH, 256), objective, None, np.random.default_rng(0))
    assert np.allclose(found.rate, objective.rate(objective.taps(found.reflection(objective))))
    assert np.allclose(history[-1], found.rate.max(-1))


@pytest.mark.parametrize("seed", range(3))
def test_a_search_on_some_elements_finds_what_one_on_all_finds(make_problem, seed):
    objective = Objective.of(make_problem(64, 64, users=3, seed=seed))
    rng = np.random.default_rng(seed)
    some, _ = iterate(Thinned(SEARCH), objective, None, rng)
    pool, _ = iterate(SEARCH[0], objective, None, rng)
    full, _ = iterate(SEARCH[1], objective, pool, rng)
    assert np.all(some.rate.max(-1) >= full.rate.max(-1) * (1 - 2e-3))
    polished, _ = iterate(TapSearch(keep=1, steps=4), objective, some, rng)
    assert np.all(polished.rate.max(-1) >= full.rate.max(-1) * (1 - 2e-4))


def test_the_same_elements_are_chosen_on_torch(make_problem):
    objective = Objective.of(make_problem(48, 48, users=2), np.complex64)
    ours = objective.thinned(256, np.random.default_rng(1))
    theirs = objective.on("cpu").thinned(256, np.random.default_rng(1))
    assert np.allclose(ours.cascade, theirs.cascade.numpy())
    assert np.allclose(ours.basis, theirs.basis.numpy())


def test_a_relaxation_counts_every_element_once_too(make_problem):
    relaxation = Relaxation.of_user(make_problem(50, 40, users=1), 0)
    ones = replace(relaxation, rows=np.ones_like(relaxation.rows))
    some = ones.thinned(300, np.random.default_rng(0))
    assert some.rows.shape[1] < 500
    assert np.allclose(some.rows.sum(axis=1), 2001)
    assert np.allclose(relaxation.thinned(5000, np.random.default_rng(0)).rows, relaxation.rows)
