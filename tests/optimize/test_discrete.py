import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.optimize.discrete import StateSearch, collinear, discretise, enclosing_circle, relaxed

complex_numbers = st.builds(complex, st.floats(-3, 3), st.floats(-3, 3))


@given(st.lists(complex_numbers, min_size=2, max_size=8, unique=True))
def test_the_circle_encloses_all_states_and_no_smaller_one_does(states):
    states = np.array(states)
    centre, radius = enclosing_circle(states)
    assert np.abs(states - centre).max() <= radius * (1 + 1e-9)
    for shift in 1e-3 * radius * np.exp(1j * np.arange(8)):
        assert np.abs(states - centre - shift).max() >= radius * (1 - 1e-6)


def test_the_circle_around_as_many_states_as_a_byte_tells_is_found_at_once():
    states = 0.3j + 0.8 * np.exp(2j * np.pi * np.arange(256) / 256)
    centre, radius = enclosing_circle(np.append(states, 0.5))
    assert (centre, radius) == (pytest.approx(0.3j), pytest.approx(0.8))


def test_states_on_a_line_are_recognised():
    assert collinear(np.array([1 + 0j, -1]))
    assert collinear(1j + np.array([0.1, 0.7, -0.4]) * np.exp(0.3j))
    assert not collinear(np.array([1, 1j, -1]))


@pytest.mark.parametrize("states", [[0.9, 0.5 * np.exp(2.9j)], [1, 0.3 + 0.4j, -0.8]])
def test_the_relaxed_surface_can_do_what_the_states_can(make_problem, states):
    problem = make_problem(users=2, states=states)
    centre, radius = enclosing_circle(problem.states)
    pattern = np.random.default_rng(0).integers(len(states), size=(2, 16))
    reflection = problem.states[pattern]
    assert np.allclose(relaxed(problem).rate_mbps((reflection - centre) / radius), problem.rate_mbps(reflection))


@pytest.mark.parametrize("states", [[1, -1], [0.9, 0.5 * np.exp(2.9j)], [1, 1j, -1, -0.7j]])
def test_patterns_are_rated_as_their_reflections_are(make_problem, states):
    problem = make_problem(users=2, states=states, seed=3)
    patterns = np.random.default_rng(0).integers(len(states), size=(16, 5)).astype(np.uint8)
    for user in range(2):
        search = StateSearch.of_user(problem, user)
        for start in range(5):
            rate = problem.rate_mbps(np.stack([problem.states[patterns[:, start]]] * 2))[user]
            assert search.rate(search.taps(patterns))[start] == pytest.approx(rate)


@pytest.mark.parametrize("states", [[1, -1], [0.9, 0.5 * np.exp(2.9j)], [1, 1j, -1, -0.7j]])
def test_each_element_takes_the_state_that_goes_furthest_where_it_is_asked_to(make_problem, states):
    search = StateSearch.of_user(make_problem(users=1, states=states), 0)
    asked = np.random.default_rng(0).standard_normal((50, 3, 2)) @ [1, 1j]
    along = np.real(asked.conj()[..., None] * np.array(states))
    assert np.array_equal(search.nearest(asked[None]), np.argmax(along, axis=-1))


@pytest.mark.parametrize("dispersion", [None, np.array([[0.4j, -0.3, 0.2j]])])
def test_what_elements_are_asked_for_is_the_slope_of_the_rate(make_problem, dispersion):
    problem = replace(make_problem(users=1, states=[1, 1j, -1], snr_db=10), dispersion=dispersion)
    search = StateSearch.of_user(problem, 0)
    rng = np.random.default_rng(1)
    taps = search.taps_of(rng.integers(3, size=16).astype(np.uint8))
    change = rng.standard_normal((len(search.states), 16, 2)) @ [1, 1j]  # of the reflection's terms
    step = 1e-6 * search.reflected(change, search.cascade.T).sum(axis=1)
    above, below = search.rate(np.stack([taps + step, taps - step], axis=1))
    slope = 2 * (search.asked(taps).conj() * change).real.sum()
    assert (above - below) / 2e-6 == pytest.approx(slope, rel=1e-6)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    states=st.sampled_from([[1, -1], [0.9, 0.5 * np.exp(2.9j)], [1, 1j, -1, -0.7j]]),
    snr_db=st.floats(-20, 40),
)
def test_flips_and_settling_never_lower_the_rate(make_problem, seed, states, snr_db):
    problem = make_problem(users=1, states=states, seed=seed, snr_db=snr_db)
    search = StateSearch.of_user(problem, 0)
    pattern = np.random.default_rng(seed).integers(len(states), size=16).astype(np.uint8)
    before = search.rate_of(pattern)
    settled, between = search.settle(pattern, before)
    flipped, after = search.flip(settled, between)
    assert before <= between == pytest.approx(search.rate_of(settled))
    assert between <= after * (1 + 1e-12)
    assert after == pytest.approx(search.rate_of(flipped))


def test_after_flips_no_single_change_helps(make_problem):
    for seed in range(5):
        problem = make_problem(users=1, states=[1, 1j, -1], seed=seed)
        search = StateSearch.of_user(problem, 0)
        pattern, rate = search.flip(*search.quantise(np.ones(16, dtype=complex)))
        for element, state in itertools.product(range(16), range(3)):
            other = pattern.copy()
            other[element] = state
            assert search.rate_of(other) <= rate * (1 + 1e-12)


@pytest.mark.parametrize("states", [[1, -1], [0.9, 0.5 * np.exp(2.9j), -0.3j]])
def test_gains_are_predicted_to_second_order(make_problem, states):
    problem, errors = make_problem(8, 8, users=1, states=states, snr_db=20), []
    pattern = np.random.default_rng(0).integers(len(states), size=64).astype(np.uint8)
    other = (pattern + 1) % len(states)
    for weight in (0.1, 0.05):
        search = StateSearch.of_user(replace(problem, cascade=weight * problem.cascade), 0)
        trials = np.where(np.eye(64, dtype=bool), other[:, None], pattern[:, None]).astype(np.uint8)
        exact = search.rate(search.taps(trials)) - search.rate_of(pattern)
        predicted = search.gains(search.taps_of(pattern), pattern)[np.arange(64), other]
        errors.append(np.abs(predicted - exact).max())
        assert errors[-1] < 0.02 * np.abs(exact).max()
    assert errors[1] < errors[0] / 6  # of third order


def test_the_best_changes_come_first(make_problem):
    problem = make_problem(16, 16, users=1, states=[1, -1])
    search, pattern = StateSearch.of_user(problem, 0), np.zeros(256, dtype=np.uint8)
    taps = search.taps_of(pattern)
    element, state = search.changes(taps, pattern)
    gain = search.gains(taps, pattern)
    assert np.all(np.diff(gain[element, state]) <= 0)
    assert gain[element[0], state[0]] == gain.max()


def test_small_1_bit_surfaces_are_solved_to_the_optimum(make_problem):
    hits = 0
    for seed in range(10):
        problem = make_problem(3, 3, users=1, states=[1, -1], seed=seed)
        rates = [
            problem.rate_mbps(np.array([signs], dtype=complex))[0] for signs in itertools.product([1, -1], repeat=9)
        ]
        starts = np.exp(1j * np.random.default_rng(seed).uniform(0, 6, (1, 8, 9)))
        _, found = discretise(problem, starts)
        assert found[0] <= max(rates) * (1 + 1e-12)
        hits += found[0] > 0.9999 * max(rates)
    assert hits >= 8
