"""The driver against scripted bytes: exact commands, exact times."""

from collections.abc import Iterable

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.errors import (
    BoardReset,
    FramingError,
    InstrumentError,
    LinkTimeout,
    NotConnected,
    ReadbackMismatch,
)
from hil.firmware.profile import load_profile
from hil.interfaces import Surface

ASCII, REFERENCE = load_profile("opensource-ris-16x16"), load_profile("reference-64x64")
LATENCY_S = 1e-3
BANNER = b"\nOpen Source RIS\nFirmware version: 1.1\nSerial no.:   0\nRow count: 16\nColumn count: 16\n\n#READY!\n"
FIRST = b"!0x8" + b"0" * 63 + b"\n"
LAST = b"!0x" + b"0" * 63 + b"1\n"


# -------------------------------------------------------------------------------------------------------------- opening


def test_nothing_is_sent_or_opened_before_open(script, good_line_board):
    link = script(good_line_board())
    board = SurfaceBoard(link, ASCII, link.clock)
    assert isinstance(board, Surface)
    assert (link.times_opened, link.sent) == (0, [])


def test_opening_starts_with_a_bare_line_feed_and_asks_who_is_there(script, good_line_board):
    link = script(good_line_board())
    board = SurfaceBoard(link, ASCII, link.clock)
    board.open()
    assert link.sent == [b"\n", b"?SerialNo\n"]
    assert board.identity == "opensource-ris-16x16 (serial 0) on scripted"


def test_the_supply_is_asked_for_where_the_board_measures_it(script, good_line_board, good_cobs_board):
    firmware = good_line_board()
    link = script(lambda data: [(0.0, b"#09.10 V\n")] if data == b"?Vext\n" else firmware(data))
    board = SurfaceBoard(link, ASCII, link.clock)
    board.open()
    assert board.read_supply_v() == 9.1
    other = script(good_cobs_board())
    assert SurfaceBoard(other, REFERENCE, other.clock).read_supply_v() is None and other.sent == []


def test_a_board_that_is_just_starting_is_waited_for(script, good_line_board):
    link = script(lambda data: ())
    firmware = good_line_board()

    def answer_when_ready(data: bytes) -> Iterable[tuple[float, bytes]]:
        return firmware(data) if link.clock.now_s() > 3.0 else ()

    link.answer = answer_when_ready
    board = SurfaceBoard(link, ASCII, link.clock)
    original = link.open
    link.open = lambda: (original(), link.push(BANNER, 3.001))[0]  # type: ignore[method-assign]
    board.open()
    assert "serial 0" in board.identity


def test_a_silent_board_ends_as_not_connected_with_the_fix_within_its_boot_time(script):
    link = script(lambda data: ())
    board = SurfaceBoard(link, ASCII, link.clock)
    with pytest.raises(NotConnected, match=r"(?s)does not answer as TH Koeln.*\?SerialNo.*nothing.*surface.port"):
        board.open()
    assert link.clock.now_s() < 10.0
    assert link.closed


def test_another_board_than_the_profile_says_is_not_connected(script, good_cobs_board):
    firmware = good_cobs_board()
    firmware.on_command = lambda name, sequence: firmware.frame(0x82, sequence, b"\0\x20\0\x20\0\0\x10x")
    link = script(firmware)
    with pytest.raises(NotConnected, match="profile reference-64x64 has 64 x 64"):
        SurfaceBoard(link, REFERENCE, link.clock).open()
    assert link.closed


def test_a_server_s_greeting_is_drained_and_its_absence_told(script):
    profile = load_profile("uofg-3bit-192")
    link = script(lambda data: [(1e-3, b"a")])
    original = link.open
    link.open = lambda: (original(), link.push(b"a"), link.push(b"a", 0.1))[0]  # type: ignore[method-assign]
    board = SurfaceBoard(link, profile, link.clock)
    board.open()
    board.apply(np.zeros(192, np.uint8))
    assert link.sent == [b"0" * 576]
    link.open = original  # type: ignore[method-assign]
    with pytest.raises(NotConnected, match="no greeting"):
        SurfaceBoard(link, profile, link.clock).open()


def test_an_arduino_is_given_its_time_after_opening(script):
    link = script(lambda data: [(1e-3, b"\x06")])
    board = SurfaceBoard(link, load_profile("metasurface-control-96"), link.clock)
    board.open()
    assert link.clock.now_s() >= 2.0


def test_a_banner_that_comes_as_the_link_opens_is_no_trouble(script, good_line_board):
    link = script(good_line_board())
    opens = link.open
    link.open = lambda: (opens(), link.push(BANNER, 1e-3))
    board = SurfaceBoard(link, ASCII, link.clock)
    board.open()
    assert link.sent == [b"\n", b"?SerialNo\n"]


def test_half_an_answer_of_before_is_forgotten_as_the_link_opens_again(open_line_board):
    board, link, firmware = open_line_board()
    link.push(b"#O")
    board.check()
    board.open()
    assert firmware.lines.count(b"?SerialNo") == 1


# ------------------------------------------------------------------------------------------------------------- patterns


def test_a_pattern_goes_out_byte_for_byte_and_has_settled_when_apply_returns(open_line_board, ones):
    board, link, _ = open_line_board()
    started_s = link.clock.now_s()
    board.apply(ones(0))
    assert link.sent == [FIRST]
    done_s = len(FIRST) * 10 / 115200 + ASCII.timing.update_s.value
    assert done_s > 1e-3  # the script answers sooner: such an answer proves nothing
    assert link.clock.now_s() == pytest.approx(started_s + done_s + ASCII.timing.settle_s.value)


def test_where_the_ack_comes_before_the_update_the_update_is_waited_for_too(script):
    profile = load_profile("metasurface-control-96")
    link = script(lambda data: [(1e-3, b"\x06")])
    board = SurfaceBoard(link, profile, link.clock)
    board.open()
    started_s = link.clock.now_s()
    board.apply(np.zeros(96, np.uint8))
    wait_s = profile.timing.update_s.value + profile.timing.settle_s.value
    assert link.clock.now_s() == pytest.approx(started_s + 1e-3 + wait_s)


def test_no_carriage_return_ever_ends_a_command(open_line_board, ones):
    board, link, _ = open_line_board(verify_readback=True)
    board.apply(ones(0))
    board.stage(ones(1))
    board.commit()
    assert b"\r" not in link.text


def test_a_wrong_pattern_is_refused_before_the_wire(open_line_board):
    board, link, _ = open_line_board()
    with pytest.raises(ValueError, match=r"states 0\.\.1, got 2"):
        board.apply(np.full(256, 2, np.uint8))
    with pytest.raises(ValueError, match="256 states"):
        board.stage(np.zeros(255, np.uint8))
    assert link.sent == []


def test_a_commanded_pattern_is_kept_even_where_the_caller_changes_the_array(open_line_board, ones):
    board, link, _ = open_line_board()
    pattern = ones(0)
    board.stage(pattern)
    pattern[:] = 1
    board.verify_readback = True
    board.commit()
    assert link.sent == [FIRST[:-1], b"\n", b"?Pattern\n"]


def test_a_settle_time_that_was_told_is_the_one_waited_for(open_line_board, ones):
    board, link, _ = open_line_board()
    board.set_settle_s(0.5)
    board.apply(ones(0))
    done_s = len(FIRST) * 10 / 115200 + ASCII.timing.update_s.value
    assert link.clock.now_s() == pytest.approx(done_s + 0.5, abs=0.01)


def test_a_shown_pattern_is_kept_even_where_the_caller_changes_the_array(open_line_board, ones):
    board, link, firmware = open_line_board(verify_readback=True)
    pattern = ones(0)
    board.apply(pattern)
    pattern[:] = 1
    asked = len(link.sent)
    board.check()
    assert link.sent[asked:][-1] == b"?Pattern\n"
    firmware.pattern = b"f" * 64
    with pytest.raises(ReadbackMismatch):
        board.check()


# -------------------------------------------------------------------------------------------------------- stage, commit


def test_all_but_the_terminator_travels_ahead(open_line_board, ones):
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    assert link.sent == [FIRST[:-1]]
    assert firmware.pattern == b"0" * 64
    board.commit()
    assert link.sent == [FIRST[:-1], b"\n"]
    assert firmware.pattern == FIRST[3:-1]


def test_another_command_takes_a_staged_pattern_back_without_showing_it(open_line_board, ones):
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    assert np.array_equal(board.read_pattern(), ones())
    assert firmware.pattern == b"0" * 64
    assert link.sent[1] == b"\r"
    with pytest.raises(ValueError, match="no pattern is staged"):
        board.commit()


def test_a_line_that_no_board_would_forget_does_not_travel_ahead(open_line_board, ones):
    """A resynchronisation would complete it."""
    framing = ASCII.framing.model_copy(update={"cancel": ""})
    board, link, firmware = open_line_board(ASCII.model_copy(update={"framing": framing}))
    assert "pipelined" not in board.modes
    board.stage(ones(0))
    board.read_pattern()
    assert firmware.pattern == b"0" * 64
    assert link.sent == [b"?Pattern\n"]


def test_staging_twice_shows_the_second_pattern_only(open_line_board, ones):
    board, _, firmware = open_line_board()
    board.stage(ones(0))
    board.stage(ones(255))
    board.commit()
    assert [line for line in firmware.lines if line] == [LAST[:-1]]


def test_a_staged_pattern_on_a_board_with_slots_waits_in_the_spare_one(open_reference, ones):
    board, _, firmware = open_reference()
    board.stage(ones(0, size=4096))
    assert firmware.heard == [("load_slot", 2)]
    assert firmware.pattern == bytes(512)
    board.commit()
    assert [name for name, _ in firmware.heard] == ["load_slot", "select_slot"]
    assert firmware.pattern[:2] == b"\x80\0"
    assert list(firmware.slots) == [4095]


def test_a_board_that_cannot_stage_gets_the_whole_pattern_at_commit(script):
    link = script(lambda data: [(1e-3, b"a")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    board.stage(np.zeros(256, np.uint8))
    assert link.sent == []
    board.commit()
    assert len(link.text) == 1025


def test_a_stale_ack_does_not_pass_for_the_staged_pattern_s(open_line_board, ones):
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    link.push(b"#OK\n")
    firmware.on_line = lambda line: []
    with pytest.raises(LinkTimeout):
        board.commit()


def test_a_link_that_fails_while_staging_shows_nothing_before_commit(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.answer = lambda data: (_ for _ in ()).throw(LinkTimeout("held off"))
    board.stage(ones(0))
    link.answer = firmware
    board.commit()
    assert link.sent == [FIRST[:-1], b"\n", FIRST], "the whole command is for later"


def test_a_staged_pattern_is_shown_once_or_never(open_line_board, open_reference, ones):
    board, _, _ = open_line_board()
    board.stage(ones(0))
    board.commit()
    with pytest.raises(ValueError, match="no pattern is staged"):
        board.commit()
    big, stored = open_reference()[0], np.eye(2, 4096, dtype=np.uint8)
    big.load_codebook(stored)
    for other in (lambda: big.apply(stored[0]), lambda: big.select(0), lambda: big.load_codebook(stored)):
        big.stage(ones(5, size=4096))
        other()
        with pytest.raises(ValueError, match="no pattern is staged"):
            big.commit()


def test_a_staged_line_is_taken_back_before_the_link_closes(open_line_board, ones):
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    board.close()
    board.open()  # begins with the very byte that would complete the line
    assert link.closed
    assert firmware.pattern == b"0" * 64


# --------------------------------------------------------------------------------------------------------------- timing


def test_timing_follows_from_bytes_and_baud(open_line_board, open_reference):
    timing = open_line_board()[0].timing
    assert timing.frame_s == pytest.approx(680 / 115200)
    assert timing.overlap_s == pytest.approx(670 / 115200)
    assert timing.reply_s == pytest.approx(10 / 115200 + LATENCY_S)  # the adapter's timer starts with the first byte
    assert (timing.update_s, timing.settle_s) == (1e-4, 1e-3)
    board = open_reference()[0]
    assert board.timing_of("codebook").frame_s == pytest.approx(90 / 3e6)
    assert board.timing_of("stepped").frame_s == pytest.approx(5210 / 3e6)
    assert board.timing.sequence_dwell_s == 1e-4


def test_every_error_of_the_driver_is_an_instrument_s():
    assert all(issubclass(kind, InstrumentError) for kind in (LinkTimeout, FramingError, BoardReset, ReadbackMismatch))
