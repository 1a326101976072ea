"""Boards that are scripts: every byte and every moment of a reply is the test's."""

import zlib
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from hil.drivers.board import SurfaceBoard
from hil.firmware.framing import cobs_frame, cobs_parts
from hil.firmware.profile import load_profile
from hil.firmware.protocol import Cobs
from hil.firmware.wire import Wire
from hil.sim.clock import VirtualClock

ASCII, REFERENCE = load_profile("opensource-ris-16x16"), load_profile("reference-64x64")
LATENCY_S = 1e-3
Answer = Callable[[bytes], Iterable[tuple[float, bytes]]]


class ScriptedLink:
    """What is written is kept; `answer` says what comes back, and how long after the write."""

    name = "scripted"

    def __init__(self, clock: VirtualClock, answer: Answer) -> None:
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
            self.clock.advance_to(deadline_s)
            return b""
        arrival_s, data = self.coming.pop(0)
        self.clock.advance_to(arrival_s)
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


def open_scripted(profile, firmware, **options):
    """An opened board, its link, what answers; what opening sent is forgotten."""
    clock = VirtualClock()
    link = ScriptedLink(clock, firmware)
    board = SurfaceBoard(link, profile, clock, latency_s=LATENCY_S, **options)
    board.open()
    link.sent.clear()
    return board, link, firmware


@pytest.fixture
def open_line_board():
    def open_line_board(profile=ASCII, **options):
        board, link, firmware = open_scripted(profile, GoodLineBoard(), **options)
        firmware.lines.clear()
        return board, link, firmware

    return open_line_board


@pytest.fixture
def open_reference():
    def open_reference(profile=REFERENCE, **options):
        board, link, firmware = open_scripted(profile, GoodCobsBoard(), **options)
        firmware.heard.clear()
        return board, link, firmware

    return open_reference


@pytest.fixture
def script():
    """A link on a clock of its own, by what answers."""
    return lambda answer: ScriptedLink(VirtualClock(), answer)


@pytest.fixture
def good_line_board():
    return GoodLineBoard


@pytest.fixture
def good_cobs_board():
    return GoodCobsBoard


@pytest.fixture
def ones():
    """A pattern by the elements in state 1."""

    def ones(*elements, size=256):
        pattern = np.zeros(size, np.uint8)
        pattern[list(elements)] = 1
        return pattern

    return ones
