"""The surface's frame seen from the station."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.channel.frame import delay_s, direction, distance_m, to_surface_frame


@pytest.mark.parametrize(
    ("facing_deg", "right", "out"),
    [(0.0, (0, 1, 0), (1, 0, 0)), (90.0, (-1, 0, 0), (0, 1, 0)), (180.0, (0, -1, 0), (-1, 0, 0))],
)
def test_right_is_right_for_who_stands_before_the_surface(facing_deg, right, out):
    surface = np.array([5.0, -2.0, 1.2])
    seen = to_surface_frame(surface + np.array([right, (0, 0, 1), out]), surface, facing_deg)
    assert np.allclose(seen, np.eye(3), atol=1e-12)


@given(facing_deg=st.floats(-360, 360), place=st.tuples(*[st.floats(-100, 100)] * 3))
def test_the_frame_keeps_distances_and_heights(facing_deg, place):
    seen = to_surface_frame(np.array(place), np.zeros(3), facing_deg)
    assert np.linalg.norm(seen) == pytest.approx(np.linalg.norm(place))
    assert seen[1] == pytest.approx(place[2])


def test_azimuth_turns_right_and_elevation_up():
    assert np.allclose(direction(np.array(np.pi / 2), np.array(0.0)), [1, 0, 0])
    assert np.allclose(direction(np.array(0.3), np.array(np.pi / 2)), [0, 1, 0], atol=1e-12)
    assert np.allclose(direction(np.array(0.0), np.array(0.0)), [0, 0, 1])


def test_light_takes_a_second_for_its_metres():
    assert delay_s(distance_m(np.zeros(3), np.array([299_792_458.0, 0, 0]))) == pytest.approx(1)
