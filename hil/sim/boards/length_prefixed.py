"""A board that takes `header body`, the header counting the body, and plays the patterns in it.

Behaves as the Leonardo sketch of github.com/remi-blandin/metasurface_control@5c1c51ad.

A count that is too large is refused while the body stays in the stream, to be taken for headers. A body that is too
short is waited for without end. Bytes that come while patterns are played once wait; any byte ends a loop.
"""

from functools import partial

import numpy as np

from hil.arrays import UInt8
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import LengthPrefixed
from hil.sim.boards.outputs import Outputs
from hil.sim.boards.profiled import ProfiledBoard, Refused, Values


class LengthPrefixedBoard(ProfiledBoard):
    """Collects a header, then the body that it announces."""

    def __init__(self, profile: FirmwareProfile, outputs: Outputs) -> None:
        super().__init__(profile, outputs)
        assert isinstance(profile.framing, LengthPrefixed)
        self._framing = profile.framing
        self._header_bytes = self.wording.size(profile.framing.header)
        self._received = bytearray()
        self._busy = False
        self._playing = 0  # number of the play that goes on; beats of earlier ones fall on nothing

    def open_port(self, time_s: float) -> None:
        """Opening the port pulls the reset line where the board is wired so."""
        super().open_port(time_s)
        if getattr(self.profile.link, "resets_on_open", False):
            self.reset(time_s, "port_opened")

    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        for number in range(len(data)):
            time_s = first_s + number * byte_s
            self.run_until(time_s)
            self._received += data[number : number + 1]
            if not self._busy:
                self._playing += 1
                self._parse(time_s)

    def _parse(self, time_s: float) -> None:
        """Obey what is complete. Called whenever a byte came or a play ended."""
        while not self._busy and len(self._received) >= self._header_bytes:
            header = self.wording.parse(self._framing.header, bytes(self._received[: self._header_bytes])) or {}
            count = int(header["count"])
            if count > self._framing.max_count:
                del self._received[: self._header_bytes]
                self._refuse(time_s)
                continue
            end = self._header_bytes + count * self._framing.unit_bytes
            if len(self._received) < end:
                return
            body = bytes(self._received[self._header_bytes : end])
            del self._received[:end]
            try:
                self._obey(header, body, time_s)
            except Refused:
                self._refuse(time_s)

    def _obey(self, header: Values, body: bytes, time_s: float) -> None:
        size = self.profile.pattern_bytes
        patterns = [self._states(body[start : start + size]) for start in range(0, len(body), size)]
        names = [name for name, command in self.profile.commands.items() if command.values.items() <= header.items()]
        if not names:
            return
        reply = self.wording.fill(self.profile.commands[names[0]].reply or "", {})
        self._playing += 1
        if self.profile.timing.ack == "before_update":
            self._send(time_s, reply)
            reply = b""
        self._busy = not names[0].endswith("loop")
        self._play(patterns, 0, self._playing, reply, time_s)

    def _play(
        self, patterns: list[UInt8[np.ndarray, "place"]], number: int, playing: int, reply: bytes, time_s: float
    ) -> None:
        """Show one pattern, then the next; a loop starts over, a single play answers and listens again."""
        if playing != self._playing:
            return
        if patterns and (number < len(patterns) or not self._busy):
            done_s = self._change(patterns[number % len(patterns)], time_s)
            self._at(done_s, partial(self._play, patterns, number + 1, playing, reply))
        else:
            self._busy = False
            self._send(time_s, reply)
            self._parse(time_s)

    def _refuse(self, time_s: float) -> None:
        errors = [command.error for command in self.profile.commands.values() if command.error]
        if self.profile.on_bad_command == "error" and errors:
            self._send(time_s, self.wording.fill(errors[0], {}))

    def _forget(self) -> None:
        super()._forget()
        self._received = bytearray()
        self._busy = False
        self._playing = 0
