"""Figures show the numbers that they are given: in the unit of the axis, at the right place, with their intervals."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hil.report.calibration_figures import elements_figure, quiet_figure, settling_figure, states_figure, watch_figure
from hil.report.estimate_figures import estimate_figure, residual_figure
from hil.report.field_figures import forest_figure, gains_figure, rounds_figure
from hil.report.field_figures import rates_figure as field_rates_figure
from hil.report.figures import prediction_figure, rates_figure, response_figure, search_figure, sounding_snr_figure
from hil.report.track_figures import stages_figure, track_figure
from hil.report.users_figures import TURNS_S, served_figure, users_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RNG = np.random.default_rng(0)


def line(axes: "Axes", label: str) -> np.ndarray:
    """x and y of a curve by its name in the legend."""
    return next(np.array(each.get_data(), dtype=float) for each in axes.lines if each.get_label() == label)


def spans(container: Any, axis: int) -> np.ndarray:
    """Lower and upper end of each error bar along an axis."""
    return np.array([segment[:, axis] for segment in container.lines[2][0].get_segments()])


def labels(ticks: list[Any]) -> list[str]:
    return [each.get_text() for each in ticks]


def test_differences_stand_beside_their_names_with_their_intervals() -> None:
    rows = [("all", 1.0, 0.4, 1.9), ("desk", -2.0, -2.5, -1.0), ("sham", 0.1, -0.1, 0.2)]
    (axes,) = forest_figure(rows, 0.5, title="PASS").axes
    (bars,) = axes.containers
    by_height = sorted(zip(axes.get_yticks(), labels(axes.get_yticklabels()), strict=True), reverse=True)
    assert [name for _, name in by_height] == ["all", "desk", "sham"]
    np.testing.assert_array_equal(bars.lines[0].get_data(), [[1.0, -2.0, 0.1], [height for height, _ in by_height]])
    np.testing.assert_allclose(spans(bars, 0), [row[2:] for row in rows])
    assert [each.get_xdata()[0] for each in axes.lines if each.get_label() == "smallest effect of interest"] == [0.5]


def test_gains_of_arms_stand_at_their_names_with_intervals_and_true_ones() -> None:
    gains = {
        "all": {"all_zero": (0.0, 0.0, 0.0), "stm": (5.0, 4.0, 5.5)},
        "desk": {"all_zero": (0.0, 0.0, 0.0), "stm": (6.0, 5.0, 8.0)},
    }
    (axes,) = gains_figure(gains, {"all_zero": None, "stm": 5.2}).axes
    for bars, place in zip(axes.containers, gains, strict=True):
        assert bars.get_label() == place
        x, y = bars.lines[0].get_data()
        assert np.rint(x).tolist() == [0, 1] and y.tolist() == [0.0, gains[place]["stm"][0]]
        np.testing.assert_allclose(spans(bars, 1)[1], gains[place]["stm"][1:])
    assert labels(axes.get_xticklabels()) == ["all_zero", "stm"]
    x, y = line(axes, "true, all")
    assert np.rint(x).tolist() == [1] and y.tolist() == [5.2]


def test_rates_at_open_stations_stand_beside_predicted_and_true_ones() -> None:
    rates = {
        "measured_mbps": {"all": {}, "desk": {"a": (10.0, 9.0, 12.0), "b": (20.0, 19.0, 20.5)}, "covered": {}},
        "predicted_mbps": {"all": {}, "desk": {"a": 11.0, "b": 21.0}},
        "true_mbps": {"all": {}, "desk": {"a": 10.5, "b": 20.2}},
    }
    (axes,) = field_rates_figure(rates, ["a", "b"]).axes
    assert axes.get_title() == "desk"
    np.testing.assert_array_equal(axes.containers[0].lines[0].get_data(), [[0, 1], [10, 20]])
    np.testing.assert_allclose(spans(axes.containers[0], 1), [[9, 12], [19, 20.5]])
    np.testing.assert_array_equal(line(axes, "predicted"), [[0, 1], [11, 21]])
    np.testing.assert_array_equal(line(axes, "true, at rest"), [[0, 1], [10.5, 20.2]])


def test_rounds_are_counted_from_one_and_each_visit_has_its_panel() -> None:
    gains = {f"visit {number}": RNG.normal(size=(5, 2)) for number in range(4)}
    figure = rounds_figure(gains, ["a", "b"])
    for axes, (name, values) in zip(figure.axes, gains.items(), strict=False):
        assert axes.get_title() == name
        for column, arm in enumerate("ab"):
            np.testing.assert_array_equal(line(axes, arm), [np.arange(1, 6), values[:, column]])
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_what_is_left_of_a_change_is_told_in_db_of_amplitude_and_ms_from_its_first_sign() -> None:
    curve = 1 - 10.0 ** (-np.arange(6) / 2) + 0j
    (axes,) = settling_figure(curve, 2, 1e-4, 3e-4, 0.01).axes
    left, floor, settled = axes.lines
    np.testing.assert_allclose(left.get_data(), [np.arange(-2, 4) * 0.1, -10.0 * np.arange(6)])
    assert floor.get_ydata()[0] == pytest.approx(-40) and settled.get_xdata()[0] == pytest.approx(0.3)


def test_elements_are_shown_from_the_front_row_by_row_and_marks_stand_on_them() -> None:
    power = np.array([1.0, 1.0, 1.0, 100.0, 1.0, 1e-9])
    phase_deg = np.arange(6) * 30.0
    which = np.array([False, False, False, True, False, False])
    left, right, *_ = elements_figure(power, phase_deg, 1e-3, {"off": which}, 2, 3).axes
    np.testing.assert_allclose(left.images[0].get_array(), [[0, 0, 0], [20, 0, -30]])
    np.testing.assert_array_equal(right.images[0].get_array(), phase_deg.reshape(2, 3))
    np.testing.assert_array_equal(line(left, "1 off"), [[0], [1]])


def test_noise_of_a_bin_is_that_of_all_shared_out() -> None:
    (axes,) = quiet_figure(np.linspace(-5, 5, 100), np.full(100, -80.0), -60.0).axes
    assert axes.lines[1].get_ydata()[0] == pytest.approx(-80)


def test_states_are_shown_against_the_one_that_stands_for_plus() -> None:
    declared = np.array([[1.0, 2.0, 0.5j]] * 2)
    left, right = states_figure(np.array([5.0e9, 5.1e9]), declared, 2 * declared**2, plus=1).axes
    for name, level_db in (("state 0, declared", -6.02), ("state 2, declared", -12.04), ("state 0, measured", -12.04)):
        np.testing.assert_allclose(line(left, name), [[5000, 5100], [level_db] * 2], atol=0.01)
    assert not any("state 1" in str(each.get_label()) for each in left.lines)
    np.testing.assert_allclose(right.lines[2].get_ydata(), 90)


def test_times_of_a_watch_begin_at_zero() -> None:
    time_s, level_db, phase_deg = 7.0 + np.arange(4.0), RNG.normal(size=4), RNG.normal(size=4)
    left, right = watch_figure(time_s, level_db, phase_deg).axes
    np.testing.assert_array_equal(left.lines[0].get_data(), [np.arange(4), level_db])
    np.testing.assert_array_equal(right.lines[0].get_data(), [np.arange(4), phase_deg])


def test_maps_of_an_estimate_are_those_of_its_elements_and_delays() -> None:
    rows, cols, delays = 2, 3, np.array([-1.0, 0.0, 1.0, 2.0])
    cascade = (RNG.normal(size=(rows * cols, 4)) + 1j * RNG.normal(size=(rows * cols, 4))) * [0.1, 3, 1, 0.1]
    direct, power = np.array([0.1, 10.0, 1.0, 0.1]) + 0j, np.abs(cascade) ** 2
    levels, phases, over_delay, profiles = estimate_figure(cascade, direct, delays, 1e-3, rows, cols).axes[:4]
    each = power.sum(axis=1).reshape(rows, cols)
    np.testing.assert_allclose(levels.images[0].get_array(), 10 * np.log10(each))
    np.testing.assert_allclose(phases.images[0].get_array(), np.degrees(np.angle(cascade[:, 1])).reshape(rows, cols))
    assert phases.get_title().endswith("(0)")
    by_column = power.reshape(rows, cols, 4).mean(axis=0)
    np.testing.assert_allclose(over_delay.images[0].get_array(), 10 * np.log10(by_column))
    assert list(over_delay.images[0].get_extent()) == [-1.5, 2.5, 2.5, -0.5]
    np.testing.assert_allclose(line(profiles, "direct"), [delays, [-20, 20, 0, -20]])
    np.testing.assert_allclose(line(profiles, "mean of the elements")[1], 10 * np.log10(power.mean(axis=0)))
    assert line(profiles, "expected error of an element's tap")[1][0] == pytest.approx(-30)


def test_residuals_stand_beside_noise_and_signal_as_powers() -> None:
    time_s, frequency_hz = 3 + np.arange(4.0), np.array([-1e6, 1e6])
    over_time, over_band = residual_figure(
        time_s, np.full(4, 1e-3), np.full(4, 1e-4), frequency_hz, np.full(2, 1e-2), np.full(2, 10.0)
    ).axes
    np.testing.assert_allclose(line(over_time, "residual"), [np.arange(4), [-30] * 4])
    np.testing.assert_allclose(line(over_time, "noise, from repetitions")[1], -40)
    np.testing.assert_allclose(line(over_band, "measured"), [[-1, 1], [10, 10]])
    np.testing.assert_allclose(line(over_band, "residual")[1], -20)
    assert line(over_band, "noise")[1][0] == pytest.approx(-40)


def test_bars_of_users_are_their_rates_with_intervals_and_true_ones() -> None:
    first = {"user": "desk", "rate_mbps": {"all_zero": 10.0, "chosen": 30.0}, "true_rate_mbps": {"chosen": 29.0},
             "rate_interval_mbps": {"all_zero": [9.0, 12.0], "chosen": [28.0, 31.0]}}  # fmt: skip
    second = {**first, "user": "door", "rate_mbps": {"chosen": 20.0}, "true_rate_mbps": {},
              "rate_interval_mbps": {"chosen": [19.0, 23.0]}}  # fmt: skip
    (axes,) = users_figure([first, second]).axes
    assert labels(axes.get_xticklabels()) == ["desk", "door"]
    bars = next(each for each in axes.containers if each.get_label() == "chosen" and hasattr(each, "patches"))
    assert [bar.get_height() for bar in bars.patches] == [30, 20]
    assert [round(bar.get_x()) for bar in bars.patches] == [0, 1]
    np.testing.assert_allclose(spans(bars.errorbar, 1), [[28, 31], [19, 23]])
    dashes = [each.get_data() for each in axes.lines if each.get_marker() == "_" and each.get_markersize() == 14]
    assert [list(y) for _, y in dashes if len(y)] == [[29.0]]


def test_a_rate_in_turns_pays_for_each_change_and_is_shared() -> None:
    (axes,) = served_figure([40.0, 20.0], ["a", "b"], {"sent": 0.1, "stored": 0.0, "none": None}).axes
    assert len(axes.lines) == 4
    np.testing.assert_allclose(line(axes, "a, pattern stored"), [TURNS_S, np.full(TURNS_S.size, 20.0)])
    sent = line(axes, "b, pattern sent")[1]
    assert (sent[TURNS_S <= 0.1] == 0).all() and sent[-1] == pytest.approx(10 * (1 - 0.1 / TURNS_S[-1]))


def test_a_track_shows_rates_over_time_and_stages_in_milliseconds() -> None:
    points = np.array([[0.0, 10.0], [1.0, 12.0]])
    (axes,) = track_figure({"reference": points, "nothing": np.zeros((0, 2))}, {"hold": points + 1}, "sweeping").axes
    np.testing.assert_array_equal(line(axes, "reference"), points.T)
    np.testing.assert_array_equal(line(axes, "hold, true"), points.T + 1)
    (axes,) = stages_figure([0.0, 1.0], {"sound": [0.01, 0.02], "compute": [0.001, 0.003]}).axes
    tops = [each.get_paths()[0].vertices[:, 1].max() for each in axes.collections]
    np.testing.assert_allclose(tops, [20, 23])


def test_the_band_is_shown_in_mhz_and_db() -> None:
    frequency_hz = np.array([-1e6, 0.0, 1e6])
    (axes,) = response_figure(frequency_hz, {"chosen": np.full(3, 100.0)}, {"chosen": np.full(3, 10.0)}).axes
    np.testing.assert_allclose([each.get_data() for each in axes.lines], [[[-1, 0, 1], [db] * 3] for db in (20, 10)])
    snr, noise = sounding_snr_figure(frequency_hz, np.arange(3.0), np.full(3, 1e-6)).axes
    np.testing.assert_allclose(snr.lines[0].get_data(), [[-1, 0, 1], [0, 1, 2]])
    np.testing.assert_allclose(noise.lines[0].get_data(), [[-1, 0, 1], [-60] * 3])
    predicted = np.full(3, 0.1 + 0j)
    amplitude, phase = prediction_figure(frequency_hz, 10j * predicted, predicted, -30.0).axes
    np.testing.assert_allclose(line(amplitude, "measured"), [[-1, 0, 1], [0] * 3], atol=1e-9)
    np.testing.assert_allclose(line(amplitude, "predicted")[1], -20)
    np.testing.assert_allclose(line(phase, "measured")[1] - line(phase, "predicted")[1], 90)


def test_bars_of_arms_are_their_rates_with_intervals_true_ones_and_the_bound() -> None:
    names = ["all_zero", "chosen"]
    (axes,) = rates_figure(
        names, [10.0, 30.0], [(9.0, 12.0), (28.0, 31.0)], {"all_zero": 11.0, "chosen": 29.0}, 33
    ).axes
    bars = next(each for each in axes.containers if hasattr(each, "patches"))
    assert [bar.get_height() for bar in bars.patches] == [10, 30]
    np.testing.assert_allclose(spans(bars.errorbar, 1), [[9, 12], [28, 31]])
    np.testing.assert_array_equal(line(axes, "true"), [[0, 1], [11, 29]])
    assert line(axes, "certified bound on the estimate")[1][0] == 33


def test_a_search_shows_the_highest_by_then() -> None:
    trace = np.array([[5.0, 1.0], [6.0, 3.0], [7.0, 2.0], [8.0, 4.0]])
    (axes,) = search_figure(trace, "power [dB]").axes
    np.testing.assert_array_equal(line(axes, "soundings"), [[0, 1, 2, 3], [1, 3, 2, 4]])
    np.testing.assert_array_equal(line(axes, "highest by then")[1], [1, 3, 3, 4])
