"""A board's link as a line: whole replies come in, bytes go out at the baud rate's pace. Knows no commands."""

from collections import deque
from collections.abc import Callable

from hil.errors import FramingError, LinkTimeout
from hil.firmware.framing import shown
from hil.firmware.wire import Wire
from hil.interfaces import ByteLink, Clock

__all__ = ["Line"]

CHUNK_BYTES = 4096
MAX_DISCARDED_BYTES = 65536  # a board that says more than this while nobody asked babbles
HEARD_BYTES = 256  # of what came back, kept for messages


class Line:
    """Collects replies in `inbox`.

    latency_s: longest time from the end of a reply on the wire until the host has it (USB adapter, network).
    on_noise: called where bytes without an end came while nobody waited for a reply.
    heard: the last bytes that came.
    """

    def __init__(
        self, link: ByteLink, wire: Wire, clock: Clock, *, latency_s: float, on_noise: Callable[[], object]
    ) -> None:
        self.inbox: deque[bytes] = deque()
        self.heard = b""
        self.latency_s = latency_s
        self._link = link
        self._clock = clock
        self._byte_s = wire.profile.seconds_per_byte
        self._resync = wire.profile.framing.resync
        self._receiver = wire.receiver()
        self._on_noise = on_noise
        self._free_s = 0.0

    @property
    def name(self) -> str:
        return self._link.name

    @property
    def damaged(self) -> int:
        """Frames that were dropped so far because they were damaged."""
        return self._receiver.damaged

    def open(self) -> None:
        """Open, or close and open again: what was received is forgotten. Raises NotConnected."""
        self._link.open()
        self.forget()
        self._free_s = self._clock.now_s()

    def close(self) -> None:
        self._link.close()

    def forget(self) -> None:
        """Forget all that was received, a half-received reply too."""
        self._receiver.clear()
        self.inbox.clear()

    def forget_half(self) -> None:
        """Forget a half-received reply."""
        self._receiver.clear()

    # ------------------------------------------------------------------------------------------------------------ out

    def write(self, data: bytes) -> None:
        """Raises LinkError, LinkTimeout."""
        self._link.write(data)
        start_s = max(self._clock.now_s(), self._free_s)
        self._free_s = start_s + len(data) * self._byte_s

    @property
    def sent_s(self) -> float:
        """When the last byte sent has left, as the baud rate tells; now at the earliest."""
        return max(self._free_s, self._clock.now_s())

    def earliest_answer_s(self, work_s: float) -> float:
        """When a board that works for `work_s` can answer what was sent last; before that an answer is another's."""
        return max(self._free_s + work_s, self._clock.now_s())

    # ------------------------------------------------------------------------------------------------------------- in

    def read(self, timeout_s: float) -> bool:
        """Take in the next bytes; False where none came. Raises LinkError, FramingError where a reply has no end."""
        data = self._link.read(CHUNK_BYTES, max(timeout_s, 0.0))
        self._feed(data)
        return bool(data)

    def listen(self, timeout_s: float) -> int:
        """Take in the next bytes, whatever they are; how many came."""
        data = self._link.read(CHUNK_BYTES, max(timeout_s, 0.0))
        try:
            self._feed(data)
        except FramingError:
            self._on_noise()
        return len(data)

    def drain(self, duration_s: float) -> None:
        """Take in what comes for this long. Raises FramingError where the board does not stop talking."""
        deadline_s = self._clock.now_s() + duration_s
        taken = 0
        while count := self.listen(deadline_s - self._clock.now_s()):
            taken += count
            if taken > MAX_DISCARDED_BYTES:
                self._receiver.clear()
                raise FramingError(f"{self.name}: {taken} bytes that nobody asked for: {shown(self.heard)}")

    def flush(self) -> None:
        """Send what flushes a half-received command, and listen until all is quiet."""
        if self._resync.send:
            self.write(self._resync.send.encode("latin-1"))
        self.drain(self.sent_s - self._clock.now_s() + self._resync.quiet_s + self.latency_s)

    def take_greeting(self, num_bytes: int, timeout_s: float) -> None:
        """Bytes that a server sends unasked; a server that sends none serves somebody else. Raises LinkTimeout."""
        deadline_s = self._clock.now_s() + timeout_s
        while num_bytes > 0:
            data = self._link.read(num_bytes, max(deadline_s - self._clock.now_s(), 0.0))
            if not data:
                raise LinkTimeout(f"{self.name}: no greeting; does another program talk to the board?")
            num_bytes -= len(data)

    def _feed(self, data: bytes) -> None:
        self.heard = (self.heard + data)[-HEARD_BYTES:]
        self.inbox.extend(self._receiver.feed(data))
