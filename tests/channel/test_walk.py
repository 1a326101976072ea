"""A walk: along straight legs, at one speed, from the user's own place to the last corner."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.channel import Walk
from hil.config import PathConfig, UserConfig

START = (1.0, 2.0, 0.5)


def walk(*corners, speed=0.5, start_s=0.0):
    path = PathConfig(to_m=corners, speed_m_per_s=speed, start_s=start_s)
    return Walk.of(UserConfig(name="walker", position_m=START, path=path))


coordinate = st.floats(-10, 10).map(lambda x: round(x, 2))
places = st.tuples(coordinate, coordinate, coordinate)


def test_a_user_who_does_not_move_has_no_walk():
    assert Walk.of(UserConfig(name="sitter", position_m=START)) is None
    assert walk(START, START) is None


def test_the_user_sets_out_at_its_time_and_stands_at_the_last_corner():
    way = walk((1.0, 4.0, 0.5), (2.0, 4.0, 0.5), start_s=3.0)
    assert way.length_m == 3.0
    assert way.reach_m == pytest.approx(np.hypot(2, 1))
    assert way.position_m(-5.0) == way.position_m(3.0) == START
    assert way.position_m(4.0) == pytest.approx((1.0, 2.5, 0.5))
    assert way.position_m(7.0) == pytest.approx((1.0, 4.0, 0.5))
    assert way.position_m(8.0) == pytest.approx((1.5, 4.0, 0.5))
    assert way.position_m(9.0) == way.position_m(1e9) == (2.0, 4.0, 0.5)


def test_a_corner_named_twice_is_passed_once():
    assert walk(START, (1.0, 4.0, 0.5), (1.0, 4.0, 0.5)).leg_m == (2.0,)


@given(corners=st.lists(places, min_size=1, max_size=4), times=st.tuples(st.floats(0, 200), st.floats(0, 2)))
def test_nobody_walks_faster_than_its_speed(corners, times):
    way = walk(*corners)
    if way is None:
        return
    time_s, later_s = times
    step = np.subtract(way.position_m(time_s + later_s), way.position_m(time_s))
    assert np.linalg.norm(step) <= 0.5 * later_s + 1e-9


def test_who_stands_does_not_move_during_any_time():
    way = walk((1.0, 4.0, 0.5), start_s=2.0)
    assert not way.moves_during(0.0, 2.0)
    assert way.moves_during(1.0, 2.1)
    assert way.moves_during(5.9, 7.0)
    assert not way.moves_during(6.1, 1e3)


@given(corners=st.lists(places, min_size=1, max_size=4), near=places)
def test_no_place_of_a_walk_is_nearer_to_a_point_than_its_extremes(corners, near):
    way = walk(*corners)
    if way is None:
        return
    along = [way.position_m(time_s) for time_s in np.linspace(0, way.length_m / 0.5, 50)]
    nearest = min(np.linalg.norm(np.subtract(place, near)) for place in way.extremes(near))
    assert nearest <= min(np.linalg.norm(np.subtract(place, near)) for place in along) + 1e-9
