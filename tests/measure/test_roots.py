"""Sweeps over all states of an element: which state stands for which root, and what rows that makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hil.config import SweepConfig
from hil.measure.roots import Ring, RootPlan

QUARTERS = np.exp(0.5j * np.pi * np.array([0, 2, 1, 3]))  # in an order of the board's own


def plan(states=QUARTERS, num_elements=12, seed=0, groups=None, **options):
    config = SweepConfig(scheme="dft", **options)
    return RootPlan.of_states(config, states, num_elements, seed=seed, groups=groups)


def test_states_are_taken_in_the_order_of_their_phase_whatever_their_number():
    ring = Ring.of(QUARTERS)
    assert ring.state == (0, 2, 1, 3)
    assert ring.exact
    assert abs(ring.middle) < 1e-12


@given(st.integers(2, 16), st.complex_numbers(max_magnitude=3), st.floats(0, 6), st.integers(0, 2**32))
def test_an_even_division_of_any_circle_is_found_exactly(count, middle, turn, seed):
    roots = np.exp(1j * (turn + 2 * np.pi * np.arange(count) / count))
    order = np.random.default_rng(seed).permutation(count)
    states = (middle + 0.7 * roots)[order]
    ring = Ring.of(states)
    assert ring.exact
    fitted = ring.middle + ring.radius * np.exp(2j * np.pi * np.arange(count) / count)
    assert_allclose(fitted, states[list(ring.state)], atol=1e-9)


def test_states_that_are_alike_are_one_and_uneven_ones_are_told():
    assert Ring.of(np.array([1.0, 1.0, -1.0, -1.0 + 0j])).state == (0, 2)
    assert not Ring.of(QUARTERS * np.array([1, 1, 0.8, 1])).exact
    with pytest.raises(ValueError, match="one state only"):
        Ring.of(np.ones(4, dtype=complex))


@given(st.integers(1, 40), st.sampled_from([2, 3, 4, 8]), st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_elements_and_the_direct_channel_are_orthogonal(num_elements, num_states, scramble, shuffle, seed):
    states = np.exp(2j * np.pi * np.arange(num_states) / num_states)
    p = plan(states, num_elements, seed=seed, scramble=scramble, shuffle=shuffle)
    model = np.column_stack([np.ones(p.num_patterns), states[p.patterns()]])
    assert_allclose(model.conj().T @ model, p.order * np.eye(num_elements + 1), atol=1e-8 * p.order)
    assert p.whole
    assert np.all(p.partner == -1)
    assert p.board_rows() is None


def test_all_states_are_used():
    assert set(np.unique(plan().patterns())) == {0, 1, 2, 3}


def test_elements_of_a_group_switch_together():
    groups = np.arange(12) // 3
    patterns = plan(groups=groups).patterns()
    assert patterns.shape == (8, 12)
    assert_array_equal(patterns, patterns[:, groups * 3])


def test_the_same_seed_gives_the_same_sweep_and_another_one_another():
    assert_array_equal(plan(seed=3).patterns(), plan(seed=3).patterns())
    assert np.any(plan(seed=3).patterns() != plan(seed=4).patterns())


def test_parts_and_references_are_those_of_any_plan():
    whole = plan()
    part = whole.only(np.arange(14))
    assert not part.whole
    assert_array_equal(part.patterns(), whole.patterns()[:14])
    again = whole.with_references(5)
    assert again.whole
    assert_array_equal(again.patterns()[again.reference], np.repeat(whole.patterns()[:1], again.reference.size, axis=0))
    assert_array_equal(again.only(again.of_surface).patterns(), whole.patterns())
