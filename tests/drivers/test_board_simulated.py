"""The driver against the simulated boards, which share no codec with it: each profile and mode, at the wire's speed."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.firmware.profile import FirmwareProfile, list_profiles, load_profile
from hil.firmware.protocol import SerialConfig
from hil.interfaces import Surface
from hil.sim.board import build_board
from hil.sim.clock import VirtualClock
from hil.sim.serial_link import SimulatedLink

NEW_BOARD = Path(__file__).resolve().parents[1] / "golden" / "boards" / "new-board-profile.yaml"
BOARDS = [*list_profiles(), NEW_BOARD]
LATENCY_S = 1e-3
FRAME_S = 521 * 10 / 3e6


class Elements:
    """What the elements do, and since when."""

    def __init__(self) -> None:
        self.changed_s = 0.0
        self.states = np.zeros(0, np.uint8)
        self.num_changes = 0

    def set_pattern(self, states: np.ndarray, time_s: float) -> None:
        self.states, self.changed_s = np.array(states), time_s
        self.num_changes += 1


def open_board(profile: FirmwareProfile, latency_s: float = LATENCY_S) -> tuple[SurfaceBoard, Elements, VirtualClock]:
    clock, elements = VirtualClock(), Elements()
    baud = profile.link.baud if isinstance(profile.link, SerialConfig) else math.inf
    link = SimulatedLink(build_board(profile, elements), clock, baud, latency_s)
    board = SurfaceBoard(link, profile, clock, latency_s=latency_s)
    board.open()
    return board, elements, clock


def random_patterns(board: Surface, count: int) -> np.ndarray:
    rng = np.random.default_rng(11)
    return rng.integers(board.states.num_states, size=(count, board.geometry.num_elements), dtype=np.uint8)


@pytest.mark.parametrize("name", BOARDS, ids=lambda name: Path(name).stem)
def test_what_is_applied_is_what_the_elements_show_settled(name: str | Path) -> None:
    profile = load_profile(name)
    board, elements, clock = open_board(profile)
    for pattern in random_patterns(board, 4):
        board.apply(pattern)
        assert np.array_equal(elements.states, pattern)
        assert clock.now_s() >= elements.changed_s + profile.timing.settle_s.value - 1e-9
        held = board.read_pattern()
        assert held is None or np.array_equal(held, pattern)
        board.check()


@pytest.mark.parametrize("name", BOARDS, ids=lambda name: Path(name).stem)
def test_what_is_staged_changes_nothing_before_commit(name: str | Path) -> None:
    board, elements, clock = open_board(load_profile(name))
    first, second = random_patterns(board, 2)
    board.apply(first)
    board.stage(second)
    clock.sleep(0.05)
    assert np.array_equal(elements.states, first)
    board.check()
    board.commit()
    assert np.array_equal(elements.states, second)
    board.close()


def test_a_staged_pattern_that_is_given_up_never_shows() -> None:
    board, elements, clock = open_board(load_profile("opensource-ris-16x16"))
    first, second, third = random_patterns(board, 3)
    board.apply(first)
    board.stage(second)
    board.stage(third)
    clock.sleep(0.05)
    assert np.array_equal(elements.states, first)
    board.read_pattern()
    assert np.array_equal(elements.states, first)
    board.stage(second)
    board.close()
    clock.sleep(0.05)
    assert np.array_equal(elements.states, first)


@pytest.mark.parametrize("turnaround_s", [1e-3, 16e-3])
def test_pipelined_steps_of_the_open_source_ris_keep_to_their_floor(turnaround_s: float) -> None:
    """Floor = max(what may travel during the capture, settling and capture) + what may not."""
    board, elements, clock = open_board(load_profile("opensource-ris-16x16"))
    timing, symbols_s = board.timing, 64e-6
    patterns = random_patterns(board, 34)
    board.apply(patterns[0], patterns[1])
    started_s = clock.now_s()
    for pattern, ahead in pairwise(patterns[1:]):
        clock.sleep(turnaround_s + symbols_s)
        board.check()
        board.commit(ahead)
        assert np.array_equal(elements.states, pattern)
        assert clock.now_s() >= elements.changed_s + timing.settle_s
    floor_s = max(timing.overlap_s, timing.settle_s + symbols_s + turnaround_s)
    floor_s += timing.frame_s - timing.overlap_s + timing.update_s + timing.reply_s
    assert (clock.now_s() - started_s) / 32 <= 1.01 * floor_s


def test_a_codebook_is_stored_at_the_speed_of_the_wire_and_held() -> None:
    board, elements, clock = open_board(load_profile("reference-64x64"))
    codebook = random_patterns(board, 100)
    started_s = clock.now_s()
    board.load_codebook(codebook)
    assert clock.now_s() - started_s <= 1.05 * 100 * FRAME_S
    started_s = clock.now_s()
    board.load_codebook(codebook)
    assert clock.now_s() - started_s < 5e-3
    for index in (99, 0, 77):
        started_s = clock.now_s()
        board.select(index)
        assert np.array_equal(elements.states, codebook[index])
        assert clock.now_s() - started_s < 1.3e-3


def test_a_sequence_by_timer_shows_each_pattern_for_its_dwell() -> None:
    board, elements, clock = open_board(load_profile("reference-64x64"))
    codebook = random_patterns(board, 8)
    board.load_codebook(codebook)
    before = elements.num_changes
    board.arm_sequence(0, 8, 1e-4, "timer")
    clock.sleep(8e-4 + 2e-3)
    assert elements.num_changes == before + 8
    assert np.array_equal(elements.states, codebook[7])
    status = board.sequence_status()
    assert (status["applied"], status["overruns"]) == (8, 0)


def test_steps_by_software_go_through_the_codebook_in_order() -> None:
    board, elements, _ = open_board(load_profile("reference-64x64"))
    codebook = random_patterns(board, 3)
    board.load_codebook(codebook)
    board.arm_sequence(0, 3, 1e-4, "software")
    for pattern in codebook:
        board.step()
        assert np.array_equal(elements.states, pattern)


def test_rows_made_on_the_board_are_those_of_the_hadamard_matrix_times_the_mask() -> None:
    board, elements, _ = open_board(load_profile("reference-64x64"))
    mask = random_patterns(board, 1)[0]
    board.arm_hadamard(5, 2, 1e-4, "software", complement=True, mask=mask)
    element = np.arange(4096)
    for row, flip in ((5, 0), (5, 1), (6, 0), (6, 1)):
        board.step()
        parity = np.array([(row & j).bit_count() & 1 for j in element.tolist()])
        assert np.array_equal(elements.states, (parity ^ mask ^ flip).astype(np.uint8))


def test_a_batch_is_played_in_order() -> None:
    board, elements, clock = open_board(load_profile("metasurface-control-96"))
    patterns = random_patterns(board, 5)
    board.play(patterns)
    clock.sleep(0.1)
    assert np.array_equal(elements.states, patterns[-1])
    with pytest.raises(ValueError, match="up to 128"):
        board.play(np.zeros((129, 96), np.uint8))
