"""A burst is read where its patterns are: however late its capture began, whatever the other radio's crystal does."""

import numpy as np
import pytest

from hil.config import OfdmConfig
from hil.interfaces import Capture
from hil.measure.burst import BurstPlan, split_burst
from hil.phy.ofdm import OfdmGrid

GRID = OfdmGrid.from_config(OfdmConfig(num_subcarriers=48, num_taps=4, bandwidth_hz=3e6, fft_size=64))
ASKED_S, COUNT = 5.0, 32
STILL_S, PITCH_S, CHANGE_S, HEAD_S = 132e-6, 400e-6, 40e-6, 2.2e-3
TURN = 0.15  # radians, from each pattern to the next


def values(turn: float) -> np.ndarray:
    """Before the burst, and of each pattern: a surface that turns, and does something else besides."""
    own = 1 + 0.4 * np.exp(2j * np.pi * np.random.default_rng(3).random(COUNT))
    return np.append(-1.5, own * np.exp(1j * turn * np.arange(COUNT)))


def plan(apart_lo_hz: float | None) -> BurstPlan:
    return BurstPlan(STILL_S, PITCH_S, 60e-6, 2.1e-3, HEAD_S, COUNT, 6, 4, apart_lo_hz)


def captured(late_s: float, cfo_hz: float = 0.0, *, turn: float = TURN) -> tuple[Capture, np.ndarray]:
    """The capture, and when each pattern stood still: its change began `CHANGE_S` before, and took as long."""
    shown, rng, rate_hz = values(turn), np.random.default_rng(0), GRID.sample_rate_hz
    settled_s = ASKED_S + HEAD_S + PITCH_S * np.arange(COUNT)
    time_s = ASKED_S + late_s + np.arange(int((HEAD_S + COUNT * PITCH_S + 1e-3) * rate_hz)) / rate_hz
    number = np.clip(np.floor((time_s - settled_s[0] + CHANGE_S) / PITCH_S), -1, COUNT - 1).astype(int)
    share = np.clip((time_s - settled_s[number] + CHANGE_S) / CHANGE_S, 0, 1)
    value = np.where(number >= 0, share * shown[number + 1] + (1 - share) * shown[number], shown[0])
    pilot = GRID.transmit_frame(0.0)[np.arange(time_s.size) % GRID.fft_size]
    hiss = 1e-2 * (rng.standard_normal((time_s.size, 2)) @ [1, 1j])
    turned = np.exp(2j * np.pi * cfo_hz * (time_s - ASKED_S))
    return Capture((pilot * value * turned + hiss).astype(np.complex64), ASKED_S, False), settled_s


@pytest.mark.parametrize("late_s", [0.0, 0.35e-3, 1.3e-3, 1.9e-3])
def test_a_burst_is_read_where_its_patterns_are_however_late_its_capture_began(late_s: float) -> None:
    capture, settled_s = captured(late_s)
    block, good = split_burst(capture, settled_s, GRID, plan(None))
    assert good.all()
    own = block.response.sum(axis=1) / values(TURN)[1:]
    assert np.abs(own / own[0] - 1).max() < 0.05
    told_late_s = settled_s - block.time_s
    assert np.ptp(told_late_s) < 1e-6
    assert late_s - (PITCH_S - STILL_S - CHANGE_S) < told_late_s[0] < late_s + GRID.symbol_s


@pytest.mark.parametrize("cfo_hz", [0.0, 3.1e3, -70e3])
def test_what_patterns_do_to_the_phase_is_not_taken_for_the_other_radios_offset(cfo_hz: float) -> None:
    """Phases are compared within dwells: from one pattern to the next they turn as an offset of some Hz would."""
    capture, settled_s = captured(0.7e-3, cfo_hz, turn=0.03)
    block, good = split_burst(capture, settled_s, GRID, plan(1e15))  # so high a carrier that the clocks agree
    assert good.all()
    apart = np.unwrap(np.angle(block.response.sum(axis=1) / values(0.03)[1:]))
    assert abs(np.polyfit(np.arange(COUNT), apart, 1)[0]) < 3e-3
