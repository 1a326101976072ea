"""What the science is told of a station's states."""

import json
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.errors import ConfigError
from hil.interfaces import Geometry, LinkBudget, StateSet
from hil.measure.setup import Setup
from hil.phy.band import band_powers

STATION = load_testbed(Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml")
LO_HZ, HALF_HZ = STATION.radio.lo_hz, STATION.ofdm.bandwidth_hz / 2


def setup_of(table: np.ndarray, frequency_hz: np.ndarray) -> Setup:
    budget = LinkBudget(0.0, -174.0, 20e6, 1.0, True)
    return Setup.of(STATION, "desk", Geometry(2, 2, 0.02, 0.02), StateSet(frequency_hz, table), budget)


def four_states(turn_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Four states at three frequencies; the last two turn by so much from the lower end of the band to the upper."""
    x = np.array([-1.0, 0.0, 1.0])
    turned = np.exp(1j * np.radians(turn_deg) / 2 * x)[:, None] * np.array([1j, -0.8j])
    return np.concatenate([np.tile([1.0 + 0j, -0.7], (3, 1)), turned], axis=1), LO_HZ + x * HALF_HZ


@pytest.mark.parametrize("order", [[2, 1], [1, 2]])
def test_two_states_are_plus_and_minus_one_at_every_frequency(order: list[int]) -> None:
    table, frequency_hz = four_states(40.0)
    found = setup_of(table[:, order], frequency_hz)  # both vary, each in its own way
    np.testing.assert_allclose(found.states, [1, -1])
    assert found.dispersion is None


def test_a_surface_whose_plus_and_minus_reflect_the_same_somewhere_in_the_band_is_refused() -> None:
    table, frequency_hz = np.array([[1, 1j], [1j, 1j]]), LO_HZ + np.array([-1.0, 0.5]) * HALF_HZ
    with pytest.raises(ConfigError, match=r"states 0 and 1, which stand for .* reflect the same"):
        setup_of(table, frequency_hz)


@pytest.mark.parametrize(("turn_deg", "one_number"), [(0.5, True), (20.0, False)])
def test_one_number_for_a_state_that_hardly_varies_over_the_band(turn_deg: float, one_number: bool) -> None:
    assert (setup_of(*four_states(turn_deg)).dispersion is None) == one_number


def test_a_state_that_varies_is_followed_over_the_band() -> None:
    table, frequency_hz = four_states(20.0)
    found = setup_of(table, frequency_hz)
    assert found.dispersion is not None
    powers = band_powers(STATION.ofdm.num_subcarriers, 1 + len(found.dispersion))
    told = found.states + powers[1:].T @ found.dispersion
    gamma = StateSet(frequency_hz, table).reflection(LO_HZ + powers[1] * HALF_HZ)
    true = (gamma - 0.15) / 0.85
    np.testing.assert_allclose(told, true, atol=0.01)


def test_what_a_manifest_holds_comes_back() -> None:
    found = setup_of(*four_states(20.0))
    again = Setup.from_json(json.loads(json.dumps(found.to_json())))
    np.testing.assert_array_equal(again.states, found.states)
    np.testing.assert_array_equal(again.dispersion, found.dispersion)


def test_a_carrier_outside_the_table_is_refused_and_a_band_that_hangs_over_is_not() -> None:
    table, frequency_hz = four_states(20.0)
    setup_of(table, frequency_hz + 0.5 * HALF_HZ)
    with pytest.raises(ConfigError, match="reflection is known"):
        setup_of(table, frequency_hz + 3 * HALF_HZ)
