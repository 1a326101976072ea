"""Where antennas stand, seen from the surface, and what the straight ways bring: Friis, reciprocity, symmetry."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.config import TestbedConfig, UserConfig, load_testbed
from hil.interfaces import Geometry
from hil.phy.geometry import seen_from_surface, straight_cascade, straight_direct
from hil.units import wavelength_m

STATION = load_testbed(Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml")
TX_DBI, ELEMENT_DBI = 9.0, 4.0
Place = tuple[float, float, float]


def station(transmitter_m: Place, surface_m: Place = (0.0, 0.0, 0.0), facing_deg: float = 0.0) -> TestbedConfig:
    surface = STATION.surface.model_copy(
        update={"position_m": surface_m, "facing_deg": facing_deg, "element_gain_dbi": ELEMENT_DBI}
    )
    power = STATION.power.model_copy(update={"tx_antenna_gain_dbi": TX_DBI})
    return STATION.model_copy(update={"transmitter_m": transmitter_m, "surface": surface, "power": power})


def user(position_m: Place) -> UserConfig:
    return STATION.users[0].model_copy(update={"position_m": position_m})


@pytest.mark.parametrize(
    ("facing_deg", "right", "out"),
    [(0.0, (0, 1, 0), (1, 0, 0)), (90.0, (-1, 0, 0), (0, 1, 0)), (180.0, (0, -1, 0), (-1, 0, 0))],
)
def test_right_is_right_for_who_stands_before_the_surface(facing_deg: float, right: Place, out: Place) -> None:
    at = station((0.0, 0.0, 0.0), (5.0, -2.0, 1.2), facing_deg)
    seen = [seen_from_surface(at, (5.0 + x, -2.0 + y, 1.2 + z)) for x, y, z in (right, (0, 0, 1), out)]
    np.testing.assert_allclose(seen, np.eye(3), atol=1e-12)


def test_over_one_element_the_ways_are_friis_twice() -> None:
    """Both antennas 60 deg off broadside, to the right and above, 3 m and 5 m away."""
    wave_m, tilt = wavelength_m(STATION.radio.lo_hz), np.radians(60)
    at = station((3 * np.cos(tilt), 3 * np.sin(tilt), 0.0))
    found = straight_cascade(at, user((5 * np.cos(tilt), 0.0, 5 * np.sin(tilt))), Geometry(1, 1, 0.02, 0.02))
    gain_db = TX_DBI + 2 * (ELEMENT_DBI + 10 * np.log10(0.5))
    amplitude = 10 ** (gain_db / 20) * (wave_m / (4 * np.pi)) ** 2 / (3 * 5)
    assert found[0] == pytest.approx(amplitude * np.exp(-2j * np.pi * 8 / wave_m))


@given(st.lists(st.floats(0.5, 4), min_size=6, max_size=6), st.floats(-180, 180))
def test_the_ways_are_the_same_with_transmitter_and_user_exchanged_and_the_station_turned(
    places: list[float], turn_deg: float
) -> None:
    one, other, surface = tuple(places[:3]), tuple(places[3:]), Geometry(2, 3, 0.03, 0.02)
    found = straight_cascade(station(one), user(other), surface)
    np.testing.assert_allclose(straight_cascade(station(other), user(one), surface), found, rtol=1e-6)
    turn = np.radians(turn_deg)
    about = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    moved = [tuple((about @ place + np.array([7.0, 1.0, -2.0])).tolist()) for place in (one, other)]
    turned = straight_cascade(station(moved[0], (7.0, 1.0, -2.0), turn_deg), user(moved[1]), surface)
    np.testing.assert_allclose(turned, found, rtol=1e-6)


def test_the_element_nearest_to_both_antennas_hears_most() -> None:
    near = (0.1, 0.05, 0.05)  # up and to the right of the centre
    found = np.abs(straight_cascade(station(near), user(near), Geometry(4, 4, 0.03, 0.03))).reshape(4, 4)
    assert np.unravel_index(found.argmax(), found.shape) == (0, 3)


def test_who_stands_behind_the_surface_is_not_reached_by_it() -> None:
    found = straight_cascade(station((2.0, 0.0, 0.0)), user((-1.0, 0.0, 0.0)), Geometry(2, 2, 0.02, 0.02))
    assert not found.any()


def test_the_way_past_the_surface_is_friis() -> None:
    found = straight_direct(station((1.0, 2.0, 2.0)), user((3.0, 3.0, 0.0)))
    assert found == pytest.approx(10 ** (TX_DBI / 20) * wavelength_m(STATION.radio.lo_hz) / (4 * np.pi * 3))
