"""Frames: bytes around a command so that a board finds its ends, and whole replies out of a stream. Pure."""

import binascii
from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from cobs import cobs

from hil.errors import FramingError
from hil.firmware.protocol import AsciiLine, Cobs, FramingConfig

__all__ = ["CobsFrame", "Receiver", "cobs_frame", "cobs_parts", "make_receiver", "shown"]

_CRC_START = {"CRC-16/CCITT-FALSE": 0xFFFF, "CRC-16/XMODEM": 0}
_SEQUENCE = {"u8": (1, "little"), "u16le": (2, "little"), "u16be": (2, "big")}
MAX_COBS_REPLY_FACTOR = 4  # a reply may be longer than the longest command, within reason


def shown(data: bytes) -> str:
    """Bytes as a message quotes them: text as text, the rest escaped, cut where they are many."""
    if not data:
        return "nothing"
    more = f" and {len(data) - 60} bytes more" if len(data) > 60 else ""
    return f"{data[:60]!r}{more}"


class Receiver(ABC):
    """Collects bytes into whole replies. Holds a bounded number of bytes, whatever comes.

    damaged: frames that were dropped because they were damaged.
    """

    damaged = 0

    @abstractmethod
    def feed(self, data: bytes) -> list[bytes]:
        """Replies completed by these bytes, without their framing. Raises FramingError where no end comes."""

    @abstractmethod
    def clear(self) -> None:
        """Forget a half-received reply."""


class CobsFrame(NamedTuple):
    """A decoded frame whose CRC holds."""

    opcode: int
    sequence: int
    payload: bytes


def make_receiver(framing: FramingConfig) -> Receiver:
    """The receiver for a framing."""
    if isinstance(framing, AsciiLine):
        return _DelimitedReceiver(framing.reply_terminator.encode("latin-1"), framing.max_reply_bytes)
    if isinstance(framing, Cobs):
        return _CobsReceiver(framing)
    return _FixedReceiver(framing.reply_bytes)


class _DelimitedReceiver(Receiver):
    """Replies that end with a terminator."""

    def __init__(self, terminator: bytes, max_bytes: int) -> None:
        self._terminator = terminator
        self._max_bytes = max_bytes
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        *replies, self._buffer = (self._buffer + data).split(self._terminator)
        if len(self._buffer) > self._max_bytes:
            begun = self._buffer
            self.clear()
            raise FramingError(f"{len(begun)} bytes without an end, at most {self._max_bytes}: {shown(begun)}")
        return replies

    def clear(self) -> None:
        self._buffer = b""


class _CobsReceiver(_DelimitedReceiver):
    """COBS frames; yields decoded frames whose CRC holds, and counts the others."""

    def __init__(self, framing: Cobs) -> None:
        super().__init__(b"\0", MAX_COBS_REPLY_FACTOR * framing.max_frame_bytes)
        self._framing = framing

    def feed(self, data: bytes) -> list[bytes]:
        frames = [self._decoded(frame) for frame in super().feed(data) if frame]
        self.damaged += frames.count(None)
        return [frame for frame in frames if frame is not None]

    def _decoded(self, frame: bytes) -> bytes | None:
        try:
            raw = cobs.decode(frame)
        except cobs.DecodeError:
            return None
        whole = len(raw) > 3 and _crc(self._framing, raw[:-2]) == raw[-2:]
        return raw[:-2] if whole else None


class _FixedReceiver(Receiver):
    """Replies of one length."""

    def __init__(self, reply_bytes: int) -> None:
        self._reply_bytes = reply_bytes
        self._buffer: deque[int] = deque()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer.extend(data)
        replies = []
        while len(self._buffer) >= self._reply_bytes:
            replies.append(bytes(self._buffer.popleft() for _ in range(self._reply_bytes)))
        return replies

    def clear(self) -> None:
        self._buffer.clear()


def cobs_frame(framing: Cobs, opcode: int, sequence: int, payload: bytes) -> bytes:
    """A frame as it stands on the wire, delimiter included."""
    size, order = _SEQUENCE[framing.sequence]
    raw = bytes((opcode,)) + sequence.to_bytes(size, order) + payload  # type: ignore[arg-type]
    encoded: bytes = cobs.encode(raw + _crc(framing, raw))
    return encoded + b"\0"


def cobs_parts(framing: Cobs, raw: bytes) -> CobsFrame | None:
    """Opcode, sequence number and payload of a decoded frame; None where it is too short to have them."""
    size, order = _SEQUENCE[framing.sequence]
    if len(raw) < 1 + size:
        return None
    sequence = int.from_bytes(raw[1 : 1 + size], order)  # type: ignore[arg-type]
    return CobsFrame(raw[0], sequence, raw[1 + size :])


def _crc(framing: Cobs, data: bytes) -> bytes:
    return binascii.crc_hqx(data, _CRC_START[framing.crc]).to_bytes(2, framing.crc_order)
