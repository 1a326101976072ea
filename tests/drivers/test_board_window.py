"""Several commands at once, each with a number of its own, and what they store; against scripted bytes."""

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.drivers.dialogue import Dialogue
from hil.drivers.line import Line
from hil.errors import (
    BoardRejected,
    BoardReset,
    LinkTimeout,
    ReadbackMismatch,
)
from hil.firmware.profile import load_profile
from hil.firmware.wire import Wire

REFERENCE = load_profile("reference-64x64")


# ------------------------------------------------------------------------------------------------- sequence and windows


def test_each_try_has_a_sequence_number_of_its_own(open_reference, ones):
    board, link, firmware = open_reference()
    lost = iter([b""])
    firmware.on_command = lambda name, sequence: next(lost, None)
    board.apply(ones(size=4096))
    assert firmware.heard == [("set_pattern", 2), ("set_pattern", 3)]
    assert link.sent[1] == b"\0\0"
    board.apply(ones(size=4096))
    assert firmware.heard[-1] == ("set_pattern", 4)


def test_an_ack_of_an_earlier_try_counts_for_nothing(open_reference, ones):
    """The board may have restarted since it sent that."""
    board, link, firmware = open_reference()

    def answer_first_try_late(name: str, sequence: int) -> bytes:
        if len(firmware.heard) == 1:
            link.push(firmware.frame(0x90, sequence, b"\0"), 0.06)
        return b""

    firmware.on_command = answer_first_try_late
    with pytest.raises(LinkTimeout):
        board.apply(ones(0, size=4096))


def test_a_boot_frame_that_comes_in_two_pieces_around_a_resynchronisation_is_a_restart(open_reference, ones):
    board, link, firmware = open_reference()
    boot, lost = firmware.frame(0xF0, 0, b"\1"), iter([b""])

    def lose_one(name: str, sequence: int) -> bytes | None:
        if (told := next(lost, None)) is not None:
            link.push(boot[:4], 0.050)
            link.push(boot[4:], 0.055)
        return told

    firmware.on_command = lose_one
    with pytest.raises(BoardReset):
        board.apply(ones(size=4096))


@pytest.mark.parametrize("board_of", ["ascii", "cobs"])
def test_a_restart_whose_every_word_was_lost_shows_when_a_command_is_sent_again(
    open_line_board, open_reference, ones, board_of
):
    board, _, firmware = open_reference() if board_of == "cobs" else open_line_board()
    size, zeros = (4096, bytes(512)) if board_of == "cobs" else (256, b"0" * 64)
    board.apply(ones(0, size=size))
    fate = iter([b""])

    def restart_unheard(*command: object) -> object:
        if (told := next(fate, None)) is None:
            return None
        firmware.pattern = zeros
        return told if board_of == "cobs" else []

    firmware.on_command = firmware.on_line = restart_unheard  # type: ignore[union-attr, assignment]
    with pytest.raises(BoardReset, match="unheard"):
        board.apply(ones(1, size=size))
    board.apply(ones(1, size=size))
    board.check()


def test_a_command_whose_answer_was_lost_is_no_restart(open_reference, ones):
    board, link, firmware = open_reference()
    board.apply(ones(0, size=4096))
    whole = firmware.__call__
    told = iter([True])

    def answer(data: bytes) -> list[tuple[float, bytes]]:
        replies = list(whole(data))
        return [] if replies and next(told, False) else replies

    link.answer = answer
    firmware.heard.clear()
    board.apply(ones(1, size=4096))
    assert [name for name, _ in firmware.heard] == ["set_pattern", "get_pattern", "set_pattern"]


def test_a_frame_that_came_unasked_and_damaged_may_have_told_a_restart(open_reference, ones):
    board, link, firmware = open_reference()
    board.apply(ones(0, size=4096))
    board.check()
    firmware.pattern = bytes(512)
    link.push(firmware.frame(0xF0, 0, b"\1").replace(b"\xf0", b"\xf1"))
    with pytest.raises(BoardReset, match="unheard"):
        board.apply(ones(1, size=4096))


def test_an_ack_of_an_earlier_number_is_ignored(open_reference, ones):
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: firmware.frame(0x90, sequence - 1, b"\0")
    with pytest.raises(LinkTimeout):
        board.apply(ones(size=4096))


@pytest.mark.parametrize("status", [2, 5], ids=["bad_crc", "busy"])
def test_a_refusal_for_the_moment_is_tried_again(open_reference, ones, status):
    board, _, firmware = open_reference()
    refusals = iter([status])
    firmware.on_command = lambda name, sequence: (
        firmware.frame(0xFF, sequence, bytes([refused])) if (refused := next(refusals, None)) else None
    )
    board.apply(ones(0, size=4096))
    assert len(firmware.heard) == 2


def test_a_final_refusal_names_its_reason(open_reference, ones):
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: firmware.frame(0xFF, sequence, b"\6")
    with pytest.raises(BoardRejected, match="set_pattern: undervoltage"):
        board.apply(ones(size=4096))
    assert len(firmware.heard) == 1


def test_at_most_eight_commands_are_outstanding(open_reference):
    board, link, firmware = open_reference()
    outstanding: list[int] = []

    def count(name: str, sequence: int) -> None:
        outstanding.append(len(link.coming) + 1)

    firmware.on_command = count  # type: ignore[assignment]
    board.load_codebook(np.zeros((40, 4096), np.uint8) + np.arange(40, dtype=np.uint8)[:, None] % 2)
    assert max(outstanding) == 8


def test_lost_acks_within_a_window_are_made_good(open_reference):
    board, _, firmware = open_reference()
    fates = np.random.default_rng(5).random(1000)
    fate = iter(fates < 0.1)
    firmware.on_command = lambda name, sequence: b"" if name == "load_slot" and next(fate) else None
    codebook = np.random.default_rng(6).integers(2, size=(100, 4096), dtype=np.uint8)
    board.load_codebook(codebook)
    assert firmware.slots == {slot: Wire(REFERENCE).coder.encode(each) for slot, each in enumerate(codebook)}


def test_answers_come_back_in_the_order_of_the_commands(open_reference):
    """Whatever the order in which the board gives them."""
    _, link, firmware = open_reference()
    dialogue = Dialogue(link, Wire(REFERENCE), link.clock, latency_s=1e-3, after_trouble=lambda: None)
    link.answer = lambda data: [(0.01 / (1 + len(firmware.heard)), told) for _, told in firmware(data)]
    info, status = dialogue.stream([("info", {}), ("status", {})])
    assert info["rows"] == 64
    assert "overruns" in status


def test_only_what_is_overdue_is_sent_again(open_reference):
    """The second command's time is not over when the first one's is: it left later. Its answer comes meanwhile."""
    board, link, firmware = open_reference()
    board.apply(np.zeros(4096, np.uint8))
    loads = iter([[], [0.0535]])

    def answer(data):
        replies = list(firmware(data))
        fate = next(loads, None) if firmware.heard[-1][0] == "load_slot" else None
        return replies if fate is None else [(delay_s, told) for delay_s in fate for _, told in replies]

    link.answer = answer
    board.load_codebook(np.eye(2, 4096, dtype=np.uint8))
    assert [name for name, _ in firmware.heard].count("load_slot") == 3


def test_an_answer_that_came_in_time_counts_although_it_is_read_late(open_reference, ones):
    board, link, firmware = open_reference()
    board.stage(ones(0, size=4096))
    link.clock.sleep(1.0)
    board.commit()
    assert [name for name, _ in firmware.heard] == ["load_slot", "select_slot"]


def test_a_board_with_slots_that_takes_one_command_at_a_time_selects_after_the_content(open_reference, ones):
    one = REFERENCE.capabilities.model_copy(update={"max_outstanding": 1})
    board, _, firmware = open_reference(REFERENCE.model_copy(update={"capabilities": one}))
    board.stage(ones(0, size=4096))
    board.commit()
    assert [name for name, _ in firmware.heard] == ["load_slot", "select_slot"]


def test_bytes_written_one_after_the_other_leave_one_after_the_other(open_reference):
    _, link, _ = open_reference()
    line = Line(link, Wire(REFERENCE), link.clock, latency_s=1e-3, on_noise=list)
    for _ in range(2):
        line.write(bytes(300))
    assert line.sent_s - link.clock.now_s() == pytest.approx(600 * 10 / 3e6)


def test_of_what_came_back_only_the_end_is_kept_for_messages(open_reference):
    _, link, _ = open_reference()
    line = Line(link, Wire(REFERENCE), link.clock, latency_s=1e-3, on_noise=list)
    link.push(b"\0" * 60_000)
    line.drain(0.0)
    assert len(line.heard) <= 256


def test_sequence_numbers_go_round_without_the_one_that_means_none(script, good_cobs_board):
    framing = REFERENCE.framing.model_copy(update={"sequence": "u8"})
    firmware = good_cobs_board()
    firmware.framing = framing
    link = script(firmware)
    board = SurfaceBoard(link, REFERENCE.model_copy(update={"framing": framing}), link.clock)
    board.open()
    for _ in range(300):
        board.sequence_status()
    assert {sequence for _, sequence in firmware.heard} == set(range(1, 256))


def test_a_streamed_pattern_that_had_to_be_sent_again_has_no_time(open_reference):
    board, link, firmware = open_reference()
    patterns = np.random.default_rng(1).integers(2, size=(40, 4096), dtype=np.uint8)
    times_s = board.stream(patterns, 1e-3)
    assert np.isfinite(times_s).all()
    assert link.clock.now_s() == pytest.approx(times_s[-1] + 1e-3)
    firmware.heard.clear()
    firmware.on_command = lambda name, sequence: b"" if len(firmware.heard) == 21 else None
    out_of_turn = np.isnan(board.stream(patterns, 1e-3))
    assert out_of_turn[20]
    assert not out_of_turn[:8].any()


# ------------------------------------------------------------------------------------------------ codebook and sequence


def test_a_codebook_that_the_board_holds_is_not_sent_again(open_reference, ones):
    board, _, firmware = open_reference()
    codebook = np.stack([ones(index, size=4096) for index in range(20)])
    board.load_codebook(codebook)
    names = [name for name, _ in firmware.heard]
    assert (names[0], names.count("load_slot"), names[-1]) == ("verify_slots", 20, "verify_slots")
    firmware.heard.clear()
    board.load_codebook(codebook)
    assert [name for name, _ in firmware.heard] == ["verify_slots"]


def test_a_codebook_that_arrives_damaged_is_told(open_reference):
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: (
        firmware.frame(0xA2, sequence, b"\0\1\2\3\4") if name == "verify_slots" else None
    )
    with pytest.raises(ReadbackMismatch, match="CRC-32"):
        board.load_codebook(np.zeros((2, 4096), np.uint8))


def test_a_pattern_staged_into_the_last_slot_of_a_full_codebook_is_made_good(script, good_cobs_board, ones):
    firmware = good_cobs_board()
    link = script(firmware)
    few = REFERENCE.capabilities.model_copy(update={"slots": 16})
    board = SurfaceBoard(link, REFERENCE.model_copy(update={"capabilities": few}), link.clock)
    board.open()
    codebook = np.eye(16, 4096, dtype=np.uint8)
    board.load_codebook(codebook)
    board.stage(ones(99, size=4096))
    board.commit()
    board.select(15)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[15])


def test_slots_that_do_not_exist_are_refused_before_the_wire(open_reference):
    board, link, _ = open_reference()
    with pytest.raises(ValueError, match="0 patterns stored"):
        board.select(0)
    with pytest.raises(ValueError, match="up to 4096"):
        board.load_codebook(np.zeros((4097, 4096), np.uint8))
    assert link.sent == []


def test_a_step_is_never_sent_twice(open_reference):
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: b""
    with pytest.raises(LinkTimeout):
        board.step()
    assert len(firmware.heard) == 1


def test_a_sequence_beyond_the_board_s_means_is_refused_before_the_wire(open_line_board, open_reference):
    board, link, _ = open_reference()
    with pytest.raises(ValueError, match="dwell at least"):
        board.arm_sequence(0, 4, 1e-6, "timer")
    with pytest.raises(ValueError, match="has no arm_sequence"):
        open_line_board()[0].arm_sequence(0, 4, 1e-3, "timer")
    assert link.sent == []


def test_hadamard_rows_are_armed_without_any_upload(open_reference, ones):
    board, link, firmware = open_reference()
    board.arm_hadamard(0, 4096, 1e-4, "timer", complement=True, mask=ones(0, size=4096))
    assert [name for name, _ in firmware.heard] == ["arm_hadamard"]
    assert len(link.text) < 540
    assert board.sequence_status()["overruns"] == 0


def test_a_refused_selection_has_the_codebook_stored_again(open_reference):
    board, _, firmware = open_reference()
    codebook = np.eye(3, 4096, dtype=np.uint8)
    board.load_codebook(codebook)
    refusals = iter([4])
    firmware.on_command = lambda name, sequence: (
        firmware.frame(0xFF, sequence, bytes([next(refusals)]))
        if name == "select_slot" and firmware.slots == {}
        else None
    )
    firmware.slots.clear()
    with pytest.raises(BoardRejected, match="bad_slot"):
        board.select(1)
    board.select(1)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[1])


def test_a_sequence_is_armed_only_once_its_patterns_are_stored_again(open_reference):
    board, link, firmware = open_reference()
    board.load_codebook(np.eye(3, 4096, dtype=np.uint8))
    firmware.slots.clear()
    link.push(firmware.frame(0xF0, 0, b"\1"))
    with pytest.raises(BoardReset):
        board.check()
    board.arm_sequence(0, 3, 1e-4, "software")
    assert list(firmware.slots) == [0, 1, 2]


def test_while_a_sequence_runs_nothing_is_known_of_the_surface(open_reference, ones):
    board, _, firmware = open_reference(verify_readback=True)
    board.apply(ones(0, size=4096))
    board.arm_hadamard(0, 4, 1e-4, "timer", complement=False, mask=ones(size=4096))
    firmware.pattern = b"\x55" * 512
    before = len(firmware.heard)
    board.check()
    assert len(firmware.heard) == before  # nothing to compare with, so nothing is asked
    board.apply(ones(0, size=4096))
    firmware.pattern = b"\x55" * 512
    with pytest.raises(ReadbackMismatch):
        board.check()


def test_a_batch_takes_a_staged_pattern_back(script):
    link = script(lambda data: [(1e-3, b"\x06")])
    board = SurfaceBoard(link, load_profile("metasurface-control-96"), link.clock)
    board.open()
    board.stage(np.zeros(96, np.uint8))
    board.play(np.zeros((2, 96), np.uint8))
    with pytest.raises(ValueError, match="no pattern is staged"):
        board.commit()


def test_a_step_has_settled_when_it_returns(open_reference):
    board, link, _ = open_reference()
    board.set_settle_s(0.5)
    board.step()
    assert link.clock.now_s() >= 0.5
