import itertools

import numpy as np
import pytest

from hil.errors import ConfigError
from hil.optimize import branch_and_bound
from hil.optimize.branch_and_bound import Tree
from hil.optimize.relaxation import Relaxation
from hil.optimize.solve import solve

TWO, UNEQUAL, FOUR = [1, -1], [0.9, 0.3 + 0.5j], [1, 1j, -1, -1j]
SURFACES = [((3, 4), TWO, 5), ((3, 4), UNEQUAL, 3), ((2, 3), FOUR, 4), ((2, 4), [1, -0.5 + 0.8j, 0.1], 2)]


def best_of_all(problem):
    count = problem.num_elements
    patterns = np.array(list(itertools.product(range(len(problem.states)), repeat=count)), dtype=np.uint8)
    return problem.rate_mbps(problem.states[patterns]).max()


def proven(problem, pattern=None, **limits):
    """(rate, bound) in Mbit/s."""
    first = np.zeros(problem.num_elements, dtype=np.uint8) if pattern is None else pattern
    batch = problem.with_leading_axis()
    proof = Tree.of_user(batch, 0).prove(first, **limits)
    rate = float(problem.rate_mbps(problem.states[proof.pattern]))
    assert problem.mbps_per_nat * proof.rate == pytest.approx(rate)
    return rate, problem.mbps_per_nat * proof.bound


@pytest.fixture(autouse=True)
def branches_before_lists(monkeypatch):
    """Small surfaces, and yet the tree is deep."""
    monkeypatch.setattr(branch_and_bound, "LISTED", 4)


@pytest.mark.parametrize(("shape", "states", "taps"), SURFACES)
@pytest.mark.parametrize("seed", range(2))
def test_it_finds_the_best_of_all_patterns_and_proves_it(make_problem, shape, states, taps, seed):
    problem = make_problem(*shape, num_taps=taps, states=states, seed=seed)
    rate, bound = proven(problem)
    assert rate == pytest.approx(best_of_all(problem), rel=2e-6)
    assert rate <= bound <= rate * (1 + 2e-6)


@pytest.mark.parametrize(("shape", "states", "taps"), SURFACES)
@pytest.mark.parametrize("limit", [0, 3, 20])
def test_stopped_early_its_bound_holds_nevertheless(make_problem, shape, states, taps, limit):
    problem = make_problem(*shape, num_taps=taps, states=states, seed=5)
    rate, bound = proven(problem, max_branches=limit)
    assert rate <= best_of_all(problem) * (1 + 1e-9) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("states", [TWO, FOUR])
def test_a_surface_whose_patterns_are_listed_at_once_is_proven_from_its_worst(make_problem, monkeypatch, states):
    monkeypatch.setattr(branch_and_bound, "LISTED", 4**4)
    problem = make_problem(2, 2, states=states, seed=4)
    every = np.array(list(itertools.product(range(len(states)), repeat=4)), dtype=np.uint8)
    worst = every[np.argmin(problem.rate_mbps(problem.states[every]))]
    rate, bound = proven(problem, worst)
    assert rate == pytest.approx(best_of_all(problem))
    assert rate <= bound <= rate * (1 + 2e-6)


def test_a_branch_of_the_last_of_256_states_is_a_branch_of_that_state(make_problem):
    problem = make_problem(1, 1, states=list(np.exp(2j * np.pi * np.arange(256) / 256))).with_leading_axis()
    tree, last = Tree.of_user(problem, 0), np.array([255], dtype=np.uint8)
    [everything] = tree.first(np.zeros(1, dtype=np.uint8))
    pattern, rate = tree.completed(tree.child(everything, 255))
    assert list(pattern) == [255]
    assert problem.mbps_per_nat * rate == pytest.approx(float(problem.rate_of(last[None])[0]))


def test_a_deadline_stops_it_and_more_time_makes_the_bound_tighter(make_problem):
    problem = make_problem(3, 5, num_taps=5, states=TWO, seed=2)
    ticks = itertools.count()
    _, at_once = proven(problem, until_s=0.0, clock=lambda: next(ticks))
    _, later = proven(problem, until_s=20.0, clock=lambda: next(ticks))
    assert next(ticks) < 30
    assert at_once > later


def test_a_search_that_finds_nothing_loosens_bounds_and_breaks_none(make_problem, monkeypatch):
    problem = make_problem(3, 4, num_taps=5, states=TWO, seed=1)
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        Relaxation, "ascended", lambda self, codes, steps: rng.standard_normal((*codes.shape, 2)) @ [1, 1j]
    )
    best = best_of_all(problem)
    assert proven(problem, max_branches=10)[1] >= best
    assert proven(problem, max_branches=100_000)[0] == pytest.approx(best, rel=2e-6)


@pytest.mark.parametrize(("shape", "states", "taps"), SURFACES)
def test_what_remains_of_a_branch_is_the_channel_less_its_free_elements(make_problem, shape, states, taps):
    problem = make_problem(*shape, num_taps=taps, states=states, seed=9).with_leading_axis()
    tree, rng = Tree.of_user(problem, 0), np.random.default_rng(9)
    pattern = rng.integers(len(states), size=problem.num_elements)
    given = np.where(rng.random(pattern.size) < 0.5, branch_and_bound.FREE, pattern)
    rest = tree.rest(given, None)
    free = np.concatenate([np.ones((1, 1)), tree.values[:, pattern[given == branch_and_bound.FREE]]], axis=1)
    assert np.allclose(rest.taps_of(free), tree.search.taps_of(pattern.astype(np.uint8)))


@pytest.mark.parametrize("limit", [0, 12, 40])
@pytest.mark.parametrize(("shape", "states", "taps"), [SURFACES[1], SURFACES[3]])
def test_the_bound_of_all_open_branches_holds_where_nothing_better_was_seen(
    make_problem, monkeypatch, shape, states, taps, limit
):
    problem = make_problem(*shape, num_taps=taps, states=states, seed=8)
    first = np.zeros(problem.num_elements, dtype=np.uint8)
    monkeypatch.setattr(Tree, "completed", lambda self, branch: (first, self.rate(first)))
    rate, bound = proven(problem, max_branches=limit)
    assert rate < 0.99 * best_of_all(problem) < best_of_all(problem) <= bound


def test_the_solution_carries_the_tighter_certificate(make_problem):
    problem = make_problem(3, 4, users=2, num_taps=5, states=TWO, seed=3)
    proof, search = solve(problem, "branch-and-bound"), solve(problem, "tap-space")
    assert np.all(proof.bound_mbps < search.bound_mbps)
    assert np.all(proof.certified_fraction > 1 - 3e-6)
    assert np.all(proof.rate_mbps >= search.rate_mbps)


def test_a_surface_of_any_phase_has_nothing_to_branch_on(make_problem):
    with pytest.raises(ConfigError, match="chooses states"):
        solve(make_problem(), "branch-and-bound")
