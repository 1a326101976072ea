"""Moving an antenna: another place in the same simulated room, the same instruments where they are real."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.config import TestbedConfig, UserConfig
from hil.interfaces import Truth
from hil.sim.clock import VirtualClock
from hil.testbed import Testbed, at_place, open_testbed
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SHELF = UserConfig(name="shelf", position_m=(2.6, 1.8, 1.6))


def station(**simulation: object) -> TestbedConfig:
    return load_yaml(STATION, TestbedConfig, {f"simulation.{name}": value for name, value in simulation.items()})


def true_response(testbed: Testbed, state: int = 0) -> np.ndarray:
    assert testbed.truth is not None
    return testbed.truth.response(np.full(testbed.surface.geometry.num_elements, state, dtype=np.uint8))


def test_a_moved_antenna_hears_what_one_hears_that_always_stood_there() -> None:
    with open_testbed(station()) as desk, open_testbed(station(), user="shelf") as shelf:
        with at_place(desk, SHELF) as moved:
            np.testing.assert_array_equal(true_response(moved), true_response(shelf))
            assert moved.user.name == "shelf"
        assert not np.allclose(true_response(desk), true_response(shelf))


def test_a_covered_surface_is_not_there_and_a_metal_one_does_not_listen_to_its_board() -> None:
    with open_testbed(station()) as desk:
        place = desk.user
        assert desk.truth is not None
        bare = desk.truth.no_surface()
        for condition in ("covered", "removed"):
            with at_place(desk, place, condition) as covered:
                np.testing.assert_allclose(true_response(covered), bare)
        with at_place(desk, place, "metal") as plate:
            np.testing.assert_array_equal(true_response(plate, 0), true_response(plate, 1))
            assert np.linalg.norm(true_response(plate) - bare) > 0.1 * np.linalg.norm(bare)


def test_a_placement_error_is_drawn_anew_for_each_visit_and_the_same_when_a_run_is_resumed() -> None:
    with open_testbed(station(placement_error_m=0.01)) as desk:
        found = []
        for visit in (0, 1, 0):
            with at_place(desk, SHELF, visit=visit) as moved:
                found.append(np.array(moved.user.position_m) - SHELF.position_m)
    assert np.array_equal(found[0], found[2]) and not np.allclose(found[0], found[1])
    assert 0 < np.linalg.norm(found[0]) < 0.06


def test_real_instruments_stay_as_they_are() -> None:
    with open_testbed(station()) as bench:
        bench.config = bench.config.model_copy(
            update={"radio": bench.config.radio.model_copy(update={"uri": "ip:192.168.2.1"})}
        )
        with at_place(bench, SHELF, "covered") as moved:
            assert moved.sdr is bench.sdr and moved.surface is bench.surface and moved.clock is bench.clock
            assert moved.setup.user == "shelf"
        assert bench.surface.read_pattern() is not None  # still open


def test_the_radio_tells_its_temperature() -> None:
    with open_testbed(station()) as testbed:
        assert testbed.temperature_c == pytest.approx(33, abs=10)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=20))
def test_a_simulated_world_goes_on_at_the_very_time_that_was_recorded(times_s: list[float]) -> None:
    """To the last bit, or a resumed run's records would differ from the whole one's by it."""
    bed = object.__new__(Testbed)
    bed.clock, bed.truth = VirtualClock(), cast(Truth, object())
    for time_s in sorted(times_s):
        bed.continue_at(time_s)
        assert bed.clock.now_s() == time_s
