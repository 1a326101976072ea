"""Elements that do not follow, and their order, on estimates whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from hil.config import HiddenSurfaceConfig
from hil.estimation.element_order import ORIENTATIONS, find_order
from hil.estimation.elements import dead_columns, look_at_elements
from hil.estimation.least_squares import CascadedEstimate
from hil.sim.hidden import wiring

ROWS, COLS, TAPS, TONES = 12, 16, 6, 96
N = ROWS * COLS
TILT = np.array([0.1, 0.1])


def field(rng, waves=6, spread=0.35):
    """complex[row, col]: a straight wave with a curvature, and weaker ones besides; and the straight one alone."""
    row, col = np.mgrid[:ROWS, :COLS]
    curved = np.exp(1j * (0.012 * (col - 5) ** 2 + 0.009 * (row - 7) ** 2 + 0.5 * col - 0.4 * row))
    total = curved.copy()
    for _ in range(waves):
        k, m = rng.uniform(-2.5, 2.5, 2)
        total += spread / np.sqrt(waves / 2) * np.exp(1j * (k * row + m * col + rng.uniform(0, 7)))
    return total, curved


def estimate(rng, surface, noise=1e-3):
    shape = np.array([1.0, 0.5j, 0.2, 0, 0, 0])
    cascade = np.outer(surface.ravel(), shape)
    cascade = cascade + np.sqrt(noise / 2) * (rng.normal(size=cascade.shape) + 1j * rng.normal(size=cascade.shape))
    basis = np.linalg.qr(rng.normal(size=(TONES, TAPS)) + 1j * rng.normal(size=(TONES, TAPS)))[0]
    return CascadedEstimate(
        direct=np.array([10.0, 3j, 1, 0.5, 0, 0]),
        cascade=cascade,
        basis=basis,
        direct_var=np.full(TAPS, noise / N),
        cascade_var=np.full((N, TAPS), noise),
    )


def test_dead_elements_are_found_and_hardly_a_living_one_is_called_dead():
    alarms = missed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        surface = field(rng)[0]
        dead = rng.choice(N, 7, replace=False)
        surface.ravel()[dead] = 0
        seen = look_at_elements(estimate(rng, surface), ROWS, COLS)
        assert seen.told
        assert (seen.dead | seen.faded)[dead].all()
        missed += int((~seen.dead)[dead].sum())
        alarms += len(set(np.flatnonzero(seen.dead)) - set(dead))
    assert alarms == 0
    assert missed <= 8  # of 140: where the waves cancel


def test_a_whole_element_where_the_waves_cancel_is_not_called_dead_but_untold():
    rng = np.random.default_rng(1)
    row, col = np.mgrid[:ROWS, :COLS]
    standing = np.exp(0.5j * (col - 8) + 0.2j * row) - np.exp(-0.5j * (col - 8) + 0.2j * row)  # cancels in column 8
    seen = look_at_elements(estimate(rng, standing), ROWS, COLS)
    assert seen.told
    assert not seen.dead.any()
    assert set(range(8, N, COLS)) <= set(np.flatnonzero(seen.faded))


def test_drift_along_the_direct_channel_hides_no_dead_element():
    rng = np.random.default_rng(2)
    surface = field(rng)[0]
    surface[:, 3] = 0
    found = estimate(rng, surface)
    drift = np.zeros(TAPS)
    drift[0] = 3.0  # a hundred times what the noise is there
    cascade = found.cascade + np.sqrt(drift / 2) * (rng.normal(size=(N, TAPS)) + 1j * rng.normal(size=(N, TAPS)))
    seen = look_at_elements(replace(found, cascade=cascade, cascade_var=found.cascade_var + drift), ROWS, COLS)
    assert seen.told
    np.testing.assert_array_equal(np.flatnonzero(seen.dead), np.arange(3, N, COLS))


def test_motion_that_reached_the_sweep_makes_no_element_dead():
    rng = np.random.default_rng(3)
    for seed in range(5):
        found = estimate(np.random.default_rng(seed), field(rng)[0])
        echo = np.outer(rng.normal(size=N) + 1j * rng.normal(size=N), [0.1, 0.05, 0.05j, 0, 0, 0])
        energy = np.sum(np.abs(echo) ** 2) / np.sum(np.abs(found.cascade) ** 2)
        moved = replace(found, cascade=found.cascade + echo, motion_db=float(10 * np.log10(energy)))
        assert not look_at_elements(moved, ROWS, COLS).dead.any()


def test_nothing_is_said_of_elements_that_noise_hides():
    rng = np.random.default_rng(0)
    surface = field(rng)[0]
    surface[:, 3] = 0
    seen = look_at_elements(estimate(rng, surface, noise=0.3), ROWS, COLS)
    assert not seen.told
    assert not seen.dead.any()


def test_a_column_is_meant_where_hardly_any_of_it_follows():
    dead = np.zeros((ROWS, COLS), dtype=bool)
    dead[:, 4] = True
    dead[:6, 9] = True
    dead[1:, 15] = True
    assert dead_columns(dead.ravel(), ROWS, COLS).tolist() == [4, 15]


@pytest.mark.parametrize(
    ("hidden", "orientation", "words"),
    [
        ({}, "as declared", "as declared"),
        ({"mirrored": "left_right"}, "mirrored left to right", "mirrored left to right"),
        ({"mirrored": "up_down"}, "upside down", "upside down"),
        ({"mirrored": "both"}, "turned by half", "turned by half"),
        ({"swapped_columns": ((2, 11),)}, "as declared", "columns 2 and 11 are exchanged"),
        ({"swapped_rows": ((1, 6),)}, "as declared", "rows 1 and 6 are exchanged"),
        ({"mirrored": "left_right", "swapped_columns": ((2, 11),)}, "mirrored left to right", "columns 4 and 13"),
    ],
)
def test_what_moves_in_the_place_of_each_element_is_found_and_told_in_words(hidden, orientation, words):
    total, straight = field(np.random.default_rng(3))
    true = wiring(ROWS, COLS, HiddenSurfaceConfig(**hidden))
    order = find_order(total.ravel()[true].reshape(ROWS, COLS), straight, largest_tilt=TILT)
    np.testing.assert_array_equal(order.moves, true)
    assert order.orientation == orientation
    assert words in order.words
    assert order.as_declared == (not hidden)


def test_whole_surfaces_are_not_said_to_be_miswired():
    orders = [find_order(*field(np.random.default_rng(seed)), largest_tilt=TILT) for seed in range(12)]
    assert all(order.as_declared for order in orders)


def test_dead_lines_are_not_taken_for_exchanged_ones():
    for seed in range(2):
        total, straight = field(np.random.default_rng(seed))
        dead = np.zeros(total.shape, dtype=bool)
        dead[:, [3, 9] if seed else [1, 11]] = True
        order = find_order(np.where(dead, 0, total), straight, largest_tilt=TILT, dead=dead)
        assert order.as_declared


def test_two_exchanges_are_both_found():
    total, straight = field(np.random.default_rng(9))
    true = wiring(ROWS, COLS, HiddenSurfaceConfig(swapped_columns=((1, 6), (4, 13))))
    order = find_order(total.ravel()[true].reshape(ROWS, COLS), straight, largest_tilt=TILT)
    np.testing.assert_array_equal(order.moves, true)


def test_exchanged_lines_that_the_spectrum_hardly_shows_are_found_by_what_lines_around_them_foretell():
    total, straight = field(np.random.default_rng(2), waves=8, spread=1.0)
    true = wiring(ROWS, COLS, HiddenSurfaceConfig(swapped_columns=((5, 14),)))
    order = find_order(total.ravel()[true].reshape(ROWS, COLS), straight, largest_tilt=TILT)
    assert order.exchanged == (("columns", 5, 14),)


def test_an_antenna_a_little_off_its_place_turns_nothing():
    total, straight = field(np.random.default_rng(4))
    row, col = np.mgrid[:ROWS, :COLS]
    assert find_order(total * np.exp(1j * (0.08 * row - 0.06 * col)), straight, largest_tilt=TILT).as_declared


def test_what_the_positions_do_not_explain_is_said_to_be_unknown():
    total, _ = field(np.random.default_rng(5))
    rng = np.random.default_rng(6)
    order = find_order(total, np.exp(2j * np.pi * rng.random((ROWS, COLS))), largest_tilt=TILT)
    assert order.as_declared
    assert "cannot be told" in order.words


def test_a_symmetric_channel_is_told_to_be_so():
    row, col = np.mgrid[:ROWS, :COLS]
    straight = np.exp(1j * (0.02 * (row - (ROWS - 1) / 2) ** 2 + 0.4 * col))
    order = find_order(straight, straight, largest_tilt=TILT)
    assert order.untold == ("upside down",)
    assert set(ORIENTATIONS) > set(order.untold)
