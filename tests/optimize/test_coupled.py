import itertools

import numpy as np
import pytest

from hil.optimize.coupled import refined
from hil.optimize.solve import solve


def blurred(problem, strength):
    """Elements whose phase is pulled towards their left neighbour's."""

    def reflect(patterns):
        phases = np.angle(problem.states[patterns])
        return np.exp(1j * ((1 - strength) * phases + strength * np.roll(phases, 1, axis=-1)))

    return reflect


def rates(problem, patterns, reflect):
    return np.array([problem.rate_mbps(np.stack([each] * len(problem.direct))) for each in reflect(patterns)]).T


@pytest.mark.parametrize("states", [[1, -1], [1, 1j, -1]])
def test_refinement_is_judged_by_the_coupled_surface_and_never_loses(make_problem, states):
    problem = make_problem(6, 6, users=3, states=states, seed=31)
    reflect = blurred(problem, 0.3)
    given = solve(problem, "tap-space", certify=False).pattern
    patterns, found = refined(problem, given, reflect)
    for user in range(3):
        assert found[user] == pytest.approx(rates(problem, patterns, reflect)[user, user])
        assert found[user] >= rates(problem, given, reflect)[user, user]
    again, _ = refined(problem, patterns, reflect, max_rounds=1)
    assert np.array_equal(again, patterns)
    assert np.mean(found) > 1.01 * np.mean([rates(problem, given, reflect)[user, user] for user in range(3)])


def test_a_small_coupled_surface_comes_near_its_best_pattern(make_problem):
    fractions = []
    for seed in range(4):
        problem = make_problem(2, 4, users=1, states=[1, -1], seed=seed)
        reflect = blurred(problem, 0.25)
        every = np.array(list(itertools.product([0, 1], repeat=8)), dtype=np.uint8)
        _, found = refined(problem, solve(problem, "tap-space", certify=False).pattern, reflect)
        fractions.append(found[0] / rates(problem, every, reflect).max())
    assert max(fractions) <= 1 + 1e-12
    assert np.mean(fractions) > 0.97


def test_without_coupling_it_finds_nothing_that_flips_did_not(make_problem):
    problem = make_problem(4, 4, users=2, states=[1, -1], seed=32)
    solution = solve(problem, "tap-space", certify=False)
    _, found = refined(problem, solution.pattern, lambda patterns: problem.states[patterns])
    assert np.all(found >= solution.rate_mbps * (1 - 1e-12))
    assert np.all(found <= 1.05 * solution.rate_mbps)
