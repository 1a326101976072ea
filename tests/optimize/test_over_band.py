"""States that vary over the band: rates by a direct sum, small surfaces by every pattern, bounds by both."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.arrays import Float, Patterns
from hil.optimize import branch_and_bound
from hil.optimize.algorithms import ALGORITHMS, Options
from hil.optimize.bound import certified_bound
from hil.optimize.discrete import StateSearch
from hil.optimize.objective import Problem
from hil.optimize.relaxation import Relaxation
from hil.optimize.solve import solve
from hil.phy.band import band_powers

MakeProblem = Callable[..., Problem]
FOUR = np.array([1, 1j, -1, -1j])


def turning(problem: Problem, turn_deg: float, *, slant: float = 0.0) -> Problem:
    """Each state turns by so much over the band, neighbours to opposite sides; slant: some get stronger meanwhile."""
    assert problem.states is not None
    state = np.arange(len(problem.states))
    slope = 1j * np.radians(turn_deg) / 2 * (-1.0) ** state * np.where(state % 4 < 2, 1, -1) + slant * (state % 3)
    return replace(problem, dispersion=np.array([slope, slope**2 / 2]) * problem.states)


def summed_mbps(problem: Problem, patterns: Patterns) -> Float[np.ndarray, "pattern"]:
    """Element by element and subcarrier by subcarrier."""
    assert problem.states is not None and problem.dispersion is not None
    count, num_taps = problem.basis.shape
    rates = []
    for pattern in patterns:
        nats = 0.0
        for k in range(count):
            x = 2 * (k - count // 2) / count
            response = sum(problem.basis[k, t] * problem.direct[t] for t in range(num_taps))
            for n, state in enumerate(pattern):
                gamma = problem.states[state] + x * problem.dispersion[0, state] + x**2 * problem.dispersion[1, state]
                response += gamma * sum(problem.basis[k, t] * problem.cascade[n, t] for t in range(num_taps))
            nats += np.log(1 + problem.snr_scale * abs(response) ** 2)
        rates.append(problem.bandwidth_hz / (count + problem.num_taps - 1) / np.log(2) / 1e6 * nats)
    return np.array(rates)


def every_pattern(problem: Problem) -> Patterns:
    assert problem.states is not None
    return np.array(list(itertools.product(range(len(problem.states)), repeat=problem.num_elements)), dtype=np.uint8)


def test_terms_are_as_few_as_the_states_span_and_hold_their_mean_power(make_problem: MakeProblem) -> None:
    flat = replace(
        make_problem(1, 1, num_taps=1, num_subcarriers=37, states=FOUR), basis=np.ones((37, 1), dtype=complex)
    )
    alike = replace(flat, dispersion=np.outer([0.3j, -0.1], FOUR))
    for problem, count in ((alike, 2), (turning(flat, 120, slant=0.3), 3)):
        assert problem.dispersion is not None
        functions, coefficients = problem.over_band()
        assert functions.shape == (37, count)
        np.testing.assert_allclose(functions.conj().T @ functions / 37, np.eye(count), atol=1e-12)
        np.testing.assert_allclose(functions[:, 0], 1)
        curves = FOUR + band_powers(37, 3)[1:].T @ problem.dispersion
        np.testing.assert_allclose(functions @ coefficients, curves, atol=1e-12)
        np.testing.assert_allclose(np.sum(np.abs(coefficients) ** 2, axis=0), np.mean(np.abs(curves) ** 2, axis=0))


def test_rates_are_those_of_a_sum_over_elements_and_subcarriers(make_problem: MakeProblem) -> None:
    problem = turning(make_problem(2, 3, states=FOUR, seed=1), 120, slant=0.3)
    patterns = np.random.default_rng(0).integers(4, size=(3, 6), dtype=np.uint8)
    expected = summed_mbps(problem, patterns)
    np.testing.assert_allclose(problem.rate_of(patterns), expected)
    search = StateSearch.of_user(problem.with_leading_axis(), 0)
    np.testing.assert_allclose(search.rate(search.taps(patterns.T)), expected)
    assert np.ptp(expected / problem.rate_mbps(FOUR[patterns])) > 0.01  # one number for each state would tell


@pytest.mark.parametrize("states", [[1, -1], FOUR, [1, 0.3 + 0.4j, -0.8]])
@pytest.mark.parametrize("snr_db", [0, 20])
def test_of_every_pattern_of_a_small_surface_the_best_is_found_or_nearly_and_none_passes_the_bound(
    make_problem: MakeProblem, states: list[complex], snr_db: float
) -> None:
    shares, tightness = [], []
    for seed, turn_deg in itertools.product(range(4), (30, 120)):
        problem = turning(make_problem(2, 3, states=states, snr_db=snr_db, seed=seed), turn_deg, slant=0.2)
        best = problem.rate_of(every_pattern(problem)).max()
        solution = solve(problem, "tap-space", seed=seed)
        assert solution.pattern is not None
        assert solution.rate_mbps == pytest.approx(problem.rate_of(solution.pattern))
        assert solution.rate_mbps <= best * (1 + 1e-12) <= solution.bound_mbps
        shares.append(solution.rate_mbps / best)
        tightness.append(best / solution.bound_mbps)
    assert min(shares) > 0.97 and np.mean(shares) > 0.998
    assert np.mean(tightness) > 0.7


def test_after_flips_no_single_change_helps(make_problem: MakeProblem) -> None:
    problem = turning(make_problem(3, 4, states=FOUR, seed=2), 120)
    search = StateSearch.of_user(problem.with_leading_axis(), 0)
    start = np.zeros(12, dtype=np.uint8)
    pattern, rate = search.flip(start, search.rate_of(start))
    assert rate == pytest.approx(float(problem.rate_of(pattern))) and rate > search.rate_of(start)
    for element, state in itertools.product(range(12), range(4)):
        other = pattern.copy()
        other[element] = state
        assert problem.rate_of(other) <= rate * (1 + 1e-12)


def test_gains_are_exact_for_weak_elements(make_problem: MakeProblem) -> None:
    """Of one number to second order; of what varies over the band to first."""
    problem = turning(make_problem(4, 4, states=FOUR), 120)
    pattern, errors = np.random.default_rng(0).integers(4, size=16, dtype=np.uint8), []
    for weight in (1e-3, 1e-4):
        weak = replace(problem, cascade=weight * problem.cascade)
        search = StateSearch.of_user(weak.with_leading_axis(), 0)
        trials = np.where(np.eye(16, dtype=bool), (pattern + 1) % 4, pattern).astype(np.uint8)
        exact = weak.rate_of(trials) - weak.rate_of(pattern)
        predicted = search.gains(search.taps_of(pattern), pattern)[np.arange(16), (pattern + 1) % 4]
        errors.append(np.abs(predicted - exact).max() / np.abs(exact).max())
    assert errors[0] < 1e-2
    assert errors[1] < errors[0] / 5


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    turn_deg=st.floats(0, 300),
    slant=st.floats(-1, 1),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
)
def test_bad_multipliers_loosen_the_bound_and_never_break_it(
    make_problem: MakeProblem, seed: int, turn_deg: float, slant: float, scale: float
) -> None:
    problem = turning(make_problem(2, 2, users=1, states=[1, 1j, -0.7], seed=seed), turn_deg, slant=slant)
    rng, relaxation = np.random.default_rng(seed), Relaxation.of_user(problem, 0)
    snr, price = scale * rng.exponential(size=32), rng.exponential(size=5) * (rng.random(5) < 0.7)
    patterns = every_pattern(problem)[:, None]
    best = max(float(problem.rate_of(each)[0]) for each in patterns)
    assert best <= problem.mbps_per_nat * relaxation.certificate(snr, price)
    assert best <= certified_bound(problem, np.ones((1, 4), dtype=complex))[0]


def test_the_relaxations_gradient_equals_finite_differences(make_problem: MakeProblem) -> None:
    relaxation = Relaxation.of_user(turning(make_problem(4, 4, users=1, states=FOUR), 90), 0)
    rng = np.random.default_rng(1)
    code, change = rng.standard_normal((2, 3, relaxation.basis.shape[1], 2)) @ [1, 1j]
    value, gradient, snr, price = relaxation.evaluate(code)
    difference = relaxation.evaluate(code + 1e-6 * change)[0] - relaxation.evaluate(code - 1e-6 * change)[0]
    assert difference / 2e-6 == pytest.approx(2 * (gradient.conj() * change).real.sum(), rel=1e-5)
    assert value <= relaxation.certificate(snr, price)


def test_branch_and_bound_proves_the_best_pattern(make_problem: MakeProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_and_bound, "LISTED", 4)
    problem = turning(make_problem(2, 3, states=FOUR, num_taps=3, seed=3), 120, slant=0.2)
    solution = solve(problem, "branch-and-bound", Options(epochs=3000))
    assert solution.rate_mbps == pytest.approx(problem.rate_of(every_pattern(problem)).max())
    assert solution.rate_mbps <= solution.bound_mbps <= solution.rate_mbps * (1 + 2e-6)


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHMS) - {"neural-prior-printed", "neural-prior-paper"}))
def test_every_algorithm_tells_the_rate_that_its_pattern_has_over_the_band(
    make_problem: MakeProblem, algorithm: str
) -> None:
    problem = turning(make_problem(2, 4, users=2, states=FOUR, seed=5), 100)
    solution = solve(problem, algorithm, Options(epochs=5))
    assert solution.pattern is not None
    for user in range(2):
        alone = replace(problem, direct=problem.direct[user], cascade=problem.cascade[user])
        assert solution.rate_mbps[user] == pytest.approx(summed_mbps(alone, solution.pattern[[user]])[0])
        assert solution.rate_mbps[user] <= solution.bound_mbps[user]


def test_states_that_do_not_vary_are_one_number_each(make_problem: MakeProblem) -> None:
    problem = make_problem(4, 4, states=FOUR, seed=4)
    one, over_band = (solve(each, "tap-space") for each in (problem, turning(problem, 0)))
    assert one.rate_mbps == pytest.approx(float(over_band.rate_mbps))
    assert one.bound_mbps == pytest.approx(float(over_band.bound_mbps), rel=1e-3)


def test_states_that_all_vary_alike_are_bounded_too(make_problem: MakeProblem) -> None:
    """Then the direct channel holds what varies."""
    for seed in range(3):
        problem = make_problem(2, 2, states=FOUR, seed=seed)
        problem = replace(problem, dispersion=np.full((1, 4), 0.3 + 0.1j * seed))
        solution = solve(problem, "tap-space")
        best = problem.rate_of(every_pattern(problem)).max()
        assert solution.rate_mbps <= best * (1 + 1e-12) <= solution.bound_mbps * (1 + 1e-12)


def test_dispersion_goes_with_states(make_problem: MakeProblem) -> None:
    with pytest.raises(ValueError, match="does not go with states"):
        replace(make_problem(), dispersion=np.ones((2, 4), dtype=complex))
