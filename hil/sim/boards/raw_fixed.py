"""A board that takes only commands of one length.

Behind a small server it is what lies in the socket when the server looks: a split write is two short reads, two writes
during an update are one long read, and either is dropped in silence (so do the servers of github.com/jimrains:
OpenRIS@7e655aa0, IRSTestbedUofG@3070789c). On a serial line bytes are counted: one that is lost shifts all that follow.
"""

from functools import partial

from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import RawFixed
from hil.sim.boards.outputs import Outputs
from hil.sim.boards.profiled import ProfiledBoard, Refused


class RawFixedBoard(ProfiledBoard):
    """One read, one command, one answer. On contents that it rejects the server answers `error` and hangs up."""

    def __init__(self, profile: FirmwareProfile, outputs: Outputs) -> None:
        super().__init__(profile, outputs)
        assert isinstance(profile.framing, RawFixed)
        self._length = profile.framing.length
        self._waits = profile.link.kind == "serial"
        self._socket = bytearray()
        self._busy = False
        if profile.boot.pattern == "undefined":
            self.outputs.show(self._undefined(), 0.0)

    def open_port(self, time_s: float) -> None:
        """A client connects: the server greets it, and shows whatever its buffer holds where it greets twice."""
        super().open_port(time_s)
        self._socket.clear()
        greeting = self.profile.boot.greeting.encode("latin-1")
        if len(greeting) > 1:
            self.outputs.show(self._undefined(), time_s)
        self._send(time_s, greeting)

    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        last_s = first_s + (len(data) - 1) * byte_s
        self.run_until(last_s)
        self._socket += data
        self._read(last_s)

    def _read(self, time_s: float) -> None:
        enough = self._length if self._waits else 1
        while len(self._socket) >= enough and not self._busy:
            size = self._length if self._waits else self._length + 1
            data = bytes(self._socket[:size])
            del self._socket[:size]
            if len(data) == self._length:
                self._obey(data, time_s)

    def _obey(self, data: bytes, time_s: float) -> None:
        for name, command in self.profile.commands.items():
            values = self.wording.parse(command.send, data)
            if values is None:
                continue
            try:
                answer, done_s = self._perform(name, values, time_s)
                self._busy = True
                self._at(done_s, partial(self._finish, self.wording.fill(command.reply or "", answer)))
                return
            except Refused:
                continue
        if self.profile.on_bad_command == "error":
            errors = [command.error for command in self.profile.commands.values() if command.error]
            self._send(time_s, self.wording.fill(errors[0], {}))
            self._hang_up(time_s)

    def _finish(self, reply: bytes, time_s: float) -> None:
        self._busy = False
        self._send(time_s, reply)
        self._read(time_s)

    def _forget(self) -> None:
        super()._forget()
        self._socket = bytearray()
        self._busy = False
