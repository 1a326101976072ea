"""The energy power method, randomisation, columns, adaptive quantisation: each against what it must at least do."""

from dataclasses import replace

import numpy as np
import pytest

from hil.optimize import adaptive
from hil.optimize.columns import merged
from hil.optimize.objective import Objective, power
from hil.optimize.power_method import EnergyPower
from hil.optimize.solve import solve


def energy(problem, reflection):
    return power(problem.response(reflection)).sum(axis=-1)


def test_the_power_method_ends_above_every_single_tap_in_energy(make_problem):
    problem = make_problem(6, 6, users=4, seed=23)
    ours = energy(problem, solve(problem, "energy-power", certify=False).reflection)
    assert np.all(ours >= energy(problem, solve(problem, "stm", certify=False).reflection) * (1 - 1e-6))


def test_the_power_method_ends_where_the_energy_asks_for_what_is_there(make_problem):
    objective, solver = Objective.of(make_problem(6, 6, users=4, seed=23)), EnergyPower()
    state = solver.init(objective, None, np.random.default_rng(0))
    while not solver.terminate(state):
        state = solver.step(objective, state)
    reflection = objective.align(state.point)
    asked = objective.taps(reflection) @ objective.basis.T @ objective.basis.conj()
    assert np.allclose(objective.align(asked), reflection, atol=0.02)


def test_the_quantised_power_method_stays_at_its_best_pattern(make_problem):
    problem = make_problem(8, 8, users=4, states=[1, -1], seed=24)
    solution = solve(problem, "energy-power-sign", certify=False)
    assert np.all(solution.rate_mbps >= 0.9 * solve(problem, "stm-strongest", certify=False).rate_mbps)


def test_randomisation_of_the_relaxation_comes_near_the_bound(make_problem):
    problem = make_problem(6, 6, users=3, seed=25)
    assert np.all(solve(problem, "sdr").certified_fraction > 0.95)


def test_randomisation_keeps_the_surface_in_phase_with_a_strong_direct_channel(make_problem):
    problem = make_problem(6, 6, users=3, seed=25)
    problem = replace(problem, direct=5 * problem.direct)
    ours, best = (solve(problem, name, certify=False).rate_mbps for name in ("sdr", "tap-space"))
    gain = problem.rate_mbps(np.zeros((3, 36), dtype=complex))
    assert np.all(ours - gain > 0.8 * (best - gain))


@pytest.mark.parametrize("states", [None, [1, -1]])
def test_columns_are_constant_and_lose_nothing_where_the_channel_is(make_problem, states):
    problem = make_problem(4, 8, users=2, states=states, seed=26)
    flat = replace(problem, cascade=np.tile(problem.cascade[:, :8], (1, 4, 1)))
    solution = solve(flat, "columns", certify=False)
    image = solution.reflection.reshape(2, 4, 8)
    assert np.all(image == image[:, :1])
    assert np.all(solution.rate_mbps >= 0.999 * solve(flat, "tap-space", certify=False).rate_mbps)


def test_merging_columns_keeps_the_rate_of_patterns_that_are_constant_along_them(make_problem):
    problem = make_problem(4, 8, users=2)
    column = np.exp(1j * np.random.default_rng(0).uniform(0, 6, (2, 8)))
    assert np.allclose(merged(problem).rate_mbps(column), problem.rate_mbps(np.tile(column, (1, 4))))


@pytest.mark.parametrize("states", [[1, -1], [0.9, 0.5j, -0.7]])
def test_states_that_harden_on_the_way_end_near_those_chosen_afterwards(make_problem, states):
    problem = make_problem(8, 8, users=4, states=states, seed=27)
    ours = solve(problem, "adaptive-quantisation", certify=False).rate_mbps
    assert np.mean(ours) > 0.95 * np.mean(solve(problem, "tap-space", certify=False).rate_mbps)


def test_hardening_states_raises_the_rate_by_itself(make_problem):
    problem = make_problem(8, 8, users=4, states=[1, -1], seed=28)
    objective = Objective.of(problem, np.complex64)
    first = adaptive.first_scores(objective, problem.states)
    last = adaptive.anneal(objective, problem.states.astype(np.complex64), first)
    rates = [objective.rate(objective.taps(1 - 2.0 * np.argmax(scores, axis=-1))) for scores in (first, last)]
    assert rates[1].mean() > 1.02 * rates[0].mean()


def test_elements_without_any_channel_get_a_reflection_too(make_problem):
    problem = make_problem(4, 4, users=2)
    dead = np.array(problem.cascade)
    dead[:, 3:6] = 0
    for algorithm in ("tap-space", "neural-prior", "mm", "sca", "coordinate-ascent", "phases-lbfgs"):
        solution = solve(replace(problem, cascade=dead), algorithm, certify=algorithm == "tap-space")
        assert np.allclose(np.abs(solution.reflection), 1)
        assert np.all(np.isfinite(solution.rate_mbps))


def test_a_user_without_any_channel_is_no_accident(make_problem):
    problem = make_problem(4, 4, users=1)
    silent = replace(problem, direct=0 * problem.direct, cascade=0 * problem.cascade)
    for algorithm in ("stm", "tap-space", "neural-prior"):
        solution = solve(silent, algorithm)
        assert solution.rate_mbps == 0
        assert solution.bound_mbps >= 0
        assert "nan" not in solution.status
