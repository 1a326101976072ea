"""An answer to each way in which a board or its link fails, against scripted bytes."""

from collections.abc import Iterable

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.errors import (
    BoardRejected,
    BoardReset,
    LinkError,
    LinkTimeout,
    ReadbackMismatch,
)
from hil.firmware.profile import load_profile
from hil.firmware.wire import Wire

ASCII, REFERENCE = load_profile("opensource-ris-16x16"), load_profile("reference-64x64")
BLIND = ASCII.model_copy(update={"capabilities": ASCII.capabilities.model_copy(update={"readback": "none"})})
BANNER = b"\nOpen Source RIS\nFirmware version: 1.1\nSerial no.:   0\nRow count: 16\nColumn count: 16\n\n#READY!\n"
FIRST = b"!0x8" + b"0" * 63 + b"\n"


# ---------------------------------------------------------------------------------------------- silence and stale bytes


def test_silence_is_answered_by_resynchronising_and_the_same_bytes_three_times(open_line_board, ones):
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: []
    started_s = link.clock.now_s()
    with pytest.raises(LinkTimeout) as caught:
        board.apply(ones(0))
    assert link.sent == [FIRST, b"\n", FIRST, b"\n", FIRST]
    assert link.clock.now_s() - started_s < 1.0
    message = str(caught.value)
    assert "!0x8000" in message
    assert "came back nothing" in message
    assert "opensource-ris-16x16 on scripted" in message


def test_what_came_back_instead_is_told(open_line_board, ones):
    board, _, firmware = open_line_board()
    firmware.on_line = lambda line: [(1e-3, b"#WAT\xff\n")]
    with pytest.raises(LinkTimeout, match=r"came back b'#WAT\\xff"):
        board.apply(ones(0))


def test_the_driver_recovers_by_itself_once_the_board_answers_again(open_line_board, ones):
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: []
    with pytest.raises(LinkTimeout):
        board.apply(ones(0))
    firmware.on_line = lambda line: None
    link.sent.clear()
    board.apply(ones(0))
    assert link.sent[:2] == [b"\n", FIRST], "the next command starts with a resynchronisation"


def test_a_lost_command_is_sent_again_and_then_read_back(open_line_board, ones):
    board, link, firmware = open_line_board()
    lost = iter([[]])
    firmware.on_line = lambda line: next(lost, None)
    board.apply(ones(0))
    assert link.sent == [FIRST, b"\n", FIRST, b"?Pattern\n"]


def test_a_stale_ack_is_drained_before_the_next_command(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.push(b"#OK\n")
    firmware.on_line = lambda line: [] if line.startswith(b"!") else None
    with pytest.raises(LinkTimeout):
        board.apply(ones(0))


def test_acks_that_come_too_late_never_pass_for_the_next_pattern_s(open_line_board, ones):
    board, _, firmware = open_line_board()
    fates = iter([0.28, 0.26, None])  # two acks after their time, then a command that is lost

    def act(line: bytes) -> list[tuple[float, bytes]] | None:
        if not line.startswith(b"!") or (fate := next(fates, "good")) == "good":
            return None
        if fate is None:
            return []
        firmware.pattern = line[3:]
        return [(float(fate), b"#OK\n")]

    firmware.on_line = act
    board.apply(ones(0))
    board.apply(ones(1))
    assert firmware.pattern == b"4" + b"0" * 63


def failing_once(error, then):
    errors = iter([error])

    def answer(data: bytes) -> Iterable[tuple[float, bytes]]:
        for each in errors:
            raise each
        return then(data)

    return answer


def test_a_command_held_off_by_flow_control_is_tried_again(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.answer = failing_once(LinkTimeout("the board holds the line off"), firmware)
    board.apply(ones(0))
    assert firmware.pattern == FIRST[3:-1]


def test_a_link_that_is_gone_is_opened_again(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.answer = failing_once(LinkError("the port is gone"), firmware)
    board.apply(ones(0))
    assert link.times_opened == 2
    assert firmware.pattern == FIRST[3:-1]


def test_a_board_that_counts_bytes_is_reconnected_to_find_the_start_of_a_command(script):
    answers = iter([[], [(1e-3, b"a")]])
    link = script(lambda data: next(answers))
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    board.apply(np.zeros(256, np.uint8))
    assert link.times_opened == 2
    assert [len(data) for data in link.sent] == [1025, 1025]


def test_a_refusal_is_told_as_such_and_not_repeated(script):
    link = script(lambda data: [(1e-3, b"b")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    with pytest.raises(BoardRejected, match="refused set_pattern"):
        board.apply(np.zeros(256, np.uint8))
    assert len(link.sent) == 1


def test_half_an_answer_does_not_spoil_the_next_one(open_line_board, ones):
    board, link, firmware = open_line_board()
    halves = iter([[(1e-3, b"#O")]])
    firmware.on_line = lambda line: next(halves, None)
    board.apply(ones(0))
    assert link.sent == [FIRST, b"\n", FIRST, b"?Pattern\n"]


@pytest.mark.parametrize("after_s", [None, 0.258], ids=["before the command", "while resynchronising"])
def test_an_ack_out_of_its_time_counts_for_nothing_where_no_read_back_would_tell(open_line_board, ones, after_s):
    board, link, firmware = open_line_board(BLIND)
    firmware.on_line = lambda line: []
    link.push(b"#OK\n", after_s or 0.0)
    with pytest.raises(LinkTimeout):
        board.apply(ones(0))


@pytest.mark.parametrize("unasked", [b"#OK\n", 300 * b"x"], ids=["an ack", "noise without an end"])
def test_after_what_nobody_asked_for_one_read_back_is_compared_however_late(open_line_board, ones, unasked):
    board, link, _ = open_line_board()
    link.push(unasked)
    board.check()
    link.clock.sleep(5.0)
    board.apply(ones(0))
    board.apply(ones(0))
    assert link.sent == [FIRST, b"?Pattern\n", FIRST]


def test_a_stray_reply_before_the_right_one_is_followed_by_a_read_back(open_line_board, ones):
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: [(1e-3, b"#WAT\n"), (2e-3, b"#OK\n")] if line == FIRST[:-1] else None
    firmware.pattern = FIRST[3:-1]
    board.apply(ones(0))
    assert link.sent == [FIRST, b"?Pattern\n"]


# -------------------------------------------------------------------------------------------------------------- restart


@pytest.mark.parametrize("before", [b"", b"#O", b"#0X00FF"], ids=["clean", "within an ack", "within a read-back"])
def test_a_banner_anywhere_is_a_restart_told_once_and_the_next_pattern_waits_for_ready(open_line_board, ones, before):
    board, link, firmware = open_line_board()
    head, ready = before + BANNER[:60], BANNER[60:]
    firmware.on_line = lambda line: [(0.01, head), (0.4, ready)]
    with pytest.raises(BoardReset, match=r"Open Source RIS.*all_zero.*void"):
        board.apply(ones(0))
    restarted_s = link.clock.now_s()
    firmware.on_line = lambda line: None
    board.check()
    link.push(b"Row count: 16\n")
    board.check()
    link.sent.clear()
    board.apply(ones(0))
    assert FIRST in link.sent
    assert link.clock.now_s() > restarted_s + 0.38, "the board is deaf until it says #READY!"


def test_check_finds_a_restart_in_what_already_came(open_line_board, ones):
    board, link, _ = open_line_board()
    board.apply(ones(0))
    board.check()
    link.push(BANNER)
    with pytest.raises(BoardReset):
        board.check()
    board.check()


def test_a_restart_takes_a_staged_pattern_with_it(open_line_board, ones):
    board, link, _ = open_line_board()
    board.stage(ones(0))
    link.push(BANNER)
    with pytest.raises(BoardReset):
        board.commit()
    board.apply(ones(0))
    assert FIRST in link.sent


def test_a_banner_whose_ready_line_is_lost_costs_a_bounded_wait(open_line_board, ones):
    board, link, _ = open_line_board()
    link.push(BANNER.replace(b"#READY!", b"#REA?Y!"))
    with pytest.raises(BoardReset):
        board.apply(ones(0))
    started_s = link.clock.now_s()
    board.apply(ones(0))
    assert link.clock.now_s() - started_s < 1.5


def test_a_boot_frame_is_a_restart_and_the_codebook_is_stored_again(open_reference, ones):
    board, link, firmware = open_reference()
    codebook = np.stack([ones(index, size=4096) for index in range(3)])
    board.load_codebook(codebook)
    link.push(firmware.frame(0xF0, 0, b"\1"))
    firmware.slots.clear()
    with pytest.raises(BoardReset):
        board.select(1)
    board.select(1)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[1])


def test_a_reset_by_command_is_no_surprise(open_line_board, ones):
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: [(0.5, BANNER)] if line == b"!Reset" else None
    board.reset()
    board.apply(ones(0))
    assert link.clock.now_s() > 0.5
    assert firmware.pattern == FIRST[3:-1]


def test_a_banner_that_comes_while_resynchronising_is_a_restart(open_line_board, ones):
    board, _, firmware = open_line_board()
    lost = iter([[(0.258, BANNER)]])
    firmware.on_line = lambda line: next(lost, None)
    with pytest.raises(BoardReset):
        board.apply(ones(0))


def test_a_board_that_said_it_is_ready_is_not_waited_for(open_line_board, ones):
    board, link, _ = open_line_board()
    link.push(BANNER[:60])
    with pytest.raises(BoardReset):
        board.check()
    link.push(BANNER[60:])
    board.check()
    started_s = link.clock.now_s()
    board.apply(ones(0))
    assert link.clock.now_s() - started_s < 0.1


def test_a_slow_start_is_waited_for_before_the_first_byte(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.push(BANNER[:60])
    ready_s = link.clock.now_s() + 1.5 * ASCII.boot.typical_s
    link.push(BANNER[60:], 1.5 * ASCII.boot.typical_s)
    with pytest.raises(BoardReset):
        board.check()
    firmware.on_line = lambda line: written_s.append(link.clock.now_s())
    written_s = []
    board.apply(ones(0))
    assert min(written_s) >= ready_s


def test_half_a_ready_line_does_not_spoil_the_first_answer(open_line_board, ones):
    board, link, firmware = open_line_board()
    link.push(BANNER[:-5])
    with pytest.raises(BoardReset):
        board.check()
    board.apply(ones(0))
    assert firmware.lines.count(FIRST[:-1]) == 1


def test_a_restart_to_the_pattern_before_the_last_is_not_taken_for_a_change_under_way(open_line_board, ones):
    board, _, firmware = open_line_board()
    board.apply(ones())
    board.apply(ones(0))
    lost = iter([[]])
    firmware.on_line = lambda line: next(lost, None)
    firmware.pattern = b"0" * 64
    with pytest.raises(BoardReset, match="unheard"):
        board.read_pattern()


def test_after_a_reset_by_command_the_codebook_is_stored_again(open_reference):
    board, _, firmware = open_reference()
    codebook = np.eye(3, 4096, dtype=np.uint8)
    board.load_codebook(codebook)
    firmware.on_command = lambda name, sequence: firmware.frame(0xF0, 0, b"\1") if name == "reset" else None
    board.reset()
    firmware.slots.clear()
    board.select(1)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[1])


# ------------------------------------------------------------------------------------------------------------- readback


def test_readback_is_compared_where_asked_for(open_line_board, ones):
    board, link, _ = open_line_board(verify_readback=True)
    board.apply(ones(0))
    assert link.sent == [FIRST, b"?Pattern\n"]


def test_a_board_that_holds_another_pattern_is_told_after_three_times(open_line_board, ones):
    board, link, firmware = open_line_board(verify_readback=True)
    firmware.on_line = lambda line: [(1e-3, b"#OK\n")] if line.startswith(b"!") else None
    with pytest.raises(ReadbackMismatch, match="another pattern"):
        board.apply(ones(0))
    assert link.sent.count(FIRST) == 4


def test_check_with_readback_finds_a_pattern_that_was_lost_in_silence(open_line_board, ones):
    board, _, firmware = open_line_board(verify_readback=True)
    board.apply(ones(0))
    board.check()
    firmware.pattern = b"0" * 64
    with pytest.raises(ReadbackMismatch):
        board.check()


def test_a_board_without_readback_says_so(script):
    link = script(lambda data: [(1e-3, b"a")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock, verify_readback=True)
    board.open()
    board.apply(np.zeros(256, np.uint8))
    assert board.read_pattern() is None


def test_an_echo_of_a_read_back_does_not_hide_that_the_pattern_was_lost(open_line_board, ones):
    board, _, firmware = open_line_board(verify_readback=True)
    board.apply(ones(0))
    board.check()
    echoes = iter([[(5e-4, b"#0X" + firmware.pattern + b"\n")]])
    firmware.pattern = b"0" * 64
    firmware.on_line = lambda line: next(echoes, []) + firmware._answer(line)
    with pytest.raises(ReadbackMismatch):
        board.check()


def test_after_a_failed_change_nothing_is_known_of_the_surface(open_line_board, ones):
    board, _, firmware = open_line_board(verify_readback=True)
    board.apply(ones(0))
    firmware.on_line = lambda line: []
    with pytest.raises(LinkTimeout):
        board.apply(ones(1))
    firmware.pattern = b"4" + b"0" * 63  # it was heard; only the answers were lost
    firmware.on_line = lambda line: None
    board.check()


def test_a_pattern_that_had_to_be_sent_again_settles_from_then_on(open_line_board, ones):
    board, link, firmware = open_line_board(verify_readback=True)
    board.set_settle_s(0.5)
    written_s, ignored = [], iter([[(1e-3, b"#OK\n")]])

    def act(line):
        if not line.startswith(b"!"):
            return None
        written_s.append(link.clock.now_s())
        return next(ignored, None)

    firmware.on_line = act
    board.apply(ones(0))
    assert len(written_s) == 2
    assert link.clock.now_s() >= written_s[1] + len(FIRST) * 10 / 115200 + 0.5
