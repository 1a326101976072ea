"""The TH Koeln Open Source RIS, firmware 1.1, byte for byte: one interrupt per byte, one FIFO, one main loop.

Follows main.c and fifo.c of github.com/mheinri/OpenSourceRIS@7982a576. The receive interrupt keeps filling the FIFO
while the main loop works, and the main loop clears only the flags of the command that it finished: back-to-back
commands are lost for that reason, not by rule.
Simplifications: USB side only (no Bluetooth module, so `!BT-Key` ends in `#ERROR`), the host's RTS always asserted,
an instant main loop between commands.
"""

import math
import string
from functools import partial

import numpy as np

from hil.arrays import UInt8
from hil.sim.boards.base import Board, ResetCause
from hil.sim.boards.outputs import Outputs

LINE_FEED = 0x0A
FIFO_BYTES = 128
PATTERN_DIGITS = 64
HEX_DIGITS = b"0123456789ABCDEF"
COMMAND_BYTES = frozenset((string.digits + string.ascii_uppercase + "-=").encode())
REQUEST_BYTES = frozenset(string.ascii_uppercase.encode())
BOOT_WAIT_S = 0.530  # programmed delays before the banner
SUPPLY_WAIT_S = 2e-5  # two conversions of the ADC, assumed
KEY_WAIT_S = 3.0  # time-outs of the Bluetooth module's answers, summed


class OpenSourceRis(Board):
    """Receive interrupt, FIFO of 128 bytes, four flags, main loop with blocking transmission."""

    frame_end = b"\n"

    def __init__(
        self,
        outputs: Outputs,
        *,
        baud: int,
        update_s: float,
        serial_number: str,
        supply_v: float,
    ) -> None:
        super().__init__(outputs, update_s=update_s)
        self.serial_number = serial_number
        self.supply_v = supply_v
        self._byte_s = 10 / baud
        self._fifo = bytearray()
        self._started = b""
        self._complete = False
        self._busy = False
        self._digits = b"0" * PATTERN_DIGITS

    # ---------------------------------------------------------------------------------------------- receive interrupt

    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        for number, byte in enumerate(data.upper()):
            time_s = first_s + number * byte_s
            if self.next_event_s <= time_s:
                self.run_until(time_s)
            self._interrupt(byte, time_s)

    def _interrupt(self, byte: int, time_s: float) -> None:
        if len(self._fifo) >= FIFO_BYTES:
            self._clear()
        elif byte in b"!?" and not self._started:
            self._started = bytes([byte])
        elif byte == LINE_FEED and self._started:
            self._fifo.append(byte)
            self._complete = True
            self._main_loop(time_s)
        elif self._takes(byte):
            self._fifo.append(byte)
        else:
            self._clear()

    def _takes(self, byte: int) -> bool:
        return byte in {b"!": COMMAND_BYTES, b"?": REQUEST_BYTES}.get(self._started, frozenset())

    def _clear(self) -> None:
        self._fifo.clear()
        self._started = b""
        self._complete = False

    # ------------------------------------------------------------------------------------------------------ main loop

    def _main_loop(self, time_s: float) -> None:
        if self._complete and not self._busy:
            known = self._command(time_s) if self._started == b"!" else self._request(time_s)
            if not known:
                self._clear()

    def _command(self, time_s: float) -> bool:
        """Dispatch by stored length, LF included. False where the command is none."""
        if len(self._fifo) >= PATTERN_DIGITS // 2 + 3:
            return self._set_pattern(time_s)
        if len(self._fifo) == 14:
            return self._set_key(time_s)
        if len(self._fifo) == 6 and self._dequeue(6) == b"RESET\n":
            self.reset(time_s, "command")
            return True
        return False

    def _set_pattern(self, time_s: float) -> bool:
        line = self._dequeue(PATTERN_DIGITS + 3)
        digits = line[2:-1]
        if line[:2] != b"0X" or line[-1:] != b"\n" or len(digits) != PATTERN_DIGITS or digits.strip(HEX_DIGITS):
            return False
        self._digits = digits
        done_s = self._change(bits_of(digits), time_s)
        self._answer(done_s, b"#OK\n")
        return True

    def _set_key(self, time_s: float) -> bool:
        line = self._dequeue(14)
        if not (line.startswith(b"BT-KEY=") and line[7:13].isdigit() and line.endswith(b"\n")):
            return False
        self._answer(time_s + KEY_WAIT_S, b"#ERROR\n")
        return True

    def _request(self, time_s: float) -> bool:
        line = self._dequeue(len(self._fifo))
        if line == b"VEXT\n":
            self._answer(time_s + SUPPLY_WAIT_S, supply_text(self.supply_v))
        elif line == b"PATTERN\n":
            self._answer(time_s, b"#0X" + self._digits + b"\n")
        elif line == b"SERIALNO\n":
            self._answer(time_s, f"#SerNo: {self.serial_number}\n".encode())
        else:
            return False
        return True

    def _dequeue(self, num_bytes: int) -> bytes:
        taken = bytes(self._fifo[:num_bytes])
        del self._fifo[:num_bytes]
        return taken

    def _answer(self, start_s: float, text: bytes) -> None:
        """Transmit, blocking; then clear the flags of this kind of command, whatever the interrupt made of them."""
        self._busy = True
        self._at(start_s, lambda time_s: self._send(time_s, text))
        self._at(start_s + len(text) * self._byte_s, partial(self._finish, self._started))

    def _finish(self, kind: bytes, time_s: float) -> None:
        self._busy = False
        if self._started == kind:
            self._started = b""
            self._complete = False
        self._main_loop(time_s)

    # ----------------------------------------------------------------------------------------------------------- boot

    def _forget(self) -> None:
        self._clear()
        self._busy = False
        self._digits = b"0" * PATTERN_DIGITS

    def _boot(self, time_s: float, cause: ResetCause) -> float:
        banner = (
            "\nOpen Source RIS\nFirmware version: 1.1\n"
            f"Serial no.: {self.serial_number}\nRow count: 16\nColumn count: 16\n\n#READY!\n"
        ).encode()
        start_s = time_s + BOOT_WAIT_S
        self._at(start_s, lambda start_s: self._send(start_s, banner))
        return start_s + len(banner) * self._byte_s


def bits_of(digits: bytes) -> UInt8[np.ndarray, "place"]:
    """States in wire order: the most significant bit of the first digit is element 1."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits.decode()), np.uint8))


def supply_text(supply_v: float) -> bytes:
    """Answer to `?Vext`: tenths are cut, hundredths rounded, so that 9.196 V reads 09.10. Nothing outside 0-99.99 V."""
    if not 0 <= supply_v <= 99.99:
        return b""
    whole, tenths = math.floor(supply_v), math.floor(supply_v * 10) % 10
    hundredths = math.floor(supply_v * 100 + 0.5) % 10
    return f"#{whole:02d}.{tenths}{hundredths} V\n".encode()
