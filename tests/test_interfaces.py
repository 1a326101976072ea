"""The types at the seams: where elements are, how states reflect, what a link budget says, how time passes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import ConfigError
from hil.interfaces import Clock, Closing, Geometry, LinkBudget, Progress, StateSet, SystemClock, no_progress

# ---------------------------------------------------------------------------------------------------------- geometry

geometries = st.builds(
    Geometry, rows=st.integers(1, 8), cols=st.integers(1, 8), pitch_x_m=st.floats(1e-3, 1), pitch_y_m=st.floats(1e-3, 1)
)


def test_element_zero_is_at_the_top_left_seen_from_the_front() -> None:
    positions_m = Geometry(rows=2, cols=3, pitch_x_m=0.1, pitch_y_m=0.2).positions_m()
    expected = [[-0.1, 0.1, 0], [0, 0.1, 0], [0.1, 0.1, 0], [-0.1, -0.1, 0], [0, -0.1, 0], [0.1, -0.1, 0]]
    assert positions_m == pytest.approx(np.array(expected))


@given(geometries)
def test_the_array_is_centred_flat_and_on_its_grid(geometry: Geometry) -> None:
    positions_m = geometry.positions_m()
    assert positions_m.shape == (geometry.num_elements, 3)
    assert positions_m.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    grid = positions_m.reshape(geometry.rows, geometry.cols, 3)
    assert np.diff(grid[:, :, 0], axis=1) == pytest.approx(geometry.pitch_x_m)
    assert np.diff(grid[:, :, 1], axis=0) == pytest.approx(-geometry.pitch_y_m)


# ------------------------------------------------------------------------------------------------------------ states

TABLE = StateSet(np.array([5.4e9, 5.5e9, 5.6e9]), np.array([[1, -1], [0.5, -0.5j], [0.25, 1j]]))


def test_a_table_is_met_at_its_own_frequencies() -> None:
    assert TABLE.num_states == 2
    assert TABLE.reflection(TABLE.frequency_hz) == pytest.approx(TABLE.table)


def test_between_two_frequencies_level_and_phase_are_halfway_not_the_complex_values() -> None:
    between = TABLE.reflection(np.array([5.45e9]))[0]
    assert between[0] == pytest.approx(math.sqrt(0.5))
    assert abs(between[1]) == pytest.approx(math.sqrt(0.5))
    assert np.angle(between[1], deg=True) == pytest.approx(-135)


def test_the_phase_goes_the_short_way_round() -> None:
    table = StateSet(np.array([1e9, 2e9]), np.exp(1j * np.deg2rad([[170.0], [-170.0]])))
    assert abs(np.angle(table.reflection(np.array([1.5e9]))[0, 0], deg=True)) == pytest.approx(180)


def test_a_table_of_one_row_holds_everywhere() -> None:
    flat = StateSet(np.array([5e9]), np.array([[1.0, -1.0]]))
    assert flat.reflection(np.array([1e9, 9e9])).tolist() == [[1, -1], [1, -1]]


def test_a_single_frequency_may_be_a_plain_number() -> None:
    assert TABLE.reflection(np.asarray(5.5e9)).shape == (1, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("frequency_hz", [5.399e9, 5.601e9])
def test_outside_the_table_nothing_is_known(frequency_hz: float) -> None:
    with pytest.raises(ConfigError, match=r"known from 5\.4 to 5\.6 GHz"):
        TABLE.reflection(np.array([5.5e9, frequency_hz]))


@given(st.lists(st.floats(5.4e9, 5.6e9), min_size=1, max_size=5))
def test_interpolation_amplifies_nothing(frequencies_hz: list[float]) -> None:
    level = np.abs(TABLE.reflection(np.array(frequencies_hz)))
    assert level.max() <= 1 + 1e-9
    assert level.min() >= 0.25 - 1e-9


# ------------------------------------------------------------------------------------------------------- link budget


def test_the_snr_scale_is_power_over_noise() -> None:
    budget = LinkBudget(30.0, -174.0 + 9, 10e6, 1.0, calibrated=True)
    assert 10 * math.log10(budget.snr_scale) == pytest.approx(30 - (-174 + 9 + 70))


@given(st.floats(-50, 40), st.floats(-180, -140), st.floats(1e5, 5e7))
def test_ten_db_more_power_is_ten_times_the_snr_and_twice_the_bandwidth_half(
    power_dbm: float, density_dbm_hz: float, bandwidth_hz: float
) -> None:
    def scale(power: float, bandwidth: float) -> float:
        return LinkBudget(power, density_dbm_hz, bandwidth, 1.0, calibrated=False).snr_scale

    assert scale(power_dbm + 10, bandwidth_hz) == pytest.approx(10 * scale(power_dbm, bandwidth_hz))
    assert scale(power_dbm, 2 * bandwidth_hz) == pytest.approx(scale(power_dbm, bandwidth_hz) / 2)


# -------------------------------------------------------------------------------------------------- clock and closing


def test_the_system_clock_starts_at_zero_and_never_goes_back() -> None:
    clock = SystemClock()
    assert isinstance(clock, Clock)
    times_s = [clock.now_s() for _ in range(5)]
    assert 0 <= times_s[0] < 10
    assert times_s == sorted(times_s)


def test_the_system_clock_sleeps_as_long_as_asked_and_not_at_all_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    for duration_s in (0.25, 0.0, -1.0):
        SystemClock().sleep(duration_s)
    assert slept == [0.25]


def test_leaving_the_block_closes_also_after_an_exception() -> None:
    class Door(Closing):
        closed = False

        def close(self) -> None:
            self.closed = True

    door = Door()
    with pytest.raises(KeyError), door as entered:
        assert entered is door
        raise KeyError
    assert door.closed


def test_a_thing_without_close_cannot_be_left() -> None:
    with pytest.raises(TypeError, match=r"Closing has no close\(\)"), Closing():
        pass


def test_nobody_has_to_watch() -> None:
    watch: Progress = no_progress
    assert watch("sweep", 1, 2) is None  # type: ignore[func-returns-value]
