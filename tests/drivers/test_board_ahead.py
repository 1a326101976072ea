"""A slot is selected right behind its content: soon where all is well, and never with another content where not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.drivers.board import SurfaceBoard
from hil.errors import BoardReset, InstrumentError
from hil.firmware.profile import load_profile
from hil.sim.board import build_board
from hil.sim.clock import VirtualClock
from hil.sim.faults import Fault, Faults
from hil.sim.serial_link import SimulatedLink

PROFILE = load_profile("reference-64x64")
LATENCY_S = 1e-3


class Elements:
    """What the elements do."""

    def __init__(self) -> None:
        self.states = np.zeros(0, np.uint8)

    def set_pattern(self, states: np.ndarray, time_s: float) -> None:
        self.states = np.array(states)


def opened(faults: Faults | None = None) -> tuple[SurfaceBoard, Elements, VirtualClock]:
    clock, elements = VirtualClock(), Elements()
    link = SimulatedLink(build_board(PROFILE, elements), clock, 3e6, LATENCY_S, faults=faults)
    board = SurfaceBoard(link, PROFILE, clock, latency_s=LATENCY_S)
    board.open()
    return board, elements, clock


def patterns(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(2, size=(count, 4096), dtype=np.uint8)


def test_the_reply_to_the_content_is_not_waited_for_before_the_selection() -> None:
    board, elements, clock = opened()
    shown = patterns(12)
    board.apply(shown[0], shown[1])
    started_s = clock.now_s()
    for index in range(1, 11):
        clock.sleep(1.8e-3)
        board.commit(shown[index + 1])
        assert np.array_equal(elements.states, shown[index])
    timing = board.timing_of("pipelined")
    each_s = (clock.now_s() - started_s) / 10
    assert each_s < 1.03 * (timing.overlap_s + timing.reply_s)
    assert each_s < 1.8e-3 + 1.1 * LATENCY_S


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.FLIP, Fault.DUPLICATE, Fault.DELAY, Fault.SPLIT])
@pytest.mark.parametrize("where", ["to_board", "to_host"])
def test_what_is_committed_is_shown_whatever_happens_to_the_content(fault: Fault, where: str) -> None:
    faults = Faults(5, delay_s=0.02)
    board, elements, _ = opened(faults)
    shown = patterns(4)
    board.apply(shown[0])
    faults.arm(fault, where)  # type: ignore[arg-type]
    board.stage(shown[1])  # the first content of the spare slot: where it is lost, the slot is empty
    board.commit(shown[2])
    assert faults.counts[fault] == 1
    assert np.array_equal(elements.states, shown[1])
    faults.arm(fault, where)  # type: ignore[arg-type]
    board.commit(shown[3])
    assert np.array_equal(elements.states, shown[2])


@given(st.integers(0, 2**16))
@settings(max_examples=15)
def test_no_commit_that_returns_shows_another_pattern(seed: int) -> None:
    chances = dict.fromkeys((Fault.DROP, Fault.FLIP, Fault.DELAY, Fault.RESET_NOW), 0.05)
    faults = Faults(seed, chances, delay_s=0.02)
    board, elements, clock = opened()
    board._link.line.faults = faults  # type: ignore[attr-defined]
    shown, index, staged = patterns(12), 0, False
    deadline_s = clock.now_s() + 60
    while index < 11 and clock.now_s() < deadline_s:
        try:
            if staged:
                board.commit(shown[index + 1])
            else:
                board.apply(shown[index], shown[index + 1])
        except (BoardReset, InstrumentError):
            staged = False
            continue
        if not faults.counts[Fault.RESET_NOW]:
            assert np.array_equal(elements.states, shown[index])
        staged, index = True, index + 1
    assert index == 11
    assert math.isfinite(clock.now_s())
