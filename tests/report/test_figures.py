"""What figures show, where a figure could mislead."""

import numpy as np
import pytest

from hil.report.figures import COLOURS, pattern_figure, phase_deg, response_figure
from hil.report.paper_figures import Curve, Panel, curves_figure
from hil.report.style import CYCLE, sheet


@pytest.mark.parametrize("delay", [0.0, 3.7, 150.2, -90.4])
def test_a_delay_leaves_no_jump_where_the_carrier_is_missing(delay: float) -> None:
    place = np.delete(np.arange(256), 128)
    frequency_hz = (place - 128) * 78125.0
    curve = np.radians(5 * np.sin(place / 60))
    response = np.exp(1j * (curve - 2 * np.pi * delay * place / 256))
    shown = phase_deg(response, response, frequency_hz)
    assert np.abs(np.diff(shown)).max() < 0.5
    assert np.abs(shown).max() < 10


def test_the_states_of_a_pattern_have_one_scale_in_all_panels() -> None:
    patterns = {"all_zero": np.zeros(16, dtype=np.uint8), "chosen": np.arange(16, dtype=np.uint8) % 4}
    figure = pattern_figure(patterns, 4, 4)
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(-0.5, 3.5)] * 2  # a shade each


def test_curves_take_colours_in_turn_that_the_colour_blind_can_tell_apart() -> None:
    _, axes = sheet(4, 3, 1, 2)
    drawn = [line.get_color() for line in (axes[1].plot([0, 1])[0] for _ in CYCLE)]
    assert drawn == list(CYCLE)


def test_points_and_line_of_an_arm_have_one_colour_of_its_own() -> None:
    snr = {arm: np.full(4, 10.0 + place) for place, arm in enumerate(COLOURS)}
    axes = response_figure(np.arange(4.0), snr, snr).axes[0]
    points, lines = axes.lines[: len(snr)], axes.lines[len(snr) :]
    assert [each.get_color() for each in points] == [each.get_color() for each in lines]
    assert len({each.get_color() for each in lines}) == len(snr)


def test_the_legend_names_the_curves_of_all_panels_once() -> None:
    first, second = Curve("warm", [0, 1], [1, 2], "warm"), Curve("cold", [0, 1], [3, 2], "cold")
    figure = curves_figure([Panel("loop", [first]), Panel("alone", [first, second])], xlabel="x")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["warm", "cold"]
