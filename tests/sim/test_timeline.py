"""A timeline against a plain list of changes, and the sample times of a window."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.timeline import Timeline, Window

TIMES = st.integers(min_value=-20, max_value=20).map(float)
CHANGES = st.lists(TIMES, max_size=15)


def model(changes):
    """The changes that are in force, told without the code under test: a later command voids what was planned."""
    kept = [(-math.inf, "start")]
    for index, time_s in enumerate(changes):
        kept = [*(change for change in kept if change[0] < time_s), (time_s, index)]
    return kept


def timeline_of(changes, keep=100):
    timeline = Timeline("start", keep)
    for index, time_s in enumerate(changes):
        timeline.put(time_s, index)
    return timeline


@given(CHANGES, TIMES)
def test_the_value_at_a_time_is_the_last_one_put_before_or_then(changes, time_s):
    expected = [value for at_s, value in model(changes) if at_s <= time_s][-1]
    assert timeline_of(changes).at(time_s) == expected


@given(CHANGES, TIMES, TIMES)
def test_a_stretch_of_time_is_covered_without_gap_by_the_values_that_hold_in_it(changes, first_s, length_s):
    last_s = first_s + abs(length_s) + 1
    timeline = timeline_of(changes)
    stretch = timeline.during(first_s, last_s)
    begins_s, ends_s, _ = zip(*stretch, strict=True)
    assert begins_s[0] <= first_s < ends_s[0]
    assert begins_s[-1] < last_s <= ends_s[-1]
    assert begins_s[1:] == ends_s[:-1]
    for moment in (first_s, (first_s + last_s) / 2, last_s - 0.01):
        assert [value for begin, end, value in stretch if begin <= moment < end] == [timeline.at(moment)]


@given(CHANGES)
def test_all_of_time_holds_every_change_in_force(changes):
    assert [(at_s, value) for at_s, _, value in timeline_of(changes).during()] == model(changes)


def test_only_the_last_values_are_kept_and_the_oldest_of_them_stands_for_the_past():
    timeline = timeline_of([1.0, 2.0, 3.0, 4.0], keep=2)
    assert [value for _, _, value in timeline.during()] == [2, 3]
    assert timeline.at(-5.0) == 2


@pytest.mark.parametrize("time_s", [math.nan, math.inf, -math.inf])
def test_a_change_at_no_time_is_refused(time_s):
    with pytest.raises(ValueError, match="finite"):
        Timeline(0, 5).put(time_s, 1)


@given(st.integers(0, 1000), st.floats(0, 1e4))
def test_the_index_of_a_samples_own_time_is_that_sample(index, start_s):
    window = Window(start_s, 1000, 12.8e6, 4e9)
    assert window.index(window.time_s(index)) == index


def test_indices_stay_inside_the_window():
    window = Window(1.0, 100, 1e6, 4e9)
    assert window.index(-math.inf) == 0
    assert window.index(math.inf) == 100
    assert window.index(1.0 + 50.5e-6) == 51
