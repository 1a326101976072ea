"""A board that speaks COBS frames with a CRC-16 and answers each of them, by sequence number.

Undecodable frames are refused with sequence number 0. Commands wait in a queue while one is at work; more than the
profile's `max_outstanding` are refused as busy.
"""

import binascii
from collections import deque
from functools import partial
from typing import Literal

from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import Cobs, CommandConfig
from hil.sim.boards.base import ResetCause
from hil.sim.boards.outputs import Outputs
from hil.sim.boards.profiled import RESET_CAUSES, ProfiledBoard, Refused, Values

DELIMITER = b"\0"
CRC_START = {"CRC-16/CCITT-FALSE": 0xFFFF, "CRC-16/XMODEM": 0}


class CobsBoard(ProfiledBoard):
    """Frames `opcode sequence payload crc`."""

    frame_end = DELIMITER

    def __init__(self, profile: FirmwareProfile, outputs: Outputs, *, sequence_clock_ppm: float = 0.0) -> None:
        super().__init__(profile, outputs, sequence_clock_ppm=sequence_clock_ppm)
        assert isinstance(profile.framing, Cobs)
        self._framing = profile.framing
        self._sequence_bytes = 1 if profile.framing.sequence == "u8" else 2
        self._sequence_order: Literal["little", "big"] = "big" if profile.framing.sequence == "u16be" else "little"
        self._crc_order: Literal["little", "big"] = profile.framing.crc_order
        self._by_opcode = {command.opcode: (name, command) for name, command in profile.commands.items()}
        self._status_numbers = profile.fields["status"].names if "status" in profile.fields else {}
        self._frame = bytearray()
        self._queue: deque[tuple[str, CommandConfig, int, bytes]] = deque()
        self._busy = False

    # ------------------------------------------------------------------------------------------------------- receiver

    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        *ends, rest = data.split(DELIMITER)
        position = 0
        for end in ends:
            position += len(end) + 1
            time_s = first_s + (position - 1) * byte_s
            self.run_until(time_s)
            frame, self._frame = bytes(self._frame) + end, bytearray()
            if frame:
                self._take(frame, time_s)
        self._frame += rest
        del self._frame[self._framing.max_frame_bytes + 1 :]  # too long already: no need to keep more

    def _take(self, frame: bytes, time_s: float) -> None:
        raw = cobs_decoded(frame) if len(frame) < self._framing.max_frame_bytes else None
        head = 1 + self._sequence_bytes
        if raw is None or len(raw) < head + 2:
            return self._refuse(0, "bad_length", time_s)
        sequence = int.from_bytes(raw[1:head], self._sequence_order)
        if int.from_bytes(raw[-2:], self._crc_order) != self._crc(raw[:-2]):
            return self._refuse(sequence, "bad_crc", time_s)
        if raw[0] not in self._by_opcode:
            return self._refuse(sequence, "bad_cmd", time_s)
        if len(self._queue) + self._busy >= self.profile.capabilities.max_outstanding:
            return self._refuse(sequence, "busy", time_s)
        self._queue.append((*self._by_opcode[raw[0]], sequence, raw[head:-2]))
        return self._work(time_s)

    # ----------------------------------------------------------------------------------------------------------- work

    def _work(self, time_s: float) -> None:
        while self._queue and not self._busy:
            name, command, sequence, payload = self._queue.popleft()
            if name == "reset":
                return self.reset(time_s, "command")
            self._obey(name, command, sequence, payload, time_s)
        return None

    def _obey(self, name: str, command: CommandConfig, sequence: int, payload: bytes, time_s: float) -> None:
        values = self.wording.parse(command.send, payload)
        if values is None:
            return self._refuse(sequence, "bad_length", time_s)
        try:
            answer, done_s = self._perform(name, values, time_s)
        except Refused as refusal:
            return self._refuse(sequence, refusal.status, time_s)
        reply = self.wording.fill(command.reply or "", {"status": 0, **answer})
        frame = self._framed((command.opcode or 0) | self._framing.reply_flag, sequence, reply)
        if done_s <= time_s:
            return self._send(time_s, frame)
        self._busy = True
        return self._at(done_s, partial(self._finish, frame))

    def _finish(self, frame: bytes, time_s: float) -> None:
        self._busy = False
        self._send(time_s, frame)
        self._work(time_s)

    def _refuse(self, sequence: int, status: str, time_s: float) -> None:
        payload = self.wording.fill(self._framing.nack, {"status": self._status_numbers.get(status, 1)})
        self._send(time_s, self._framed(self._framing.nack_opcode, sequence, payload))

    def _framed(self, opcode: int, sequence: int, payload: bytes) -> bytes:
        raw = bytes([opcode]) + sequence.to_bytes(self._sequence_bytes, self._sequence_order) + payload
        return cobs_encoded(raw + self._crc(raw).to_bytes(2, self._crc_order)) + DELIMITER

    def _crc(self, raw: bytes) -> int:
        return binascii.crc_hqx(raw, CRC_START[self._framing.crc])

    # ----------------------------------------------------------------------------------------------------------- boot

    def _forget(self) -> None:
        super()._forget()
        self._frame = bytearray()
        self._queue.clear()
        self._busy = False

    def _boot(self, time_s: float, cause: ResetCause) -> float:
        boot, ready_s = self.profile.boot, super()._boot(time_s, cause)
        if boot.opcode is not None:
            values: Values = {**self.profile.simulator.values, "reset_cause": RESET_CAUSES[cause]}
            frame = self._framed(boot.opcode, 0, self.wording.fill(boot.frame, values))
            self._at(time_s + boot.typical_s, partial(self._send, data=frame))
        return ready_s


def cobs_decoded(frame: bytes) -> bytes | None:
    """Consistent-overhead byte stuffing undone; None where a length byte points beyond the frame's end."""
    raw = bytearray()
    position = 0
    while position < len(frame):
        code = frame[position]
        following = position + code
        if code == 0 or following > len(frame):
            return None
        raw += frame[position + 1 : following]
        if code < 255 and following < len(frame):
            raw.append(0)
        position = following
    return bytes(raw)


def cobs_encoded(raw: bytes) -> bytes:
    """Consistent-overhead byte stuffing, without the delimiter. A full block at the end stands for no zero."""
    frame = bytearray()
    runs = raw.split(DELIMITER)
    for number, run in enumerate(runs, 1):
        full = len(run) >= 254
        while len(run) >= 254:
            frame += b"\xff" + run[:254]
            run = run[254:]
        if run or number < len(runs) or not full:
            frame.append(len(run) + 1)
            frame += run
    return bytes(frame)
