from dataclasses import replace

import numpy as np
import pytest

from hil.errors import ConfigError
from hil.optimize.algorithms import ALGORITHMS, Algorithm, Options, Stage
from hil.optimize.baselines import AllZero
from hil.optimize.bound import certified_bound
from hil.optimize.solve import solve
from hil.optimize.stm import StrongestTap

QUICK = Options(epochs=20, starts=3)


STATES = {"phases": None, "1 bit": [1, -1], "3 states": [0.9, 0.6j, -0.5]}


@pytest.fixture(scope="module")
def bounds(make_problem):
    problems = {name: make_problem(users=2, states=states, seed=14) for name, states in STATES.items()}
    return {name: certified_bound(problem, np.ones((2, 16), dtype=complex)) for name, problem in problems.items()}


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_gives_what_the_surface_can_do_and_says_its_true_rate(make_problem, algorithm, kind, bounds):
    states = STATES[kind]
    problem = make_problem(users=2, states=states, seed=14)
    if states is None and ALGORITHMS[algorithm].states_only:
        with pytest.raises(ConfigError, match="chooses states"):
            solve(problem, algorithm)
        return
    solution = solve(problem, algorithm, QUICK, certify=False)
    assert solution.reflection.shape == (2, 16)
    assert np.allclose(solution.rate_mbps, problem.rate_mbps(solution.reflection))
    assert np.all(solution.rate_mbps <= bounds[kind])
    if states is None:
        assert solution.pattern is None
        assert np.allclose(np.abs(solution.reflection), 1)
    else:
        assert solution.pattern.dtype == np.uint8
        assert np.allclose(problem.states[solution.pattern], solution.reflection)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same_solution(make_problem, algorithm):
    problem = make_problem(users=2, states=[1, -1], seed=15)
    first, second = (solve(problem, algorithm, QUICK, seed=3, certify=False) for _ in range(2))
    assert np.array_equal(first.pattern, second.pattern)
    assert np.array_equal(first.rate_mbps, second.rate_mbps)


def test_one_user_needs_no_batch_axis(make_problem):
    solution = solve(make_problem(states=[1, -1]), "tap-space")
    assert solution.pattern.shape == (16,)
    assert solution.rate_mbps.shape == solution.bound_mbps.shape == ()
    assert 0.8 < float(solution.certified_fraction) <= 1


def test_several_batch_axes_come_back_as_they_were(make_problem):
    problem = make_problem(users=6)
    folded = replace(
        problem,
        direct=problem.direct.reshape(2, 3, -1),
        cascade=problem.cascade.reshape(2, 3, *problem.cascade.shape[1:]),
    )
    assert np.allclose(
        solve(folded, "stm", certify=False).rate_mbps, solve(problem, "stm", certify=False).rate_mbps.reshape(2, 3)
    )


def test_the_stages_say_what_the_network_found_and_what_the_polish_added(make_problem):
    solution = solve(make_problem(8, 8, seed=16), "neural-prior-paper", Options(epochs=10, starts=2))
    assert list(solution.stages) == ["network", "polish"]
    assert solution.winner == "polish"
    assert solution.stages["network"] < solution.stages["polish"] == solution.rate_mbps


def test_a_stage_that_makes_it_worse_is_reported_and_not_taken(make_problem, monkeypatch):
    stages = (Stage("good", (StrongestTap(),)), Stage("bad", (AllZero(),)))
    monkeypatch.setitem(ALGORITHMS, "worsening", Algorithm(lambda options: stages))
    problem = make_problem(8, 8, seed=16)
    solution = solve(problem, "worsening", certify=False)
    assert solution.winner == "good"
    assert solution.stages["bad"] < solution.stages["good"] == solution.rate_mbps
    assert solution.rate_mbps == pytest.approx(float(problem.rate_mbps(solution.reflection)))


def test_without_polish_the_result_is_the_raw_networks(make_problem):
    raw = solve(make_problem(8, 8, seed=16), "neural-prior-paper", Options(epochs=10, starts=2, polish=False))
    both = solve(make_problem(8, 8, seed=16), "neural-prior-paper", Options(epochs=10, starts=2))
    assert list(raw.stages) == ["network"]
    assert raw.rate_mbps == pytest.approx(float(both.stages["network"]))


def test_the_default_prior_is_never_below_strongest_tap(make_problem):
    problem = make_problem(8, 8, users=8, seed=17)
    for states in (None, np.array([1, -1], dtype=complex)):
        ours = solve(replace(problem, states=states), "neural-prior", certify=False).rate_mbps
        assert np.all(ours >= (1 - 1e-4) * solve(replace(problem, states=states), "stm", certify=False).rate_mbps)


def test_a_warm_start_carries_over_to_a_channel_of_new_phases(make_problem):
    problem = make_problem(8, 8, users=2, seed=18)
    code = solve(problem, "tap-space", certify=False).code
    turns = np.exp(0.5j * np.random.default_rng(0).standard_normal(64))[:, None]
    moved = replace(problem, cascade=problem.cascade * turns)
    warm, cold = solve(moved, "tap-space", warm=code, certify=False), solve(moved, "tap-space", certify=False)
    assert np.all(warm.rate_mbps >= cold.rate_mbps * (1 - 1e-4))
    assert np.allclose(solve(problem, "tap-space", warm=code, certify=False).history[0], warm.history[0], rtol=0.05)


def test_an_unknown_algorithm_is_refused_with_the_known_ones(make_problem):
    with pytest.raises(ConfigError, match=r"there is no 'magic'.*neural-prior"):
        solve(make_problem(), "magic")


def test_the_status_is_advice(make_problem):
    problem = make_problem(seed=19)
    assert solve(problem, "tap-space").status.startswith(("optimal", "within"))
    assert solve(problem, "random").status.startswith("at least")
    assert solve(problem, "random", certify=False).status == "no bound was computed"
