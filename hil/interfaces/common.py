"""Time, bytes, progress and endings: what every instrument and every story shares."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, TypeVar, runtime_checkable

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as work goes on."""

SweepMode = Literal["stepped", "pipelined", "codebook", "sequence", "burst", "triggered"]


@runtime_checkable
class Clock(Protocol):
    """Time as the instruments live it: monotonic seconds. Simulated testbeds advance it themselves."""

    def now_s(self) -> float: ...

    def sleep(self, duration_s: float) -> None:
        """Return once `duration_s` has passed; zero or negative returns at once."""
        ...


@runtime_checkable
class ByteLink(Protocol):
    """A byte stream to a board: a serial port, a TCP or UDP socket, or a simulated one. Knows no protocol."""

    @property
    def name(self) -> str:
        """Where the stream goes, for messages: `/dev/ttyUSB0`, `tcp://192.168.4.1:8080`, `sim:opensource-ris-16x16`."""
        ...

    def open(self) -> None:
        """Open the stream; where it is open, close it first: a TCP server sees a new connection, an Arduino restarts.

        Bytes that were under way are gone. Raises NotConnected.
        """
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes to the transmitter and return; they travel at the link's rate.

        Raises LinkTimeout where the peer holds the line off (flow control), LinkError where the port is gone.
        """
        ...

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Bytes received, as soon as there is at least one; `b""` when `timeout_s` passed without any.

        Raises LinkError where the port is gone.
        """
        ...

    def close(self) -> None: ...


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """For callers who do not watch."""


_Closing = TypeVar("_Closing", bound="Closing")


class Closing:
    """Mixin: `with thing:` closes it."""

    def close(self) -> None:
        raise TypeError(f"{type(self).__name__} has no close()")

    def __enter__(self: _Closing) -> _Closing:  # not typing.Self: the tests' type checker refuses it here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class SystemClock:
    """Wall time, monotonic, starting at zero."""

    _origin_s: float = field(default_factory=time.monotonic)

    def now_s(self) -> float:
        return time.monotonic() - self._origin_s

    def sleep(self, duration_s: float) -> None:
        if duration_s > 0:
            time.sleep(duration_s)
