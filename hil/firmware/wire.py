"""Commands to bytes and bytes to replies, as a profile describes them. Pure: no link, no clock, no retry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hil.firmware.checks import frame_bytes, template_bytes
from hil.firmware.codecs import PatternCoder
from hil.firmware.fields import Templates, Value, Values
from hil.firmware.framing import Receiver, cobs_frame, cobs_parts, make_receiver
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import AsciiLine, Cobs, CommandConfig, LengthPrefixed

__all__ = ["Reply", "Value", "Values", "Wire"]

_MIN_MARK_BYTES = 4  # a shorter text of a banner could stand in a reply by chance


@dataclass(frozen=True)
class Reply:
    """What came back.

    kind: answer, what the command's reply should be; refusal, the board said no; boot, it restarted; stray, no such.
    key: which of the expected commands it answers.
    again: a refusal after which the same command is worth sending once more.
    """

    kind: Literal["answer", "refusal", "boot", "stray"]
    raw: bytes
    key: int | None = None
    values: Values = field(default_factory=dict)
    again: bool = False


class Wire:
    """The protocol of one board."""

    def __init__(self, profile: FirmwareProfile) -> None:
        self.profile = profile
        self.coder = PatternCoder(profile)
        self._templates = Templates(profile.all_fields, self.coder)
        self._ready = profile.boot.ready.encode("latin-1") if profile.boot.ready is not None else None
        marks = {self._first_literal(line).strip() for line in profile.boot.banner}
        self._boot_marks = tuple(mark for mark in marks if len(mark) >= _MIN_MARK_BYTES)
        status = profile.fields.get("status")
        self._worth_again = set(status.retry) if status else set()

    @property
    def num_sequences(self) -> int:
        """Sequence numbers before they repeat; 0 where the protocol has none."""
        framing = self.profile.framing
        return (256 if framing.sequence == "u8" else 65536) if isinstance(framing, Cobs) else 0

    @property
    def held_back(self) -> int:
        """Last bytes of a command without which the board does not act; 0 where it cannot be cut, or not taken back."""
        framing = self.profile.framing
        return len(framing.terminator) if isinstance(framing, AsciiLine) and framing.cancel else 0

    def encode(self, name: str, sequence: int = 0, **values: Value) -> bytes:
        """A command, framed. Raises ValueError where a value does not fit its field; nothing is clipped."""
        command, framing = self.profile.commands[name], self.profile.framing
        values = {**values, **command.values}
        body = self._templates.fill(command.send, values)
        if isinstance(framing, AsciiLine):
            return body + framing.terminator.encode("latin-1")
        if isinstance(framing, Cobs):
            return cobs_frame(framing, command.opcode or 0, sequence, body)
        if isinstance(framing, LengthPrefixed):
            return self._templates.fill(framing.header, {**values, "count": _count(framing, name, body)}) + body
        return body

    def frame_bytes(self, name: str) -> int:
        """Longest frame of a command; 0 where its length varies."""
        return frame_bytes(self.profile, self.profile.commands[name]) or 0

    def reply_bytes(self, name: str) -> int:
        """Length of the good reply on the wire; 0 where there is none or its length varies."""
        reply, framing = self.profile.commands[name].reply, self.profile.framing
        size = template_bytes(self.profile, reply)
        if reply is None or size is None:
            return 0
        if isinstance(framing, AsciiLine):
            return size + len(framing.reply_terminator)
        return len(cobs_frame(framing, framing.reply_flag, 1, bytes(size))) if isinstance(framing, Cobs) else size

    def receiver(self) -> Receiver:
        """Collects the board's bytes into whole replies."""
        return make_receiver(self.profile.framing)

    def is_ready(self, raw: bytes) -> bool:
        """Whether this reply says that a restarted board hears commands again."""
        return self._is_boot_frame(raw) or (self._ready is not None and self._ready in raw)

    def read(self, raw: bytes, expected: Mapping[int, str]) -> Reply:
        """What a whole reply means while `expected` (key -> command) are outstanding.

        The key is the sequence number; without those there is one outstanding command under any key.
        """
        if self._is_boot_frame(raw) or any(mark in raw for mark in self._boot_marks):
            return Reply("boot", raw)
        if isinstance(self.profile.framing, Cobs):
            return self._read_frame(self.profile.framing, raw, expected)
        for key, name in expected.items():
            return self._answer(raw, key, name, raw)
        return Reply("stray", raw)

    def _read_frame(self, framing: Cobs, raw: bytes, expected: Mapping[int, str]) -> Reply:
        frame = cobs_parts(framing, raw)
        if frame is None:
            return Reply("stray", raw)
        if frame.opcode == framing.nack_opcode:
            return self._nack(framing, frame.sequence, frame.payload, raw, expected)
        name = expected.get(frame.sequence)
        if name is None or frame.opcode != (self.profile.commands[name].opcode or 0) | framing.reply_flag:
            return Reply("stray", raw)
        return self._answer(raw, frame.sequence, name, frame.payload)

    def _nack(self, framing: Cobs, sequence: int, payload: bytes, raw: bytes, expected: Mapping[int, str]) -> Reply:
        """A board that cannot say which command it refuses means the only one, where there is only one."""
        key = sequence if sequence in expected else next(iter(expected)) if len(expected) == 1 else None
        values = self._templates.match(framing.nack, payload)
        if key is None or values is None:
            return Reply("stray", raw)
        return Reply("refusal", raw, key, values, values.get("status") in self._worth_again)

    def _answer(self, raw: bytes, key: int, name: str, payload: bytes) -> Reply:
        command = self.profile.commands[name]
        values = self._templates.match(command.reply, payload)
        if values is not None and values.get("status", "ok") == "ok":
            return Reply("answer", raw, key, values)
        if values is None:
            values = self._templates.match(self._refusal(command), payload)
        if values is None or values.get("status") == "ok":
            return Reply("stray", raw)
        return Reply("refusal", raw, key, values, values.get("status") in self._worth_again)

    def _refusal(self, command: CommandConfig) -> str | None:
        framing = self.profile.framing
        return framing.nack if isinstance(framing, Cobs) else command.error

    def _is_boot_frame(self, raw: bytes) -> bool:
        opcode = self.profile.boot.opcode
        return opcode is not None and raw[:1] == bytes((opcode,))

    def _first_literal(self, template: str) -> bytes:
        first = self._templates.parts(template)[:1]
        return first[0] if first and isinstance(first[0], bytes) else b""


def _count(framing: LengthPrefixed, name: str, body: bytes) -> int:
    count, rest = divmod(len(body), framing.unit_bytes)
    if rest or count > framing.max_count:
        raise ValueError(f"{name}: {len(body)} bytes; at most {framing.max_count} units of {framing.unit_bytes} bytes")
    return count
