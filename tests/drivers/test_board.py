"""The driver against scripted bytes: exact commands, and an answer to each way in which a board or its link fails."""

import zlib
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.errors import (
    BoardRejected,
    BoardReset,
    FramingError,
    InstrumentError,
    LinkError,
    LinkTimeout,
    NotConnected,
    ReadbackMismatch,
)
from hil.firmware.framing import cobs_frame, cobs_parts
from hil.firmware.profile import load_profile
from hil.firmware.protocol import Cobs
from hil.firmware.wire import Wire
from hil.interfaces import Surface

ASCII, REFERENCE = load_profile("opensource-ris-16x16"), load_profile("reference-64x64")
BANNER = b"\nOpen Source RIS\nFirmware version: 1.1\nSerial no.:   0\nRow count: 16\nColumn count: 16\n\n#READY!\n"
LATENCY_S = 1e-3
Answer = Callable[[bytes], Iterable[tuple[float, bytes]]]


class ManualClock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        self.time_s += max(duration_s, 0.0)


class ScriptedLink:
    """What is written is kept; `answer` says what comes back, and how long after the write."""

    name = "scripted"

    def __init__(self, clock: ManualClock, answer: Answer) -> None:
        self.clock = clock
        self.answer = answer
        self.sent: list[bytes] = []
        self.times_opened = 0
        self.closed = False
        self.coming: list[tuple[float, bytes]] = []

    def open(self) -> None:
        self.times_opened += 1
        self.coming.clear()

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        for delay_s, reply in self.answer(data):
            if reply:
                self.push(reply, delay_s)

    def push(self, data: bytes, delay_s: float = 0.0) -> None:
        self.coming.append((self.clock.now_s() + delay_s, data))
        self.coming.sort(key=lambda item: item[0])

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        deadline_s = self.clock.now_s() + timeout_s
        if not self.coming or self.coming[0][0] > deadline_s:
            self.clock.time_s = max(deadline_s, self.clock.time_s)
            return b""
        arrival_s, data = self.coming.pop(0)
        self.clock.time_s = max(arrival_s, self.clock.time_s)
        if len(data) > max_bytes:
            self.coming.insert(0, (arrival_s, data[max_bytes:]))
        return data[:max_bytes]

    def close(self) -> None:
        self.closed = True

    @property
    def text(self) -> bytes:
        return b"".join(self.sent)


class GoodLineBoard:
    """The shortest ASCII board that does all right. `mute` silences it, `on_line` replaces its answers."""

    def __init__(self) -> None:
        self.buffer = b""
        self.pattern = b"0" * 64
        self.lines: list[bytes] = []
        self.on_line: Callable[[bytes], list[tuple[float, bytes]] | None] = lambda line: None

    def __call__(self, data: bytes) -> Iterable[tuple[float, bytes]]:
        self.buffer += data
        replies: list[tuple[float, bytes]] = []
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            line = line.rpartition(b"\r")[2]
            self.lines.append(line)
            told = self.on_line(line)
            replies += self._answer(line) if told is None else told
        return replies

    def _answer(self, line: bytes) -> list[tuple[float, bytes]]:
        if line.startswith(b"!0x") and len(line) == 67:
            self.pattern = line[3:]
            return [(1e-3, b"#OK\n")]
        answers = {b"?Pattern": b"#0X" + self.pattern + b"\n", b"?SerialNo": b"#SerNo:   0\n"}
        return [(1e-3, answers[line])] if line in answers else []


class GoodCobsBoard:
    """A reference board that acknowledges all, stores slots and keeps their CRC."""

    def __init__(self) -> None:
        self.slots: dict[int, bytes] = {}
        self.pattern = bytes(512)
        self.heard: list[tuple[str, int]] = []
        self.on_command: Callable[[str, int], bytes | None] = lambda name, sequence: None
        self.reply_s = 1e-3
        self.framing = REFERENCE.framing
        self.names = {command.opcode: name for name, command in REFERENCE.commands.items()}
        self.receiver = Wire(REFERENCE).receiver()

    def frame(self, opcode: int, sequence: int, payload: bytes) -> bytes:
        assert isinstance(self.framing, Cobs)
        return cobs_frame(self.framing, opcode, sequence, payload)

    def __call__(self, data: bytes) -> Iterable[tuple[float, bytes]]:
        for raw in self.receiver.feed(data):
            assert isinstance(self.framing, Cobs)
            parts = cobs_parts(self.framing, raw)
            assert parts is not None
            name = self.names[parts.opcode]
            self.heard.append((name, parts.sequence))
            told = self.on_command(name, parts.sequence)
            if told is None:
                told = self.frame(parts.opcode | 0x80, parts.sequence, self._act(name, parts.payload))
            yield self.reply_s, told

    def _act(self, name: str, payload: bytes) -> bytes:
        number = int.from_bytes(payload[:2], "little")
        if name == "load_slot":
            self.slots[number] = payload[2:]
        elif name == "select_slot":
            self.pattern = self.slots[number]
        elif name == "set_pattern":
            self.pattern = payload
        elif name == "get_pattern":
            return b"\0" + self.pattern
        elif name == "info":
            return b"\0\x40\0\x40\0\0\x10ref"
        elif name == "status":
            return b"\0" + bytes(10)
        elif name == "verify_slots":
            held = b"".join(self.slots.get(slot, bytes(512)) for slot in range(int.from_bytes(payload[2:4], "little")))
            return b"\0" + zlib.crc32(held).to_bytes(4, "little")
        return b"\0"


def open_line_board(**options: bool) -> tuple[SurfaceBoard, ScriptedLink, GoodLineBoard]:
    firmware, clock = GoodLineBoard(), ManualClock()
    link = ScriptedLink(clock, firmware)
    board = SurfaceBoard(link, ASCII, clock, latency_s=LATENCY_S, **options)
    board.open()
    link.sent.clear()
    firmware.lines.clear()
    return board, link, firmware


def open_reference(**options: bool) -> tuple[SurfaceBoard, ScriptedLink, GoodCobsBoard]:
    firmware, clock = GoodCobsBoard(), ManualClock()
    link = ScriptedLink(clock, firmware)
    board = SurfaceBoard(link, REFERENCE, clock, latency_s=LATENCY_S, **options)
    board.open()
    link.sent.clear()
    firmware.heard.clear()
    return board, link, firmware


def ones(*elements: int, size: int = 256) -> np.ndarray:
    pattern = np.zeros(size, np.uint8)
    pattern[list(elements)] = 1
    return pattern


FIRST = b"!0x8" + b"0" * 63 + b"\n"
LAST = b"!0x" + b"0" * 63 + b"1\n"


# -------------------------------------------------------------------------------------------------------------- opening


def test_nothing_is_sent_or_opened_before_open() -> None:
    link = ScriptedLink(ManualClock(), GoodLineBoard())
    board = SurfaceBoard(link, ASCII, link.clock)
    assert isinstance(board, Surface)
    assert (link.times_opened, link.sent) == (0, [])


def test_opening_starts_with_a_bare_line_feed_and_asks_who_is_there() -> None:
    link = ScriptedLink(ManualClock(), GoodLineBoard())
    board = SurfaceBoard(link, ASCII, link.clock)
    board.open()
    assert link.sent == [b"\n", b"?SerialNo\n"]
    assert board.identity == "opensource-ris-16x16 (serial 0) on scripted"


def test_a_board_that_is_just_starting_is_waited_for() -> None:
    link = ScriptedLink(ManualClock(), lambda data: ())
    firmware = GoodLineBoard()

    def answer_when_ready(data: bytes) -> Iterable[tuple[float, bytes]]:
        return firmware(data) if link.clock.now_s() > 3.0 else ()

    link.answer = answer_when_ready
    board = SurfaceBoard(link, ASCII, link.clock)
    original = link.open
    link.open = lambda: (original(), link.push(BANNER, 3.001))[0]  # type: ignore[method-assign]
    board.open()
    assert "serial 0" in board.identity


def test_a_silent_board_ends_as_not_connected_with_the_fix_within_its_boot_time() -> None:
    link = ScriptedLink(ManualClock(), lambda data: ())
    board = SurfaceBoard(link, ASCII, link.clock)
    with pytest.raises(NotConnected, match=r"(?s)does not answer as TH Koeln.*\?SerialNo.*nothing.*surface.port"):
        board.open()
    assert link.clock.now_s() < 10.0
    assert link.closed


def test_another_board_than_the_profile_says_is_not_connected() -> None:
    firmware = GoodCobsBoard()
    firmware.on_command = lambda name, sequence: firmware.frame(0x82, sequence, b"\0\x20\0\x20\0\0\x10x")
    link = ScriptedLink(ManualClock(), firmware)
    with pytest.raises(NotConnected, match="profile reference-64x64 has 64 x 64"):
        SurfaceBoard(link, REFERENCE, link.clock).open()
    assert link.closed


def test_a_server_s_greeting_is_drained_and_its_absence_told() -> None:
    profile, clock = load_profile("uofg-3bit-192"), ManualClock()
    link = ScriptedLink(clock, lambda data: [(1e-3, b"a")])
    original = link.open
    link.open = lambda: (original(), link.push(b"a"), link.push(b"a", 0.1))[0]  # type: ignore[method-assign]
    board = SurfaceBoard(link, profile, clock)
    board.open()
    board.apply(np.zeros(192, np.uint8))
    assert link.sent == [b"0" * 576]
    link.open = original  # type: ignore[method-assign]
    with pytest.raises(NotConnected, match="no greeting"):
        SurfaceBoard(link, profile, clock).open()


def test_an_arduino_is_given_its_time_after_opening() -> None:
    link = ScriptedLink(ManualClock(), lambda data: [(1e-3, b"\x06")])
    board = SurfaceBoard(link, load_profile("metasurface-control-96"), link.clock)
    board.open()
    assert link.clock.now_s() >= 2.0


# ------------------------------------------------------------------------------------------------------------- patterns


def test_a_pattern_goes_out_byte_for_byte_and_has_settled_when_apply_returns() -> None:
    board, link, _ = open_line_board()
    started_s = link.clock.now_s()
    board.apply(ones(0))
    assert link.sent == [FIRST]
    done_s = len(FIRST) * 10 / 115200 + ASCII.timing.update_s.value
    assert done_s > 1e-3  # the script answers sooner: such an answer proves nothing
    assert link.clock.now_s() == pytest.approx(started_s + done_s + ASCII.timing.settle_s.value)


def test_where_the_ack_comes_before_the_update_the_update_is_waited_for_too() -> None:
    profile = load_profile("metasurface-control-96")
    link = ScriptedLink(ManualClock(), lambda data: [(1e-3, b"\x06")])
    board = SurfaceBoard(link, profile, link.clock)
    board.open()
    started_s = link.clock.now_s()
    board.apply(np.zeros(96, np.uint8))
    wait_s = profile.timing.update_s.value + profile.timing.settle_s.value
    assert link.clock.now_s() == pytest.approx(started_s + 1e-3 + wait_s)


def test_no_carriage_return_ever_ends_a_command() -> None:
    board, link, _ = open_line_board(verify_readback=True)
    board.apply(ones(0))
    board.stage(ones(1))
    board.commit()
    assert b"\r" not in link.text


def test_a_wrong_pattern_is_refused_before_the_wire() -> None:
    board, link, _ = open_line_board()
    with pytest.raises(ValueError, match=r"states 0\.\.1, got 2"):
        board.apply(np.full(256, 2, np.uint8))
    with pytest.raises(ValueError, match="256 states"):
        board.stage(np.zeros(255, np.uint8))
    assert link.sent == []


def test_a_commanded_pattern_is_kept_even_where_the_caller_changes_the_array() -> None:
    board, link, _ = open_line_board()
    pattern = ones(0)
    board.stage(pattern)
    pattern[:] = 1
    board.verify_readback = True
    board.commit()
    assert link.sent == [FIRST[:-1], b"\n", b"?Pattern\n"]


# -------------------------------------------------------------------------------------------------------- stage, commit


def test_all_but_the_terminator_travels_ahead() -> None:
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    assert link.sent == [FIRST[:-1]]
    assert firmware.pattern == b"0" * 64
    board.commit()
    assert link.sent == [FIRST[:-1], b"\n"]
    assert firmware.pattern == FIRST[3:-1]


def test_another_command_takes_a_staged_pattern_back_without_showing_it() -> None:
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    assert np.array_equal(board.read_pattern(), ones())
    assert firmware.pattern == b"0" * 64
    assert link.sent[1] == b"\r"
    with pytest.raises(ValueError, match="no pattern is staged"):
        board.commit()


def test_staging_twice_shows_the_second_pattern_only() -> None:
    board, _, firmware = open_line_board()
    board.stage(ones(0))
    board.stage(ones(255))
    board.commit()
    assert [line for line in firmware.lines if line] == [LAST[:-1]]


def test_a_staged_pattern_on_a_board_with_slots_waits_in_the_spare_one() -> None:
    board, _, firmware = open_reference()
    board.stage(ones(0, size=4096))
    assert firmware.heard == [("load_slot", 2)]
    assert firmware.pattern == bytes(512)
    board.commit()
    assert [name for name, _ in firmware.heard] == ["load_slot", "select_slot"]
    assert firmware.pattern[:2] == b"\x80\0"
    assert list(firmware.slots) == [4095]


def test_a_board_that_cannot_stage_gets_the_whole_pattern_at_commit() -> None:
    link = ScriptedLink(ManualClock(), lambda data: [(1e-3, b"a")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    board.stage(np.zeros(256, np.uint8))
    assert link.sent == []
    board.commit()
    assert len(link.text) == 1025


def test_a_stale_ack_does_not_pass_for_the_staged_pattern_s() -> None:
    board, link, firmware = open_line_board()
    board.stage(ones(0))
    link.push(b"#OK\n")
    firmware.on_line = lambda line: []
    with pytest.raises(LinkTimeout):
        board.commit()


def test_a_link_that_fails_while_staging_shows_nothing_before_commit() -> None:
    board, link, firmware = open_line_board()
    link.answer = lambda data: (_ for _ in ()).throw(LinkTimeout("held off"))
    board.stage(ones(0))
    link.answer = firmware
    board.commit()
    assert firmware.pattern == FIRST[3:-1]


# ---------------------------------------------------------------------------------------------- silence and stale bytes


def test_silence_is_answered_by_resynchronising_and_the_same_bytes_three_times() -> None:
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


def test_what_came_back_instead_is_told() -> None:
    board, _, firmware = open_line_board()
    firmware.on_line = lambda line: [(1e-3, b"#WAT\xff\n")]
    with pytest.raises(LinkTimeout, match=r"came back b'#WAT\\xff"):
        board.apply(ones(0))


def test_the_driver_recovers_by_itself_once_the_board_answers_again() -> None:
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: []
    with pytest.raises(LinkTimeout):
        board.apply(ones(0))
    firmware.on_line = lambda line: None
    link.sent.clear()
    board.apply(ones(0))
    assert link.sent[:2] == [b"\n", FIRST], "the next command starts with a resynchronisation"


def test_a_lost_command_is_sent_again_and_then_read_back() -> None:
    board, link, firmware = open_line_board()
    lost = iter([[]])
    firmware.on_line = lambda line: next(lost, None)
    board.apply(ones(0))
    assert link.sent == [FIRST, b"\n", FIRST, b"?Pattern\n"]


def test_a_stale_ack_is_drained_before_the_next_command() -> None:
    board, link, firmware = open_line_board()
    link.push(b"#OK\n")
    firmware.on_line = lambda line: [] if line.startswith(b"!") else None
    with pytest.raises(LinkTimeout):
        board.apply(ones(0))


def test_acks_that_come_too_late_never_pass_for_the_next_pattern_s() -> None:
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


def test_a_command_held_off_by_flow_control_is_tried_again() -> None:
    board, link, firmware = open_line_board()
    holds = iter([True])

    def answer(data: bytes) -> Iterable[tuple[float, bytes]]:
        if next(holds, False):
            raise LinkTimeout("the board holds the line off")
        return firmware(data)

    link.answer = answer
    board.apply(ones(0))
    assert firmware.pattern == FIRST[3:-1]


def test_a_link_that_is_gone_is_opened_again() -> None:
    board, link, firmware = open_line_board()
    breaks = iter([True])

    def answer(data: bytes) -> Iterable[tuple[float, bytes]]:
        if next(breaks, False):
            raise LinkError("the port is gone")
        return firmware(data)

    link.answer = answer
    board.apply(ones(0))
    assert link.times_opened == 2
    assert firmware.pattern == FIRST[3:-1]


def test_a_board_that_counts_bytes_is_reconnected_to_find_the_start_of_a_command() -> None:
    answers = iter([[], [(1e-3, b"a")]])
    link = ScriptedLink(ManualClock(), lambda data: next(answers))
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    board.apply(np.zeros(256, np.uint8))
    assert link.times_opened == 2
    assert [len(data) for data in link.sent] == [1025, 1025]


def test_a_refusal_is_told_as_such_and_not_repeated() -> None:
    link = ScriptedLink(ManualClock(), lambda data: [(1e-3, b"b")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock)
    board.open()
    with pytest.raises(BoardRejected, match="refused set_pattern"):
        board.apply(np.zeros(256, np.uint8))
    assert len(link.sent) == 1


# -------------------------------------------------------------------------------------------------------------- restart


@pytest.mark.parametrize("before", [b"", b"#O", b"#0X00FF"], ids=["clean", "within an ack", "within a read-back"])
def test_a_banner_anywhere_is_a_restart_told_once_and_the_next_pattern_waits_for_ready(before: bytes) -> None:
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


def test_check_finds_a_restart_in_what_already_came() -> None:
    board, link, _ = open_line_board()
    board.apply(ones(0))
    board.check()
    link.push(BANNER)
    with pytest.raises(BoardReset):
        board.check()
    board.check()


def test_a_restart_takes_a_staged_pattern_with_it() -> None:
    board, link, _ = open_line_board()
    board.stage(ones(0))
    link.push(BANNER)
    with pytest.raises(BoardReset):
        board.commit()
    board.apply(ones(0))
    assert FIRST in link.sent


def test_a_banner_whose_ready_line_is_lost_costs_a_bounded_wait() -> None:
    board, link, _ = open_line_board()
    link.push(BANNER.replace(b"#READY!", b"#REA?Y!"))
    with pytest.raises(BoardReset):
        board.apply(ones(0))
    started_s = link.clock.now_s()
    board.apply(ones(0))
    assert link.clock.now_s() - started_s < 1.5


def test_a_boot_frame_is_a_restart_and_the_codebook_is_stored_again() -> None:
    board, link, firmware = open_reference()
    codebook = np.stack([ones(index, size=4096) for index in range(3)])
    board.load_codebook(codebook)
    link.push(firmware.frame(0xF0, 0, b"\1"))
    firmware.slots.clear()
    with pytest.raises(BoardReset):
        board.select(1)
    board.select(1)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[1])


def test_a_reset_by_command_is_no_surprise() -> None:
    board, link, firmware = open_line_board()
    firmware.on_line = lambda line: [(0.5, BANNER)] if line == b"!Reset" else None
    board.reset()
    board.apply(ones(0))
    assert link.clock.now_s() > 0.5
    assert firmware.pattern == FIRST[3:-1]


# ------------------------------------------------------------------------------------------------------------- readback


def test_readback_is_compared_where_asked_for() -> None:
    board, link, _ = open_line_board(verify_readback=True)
    board.apply(ones(0))
    assert link.sent == [FIRST, b"?Pattern\n"]


def test_a_board_that_holds_another_pattern_is_told_after_three_times() -> None:
    board, link, firmware = open_line_board(verify_readback=True)
    firmware.on_line = lambda line: [(1e-3, b"#OK\n")] if line.startswith(b"!") else None
    with pytest.raises(ReadbackMismatch, match="another pattern"):
        board.apply(ones(0))
    assert link.sent.count(FIRST) == 4


def test_check_with_readback_finds_a_pattern_that_was_lost_in_silence() -> None:
    board, _, firmware = open_line_board(verify_readback=True)
    board.apply(ones(0))
    board.check()
    firmware.pattern = b"0" * 64
    with pytest.raises(ReadbackMismatch):
        board.check()


def test_a_board_without_readback_says_so() -> None:
    link = ScriptedLink(ManualClock(), lambda data: [(1e-3, b"a")])
    board = SurfaceBoard(link, load_profile("openris-tile"), link.clock, verify_readback=True)
    board.open()
    board.apply(np.zeros(256, np.uint8))
    assert board.read_pattern() is None


# -------------------------------------------------------------------------------------------------------- hostile input


@pytest.mark.parametrize("open_board", [open_line_board, open_reference])
def test_ten_megabytes_without_an_end_are_given_up_quickly(open_board: Callable[[], tuple]) -> None:
    board, link, _ = open_board()
    endless = 10_000_000
    link.answer = lambda data: [(0.0, b"\xff" * endless)]
    with pytest.raises(FramingError):
        board.apply(np.zeros(board.geometry.num_elements, np.uint8))
    read = endless * sum(not data.startswith(b"\0") for data in link.sent) - sum(len(data) for _, data in link.coming)
    assert read < 5 * 65536 + 3 * endless
    assert link.clock.now_s() < 5.0


def test_noise_and_invalid_utf_8_end_as_a_link_error_with_the_bytes_escaped() -> None:
    board, _, firmware = open_line_board()
    firmware.on_line = lambda line: [(1e-3, b"\xc3\x28\xff\xfe\x00\n")]
    with pytest.raises(LinkError, match=r"\\xc3\(\\xff\\xfe\\x00"):
        board.apply(ones(0))


def test_a_board_that_talks_past_every_deadline_does_not_hold_the_driver() -> None:
    board, link, _ = open_line_board()

    def chatter(max_bytes: int, timeout_s: float) -> bytes:
        link.clock.sleep(1e-3 if link.sent else timeout_s)
        return b"#hm\n" if link.sent else b""

    link.read = chatter  # type: ignore[method-assign]
    with pytest.raises(LinkError):
        board.apply(ones(0))


def test_a_board_that_never_stops_talking_does_not_hold_the_driver() -> None:
    board, link, _ = open_line_board()
    link.push(b"#hello\n" * 100_000)
    with pytest.raises(FramingError, match="nobody asked for"):
        board.check()


# ------------------------------------------------------------------------------------------------- sequence and windows


def test_each_try_has_a_sequence_number_of_its_own() -> None:
    board, link, firmware = open_reference()
    lost = iter([b""])
    firmware.on_command = lambda name, sequence: next(lost, None)
    board.apply(ones(size=4096))
    assert firmware.heard == [("set_pattern", 2), ("set_pattern", 3)]
    assert link.sent[1] == b"\0\0"
    board.apply(ones(size=4096))
    assert firmware.heard[-1] == ("set_pattern", 4)


def test_an_ack_of_an_earlier_try_counts_for_nothing() -> None:
    """The board may have restarted since it sent that."""
    board, link, firmware = open_reference()

    def answer_first_try_late(name: str, sequence: int) -> bytes:
        if len(firmware.heard) == 1:
            link.push(firmware.frame(0x90, sequence, b"\0"), 0.06)
        return b""

    firmware.on_command = answer_first_try_late
    with pytest.raises(LinkTimeout):
        board.apply(ones(0, size=4096))


def test_a_boot_frame_that_comes_in_two_pieces_around_a_resynchronisation_is_a_restart() -> None:
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
def test_a_restart_whose_every_word_was_lost_shows_when_a_command_is_sent_again(board_of: str) -> None:
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


def test_a_command_whose_answer_was_lost_is_no_restart() -> None:
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


def test_a_frame_that_came_unasked_and_damaged_may_have_told_a_restart() -> None:
    board, link, firmware = open_reference()
    board.apply(ones(0, size=4096))
    board.check()
    firmware.pattern = bytes(512)
    link.push(firmware.frame(0xF0, 0, b"\1").replace(b"\xf0", b"\xf1"))
    with pytest.raises(BoardReset, match="unheard"):
        board.apply(ones(1, size=4096))


def test_an_ack_of_an_earlier_number_is_ignored() -> None:
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: firmware.frame(0x90, sequence - 1, b"\0")
    with pytest.raises(LinkTimeout):
        board.apply(ones(size=4096))


@pytest.mark.parametrize("status", [2, 5], ids=["bad_crc", "busy"])
def test_a_refusal_for_the_moment_is_tried_again(status: int) -> None:
    board, _, firmware = open_reference()
    refusals = iter([status])
    firmware.on_command = lambda name, sequence: (
        firmware.frame(0xFF, sequence, bytes([refused])) if (refused := next(refusals, None)) else None
    )
    board.apply(ones(0, size=4096))
    assert len(firmware.heard) == 2


def test_a_final_refusal_names_its_reason() -> None:
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: firmware.frame(0xFF, sequence, b"\6")
    with pytest.raises(BoardRejected, match="set_pattern: undervoltage"):
        board.apply(ones(size=4096))
    assert len(firmware.heard) == 1


def test_at_most_eight_commands_are_outstanding() -> None:
    board, link, firmware = open_reference()
    outstanding: list[int] = []

    def count(name: str, sequence: int) -> None:
        outstanding.append(len(link.coming) + 1)

    firmware.on_command = count  # type: ignore[assignment]
    board.load_codebook(np.zeros((40, 4096), np.uint8) + np.arange(40, dtype=np.uint8)[:, None] % 2)
    assert max(outstanding) == 8


def test_lost_acks_within_a_window_are_made_good() -> None:
    board, _, firmware = open_reference()
    fates = np.random.default_rng(5).random(1000)
    fate = iter(fates < 0.1)
    firmware.on_command = lambda name, sequence: b"" if name == "load_slot" and next(fate) else None
    codebook = np.random.default_rng(6).integers(2, size=(100, 4096), dtype=np.uint8)
    board.load_codebook(codebook)
    assert firmware.slots == {slot: Wire(REFERENCE).coder.encode(each) for slot, each in enumerate(codebook)}


# ------------------------------------------------------------------------------------------------ codebook and sequence


def test_a_codebook_that_the_board_holds_is_not_sent_again() -> None:
    board, _, firmware = open_reference()
    codebook = np.stack([ones(index, size=4096) for index in range(20)])
    board.load_codebook(codebook)
    names = [name for name, _ in firmware.heard]
    assert (names[0], names.count("load_slot"), names[-1]) == ("verify_slots", 20, "verify_slots")
    firmware.heard.clear()
    board.load_codebook(codebook)
    assert [name for name, _ in firmware.heard] == ["verify_slots"]


def test_a_codebook_that_arrives_damaged_is_told() -> None:
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: (
        firmware.frame(0xA2, sequence, b"\0\1\2\3\4") if name == "verify_slots" else None
    )
    with pytest.raises(ReadbackMismatch, match="CRC-32"):
        board.load_codebook(np.zeros((2, 4096), np.uint8))


def test_a_pattern_staged_into_the_last_slot_of_a_full_codebook_is_made_good() -> None:
    firmware = GoodCobsBoard()
    link = ScriptedLink(ManualClock(), firmware)
    few = REFERENCE.capabilities.model_copy(update={"slots": 16})
    board = SurfaceBoard(link, REFERENCE.model_copy(update={"capabilities": few}), link.clock)
    board.open()
    codebook = np.eye(16, 4096, dtype=np.uint8)
    board.load_codebook(codebook)
    board.stage(ones(99, size=4096))
    board.commit()
    board.select(15)
    assert firmware.pattern == Wire(REFERENCE).coder.encode(codebook[15])


def test_slots_that_do_not_exist_are_refused_before_the_wire() -> None:
    board, link, _ = open_reference()
    with pytest.raises(ValueError, match="0 patterns stored"):
        board.select(0)
    with pytest.raises(ValueError, match="up to 4096"):
        board.load_codebook(np.zeros((4097, 4096), np.uint8))
    assert link.sent == []


def test_a_step_is_never_sent_twice() -> None:
    board, _, firmware = open_reference()
    firmware.on_command = lambda name, sequence: b""
    with pytest.raises(LinkTimeout):
        board.step()
    assert len(firmware.heard) == 1


def test_a_sequence_beyond_the_board_s_means_is_refused_before_the_wire() -> None:
    board, link, _ = open_reference()
    with pytest.raises(ValueError, match="dwell at least"):
        board.arm_sequence(0, 4, 1e-6, "timer")
    with pytest.raises(ValueError, match="has no arm_sequence"):
        open_line_board()[0].arm_sequence(0, 4, 1e-3, "timer")
    assert link.sent == []


def test_hadamard_rows_are_armed_without_any_upload() -> None:
    board, link, firmware = open_reference()
    board.arm_hadamard(0, 4096, 1e-4, "timer", complement=True, mask=ones(0, size=4096))
    assert [name for name, _ in firmware.heard] == ["arm_hadamard"]
    assert len(link.text) < 540
    assert board.sequence_status()["overruns"] == 0


# --------------------------------------------------------------------------------------------------------------- timing


def test_timing_follows_from_bytes_and_baud() -> None:
    timing = open_line_board()[0].timing
    assert timing.frame_s == pytest.approx(680 / 115200)
    assert timing.overlap_s == pytest.approx(670 / 115200)
    assert timing.reply_s == pytest.approx(10 / 115200 + LATENCY_S)  # the adapter's timer starts with the first byte
    assert (timing.update_s, timing.settle_s) == (1e-4, 1e-3)
    board = open_reference()[0]
    assert board.timing_of("codebook").frame_s == pytest.approx(90 / 3e6)
    assert board.timing_of("stepped").frame_s == pytest.approx(5210 / 3e6)
    assert board.timing.sequence_dwell_s == 1e-4


def test_every_error_of_the_driver_is_an_instrument_s() -> None:
    assert all(issubclass(kind, InstrumentError) for kind in (LinkTimeout, FramingError, BoardReset, ReadbackMismatch))
