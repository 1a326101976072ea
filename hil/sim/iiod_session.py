"""One client of the IIO daemon: its command lines, what they do to the simulated Pluto, and the answers.

Not supported: reading or writing all attributes of a channel at once, triggers, the binary protocol of libiio 1.x (its
clients fall back to text when they are refused).
"""

import errno
import math
from collections.abc import Callable
from io import BufferedIOBase
from typing import NamedTuple

from hil.sim.iio_context import LIBIIO_VERSION, AttributeKind, io_error
from hil.sim.pluto import SimulatedPluto
from hil.sim.pluto_buffers import Buffer

MAX_LINE_BYTES = 1024
MAX_ATTRIBUTE_BYTES = 1 << 16
DRAIN_BYTES = 1 << 16
HELP = b"HELP EXIT PRINT VERSION TIMEOUT OPEN CLOSE READ WRITE READBUF WRITEBUF GETTRIG SETTRIG SET\n"


class Disconnected(Exception):
    """The client is gone, sent what is no command line, or the radio under it vanished."""


class _Path(NamedTuple):
    """An attribute of a device: `ATTR`, `DEBUG ATTR`, `BUFFER ATTR`, `INPUT CHANNEL ATTR` or `OUTPUT CHANNEL ATTR`."""

    attribute: str
    channel: str | None
    output: bool
    kind: AttributeKind

    @classmethod
    def parse(cls, words: list[str]) -> "_Path":
        match words:
            case [attribute]:
                return cls(attribute, None, False, "device")
            case ["DEBUG", attribute]:
                return cls(attribute, None, False, "debug")
            case ["BUFFER", attribute]:
                return cls(attribute, None, False, "buffer")
            case ["INPUT" | "OUTPUT" as direction, channel, attribute]:
                return cls(attribute, channel, direction == "OUTPUT", "device")
            case _:
                raise io_error(errno.EINVAL, f"attribute path {words}")


class Session:
    """Serves the lines of `received`; `send` raises Disconnected where the client no longer listens."""

    def __init__(self, pluto: SimulatedPluto, received: BufferedIOBase, send: Callable[[bytes], None]) -> None:
        self._pluto, self._received, self._send = pluto, received, send
        self._timeout_s = math.inf
        self._buffers: dict[str, Buffer] = {}

    def run(self) -> None:
        """Until the client leaves. Raises Disconnected where it left without EXIT."""
        while (words := self._next_line()) != ["EXIT"]:
            try:
                self._execute(words)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise Disconnected(str(error)) from error
                self._answer(-(error.errno or errno.EIO))

    def close(self) -> None:
        """Close what the client left open; from any thread, a wait for a block then ends at once."""
        for buffer in tuple(self._buffers.values()):
            buffer.close()

    def _execute(self, words: list[str]) -> None:
        match words:
            case []:
                pass
            case ["HELP"]:
                self._send(HELP)
            case ["PRINT"]:
                self._send_text(self._pluto.describe().xml())
            case ["VERSION"]:
                major, minor, tag = LIBIIO_VERSION
                self._send(f"{major}.{minor}.{tag:<7.7}\n".encode())
            case ["TIMEOUT", milliseconds]:
                self._timeout_s = _count(milliseconds) / 1000 or math.inf
                self._answer(0)
            case ["READ", device, *path]:
                self._read_attribute(device, _Path.parse(path))
            case ["WRITE", device, *path, count]:
                self._write_attribute(device, path, _count(count))
            case ["OPEN", device, samples, mask] | ["OPEN", device, samples, mask, "CYCLIC"]:
                self._open(device, _count(samples), _count(mask, 16), words[-1] == "CYCLIC")
            case ["CLOSE", device]:
                self._buffer(device).close()
                del self._buffers[self._id(device)]
                self._answer(0)
            case ["READBUF", device, count]:
                self._read_buffer(self._buffer(device), _count(count))
            case ["WRITEBUF", device, count]:
                self._write_buffer(self._buffer(device), _count(count))
            case ["SET", device, "BUFFERS_COUNT", count]:
                self._pluto.set_kernel_buffers_count(device, _count(count))
                self._answer(0)
            case ["GETTRIG", device] | ["SETTRIG", device, *_]:
                raise io_error(errno.ENOENT, f"trigger of {self._id(device)}")
            case _:
                raise io_error(errno.EINVAL, f"command {words}")

    # -------------------------------------------------------------------------------------------------- attributes

    def _read_attribute(self, device: str, path: _Path) -> None:
        text = self._pluto.read_attr(device, path.attribute, channel=path.channel, output=path.output, kind=path.kind)
        self._send_text(text + "\0")

    def _write_attribute(self, device: str, words: list[str], count: int) -> None:
        """The payload is taken whatever the answer will be, else it would be read as the next command."""
        if count > MAX_ATTRIBUTE_BYTES:
            self._drain(count)
            raise io_error(errno.ENOMEM, f"an attribute of {count} bytes")
        payload = self._take(count)
        path = _Path.parse(words)
        text = payload.decode("ascii", errors="replace")
        self._pluto.write_attr(device, path.attribute, text, channel=path.channel, output=path.output, kind=path.kind)
        self._answer(count)

    # ----------------------------------------------------------------------------------------------------- buffers

    def _open(self, device: str, num_samples: int, mask: int, cyclic: bool) -> None:
        if self._id(device) in self._buffers:
            raise io_error(errno.EBUSY, f"this connection has a buffer of {device}")
        self._buffers[self._id(device)] = self._pluto.open_buffer(device, num_samples, mask, cyclic)
        self._answer(0)

    def _read_buffer(self, buffer: Buffer, count: int) -> None:
        """Block after block; the mask goes with the first."""
        mask = f"{buffer.mask:08x}\n".encode()
        while count > 0:
            block = buffer.read(count, self._timeout_s)
            self._send(f"{len(block)}\n".encode() + mask + block)
            mask = b""
            count -= len(block)

    def _write_buffer(self, buffer: Buffer, count: int) -> None:
        """Ready, payload, done. Before `ready` the client sends nothing, so that an error there needs no draining."""
        buffer.require_writable()
        self._answer(0)
        left = count
        while left > 0:
            block = self._take(min(left, buffer.num_bytes))
            left -= len(block)
            try:
                buffer.write(block, self._timeout_s)
            except OSError:
                self._drain(left)
                raise
        self._answer(count)

    def _buffer(self, device: str) -> Buffer:
        buffer = self._buffers.get(self._id(device))
        if buffer is None:
            raise io_error(errno.EBADF, f"this connection has no buffer of {device}")
        return buffer

    def _id(self, device: str) -> str:
        return self._pluto.describe().device(device).id

    # ----------------------------------------------------------------------------------------------------- the line

    def _next_line(self) -> list[str]:
        line = self._received.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Disconnected("end of the connection" if len(line) < MAX_LINE_BYTES else "no command line")
        return line.decode("ascii", errors="replace").split()

    def _take(self, count: int) -> bytes:
        data = self._received.read(count)
        if len(data) < count:
            raise Disconnected("end of the connection within a payload")
        return data

    def _drain(self, count: int) -> None:
        while count > 0:
            count -= len(self._take(min(count, DRAIN_BYTES)))

    def _answer(self, number: int) -> None:
        self._send(f"{number}\n".encode())

    def _send_text(self, text: str) -> None:
        data = text.encode()
        self._send(f"{len(data)}\n".encode() + data + b"\n")


def _count(word: str, base: int = 10) -> int:
    """Raises OSError EINVAL where the word is no number, or a negative one."""
    try:
        number = int(word, base)
    except ValueError as error:
        raise io_error(errno.EINVAL, f"number {word}") from error
    if number < 0:
        raise io_error(errno.EINVAL, f"number {word}")
    return number
