"""A board that takes lines of text and answers with lines, after its profile alone.

It does one thing at a time: a line that ends while another command is still answered is lost without a word.
"""

from functools import partial

from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import AsciiLine
from hil.sim.boards.base import ResetCause
from hil.sim.boards.outputs import Outputs
from hil.sim.boards.profiled import ProfiledBoard, Refused


class AsciiLineBoard(ProfiledBoard):
    """Collects bytes up to the terminator. A line longer than the board can hold is dropped as a whole."""

    def __init__(self, profile: FirmwareProfile, outputs: Outputs) -> None:
        super().__init__(profile, outputs)
        assert isinstance(profile.framing, AsciiLine)
        self._framing = profile.framing
        self._end = profile.framing.terminator.encode("latin-1")
        self.frame_end = self._end[-1:]
        self._reply_end = profile.framing.reply_terminator.encode("latin-1")
        self._cancel = profile.framing.cancel.encode("latin-1")
        self._line = bytearray()
        self._busy = False

    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        for number, byte in enumerate(data):
            self._line.append(byte)
            if self._cancel and self._line.endswith(self._cancel):
                self._line.clear()
            if self._line.endswith(self._end):
                self.run_until(first_s + number * byte_s)
                line, self._line = bytes(self._line), bytearray()
                if not self._busy and len(line) <= self._framing.max_line_bytes:
                    self._obey(line.removesuffix(self._end), first_s + number * byte_s)
        del self._line[: -self._framing.max_line_bytes - 1]  # too long already: no need to keep more

    def _obey(self, line: bytes, time_s: float) -> None:
        for name, command in self.profile.commands.items():
            values = self.wording.parse(command.send, line)
            if values is None:
                continue
            if name == "reset":
                return self.reset(time_s, "command")
            try:
                answer, done_s = self._perform(name, values, time_s)
                self._answer(command.reply, answer, done_s)
            except Refused:
                self._answer(command.error if self.profile.on_bad_command == "error" else None, {}, time_s)
            return None
        return None

    def _answer(self, template: str | None, values: dict[str, int | str | bytes], start_s: float) -> None:
        if template is None:
            return
        text = self.wording.fill(template, values) + self._reply_end
        self._busy = True
        self._at(start_s, lambda time_s: self._send(time_s, text))
        self._at(start_s + len(text) * self.profile.seconds_per_byte, self._finish)

    def _finish(self, time_s: float) -> None:
        self._busy = False

    def _forget(self) -> None:
        super()._forget()
        self._line = bytearray()
        self._busy = False

    def _boot(self, time_s: float, cause: ResetCause) -> float:
        boot, values = self.profile.boot, self.profile.simulator.values
        banner = b"".join(self.wording.fill(line, values) + self._reply_end for line in boot.banner)
        ready_s = super()._boot(time_s, cause)
        start_s = time_s + boot.typical_s - len(banner) * self.profile.seconds_per_byte
        self._at(max(time_s, start_s), partial(self._send, data=banner))
        return ready_s
