"""Open buffers of the simulated Pluto: what a client reads and writes, block by block."""

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Int
from hil.sim.iio_context import io_error
from hil.sim.pluto_radio import RX, TX, Radio

WORD_BYTES = 2
MAX_BLOCK_BYTES = 16 << 20  # industrialio_buffer_dma.max_block_size; a real kernel hands out less in silence
DMA_MEMORY_BYTES = 256 << 20  # CMA of the Pluto's kernel
WAIT_SLICE_S = 0.1  # a closed buffer ends a wait this soon
HALF_SAMPLE = 0.5


@dataclass(frozen=True)
class BufferShape:
    """What is asked for when a buffer is opened."""

    num_samples: int
    mask: int
    cyclic: bool

    @property
    def num_bytes(self) -> int:
        return self.num_samples * self.mask.bit_count() * WORD_BYTES

    def require_possible(self, num_columns: int, num_blocks: int) -> None:
        """Raise OSError EINVAL or ENOMEM for a buffer that cannot be on a device of so many columns, or so many of."""
        if self.num_samples < 1 or not 1 <= self.mask < 1 << num_columns:
            raise io_error(errno.EINVAL, f"a buffer of {self.num_samples} samples with channel mask {self.mask:#x}")
        if self.num_bytes > MAX_BLOCK_BYTES:
            raise io_error(errno.ENOMEM, f"a block of {self.num_samples} samples")
        if num_blocks * self.num_bytes > DMA_MEMORY_BYTES:
            raise io_error(errno.ENOMEM, f"{num_blocks} blocks of {self.num_samples} samples")


class Buffer:
    """An open buffer of one device. All methods raise OSError: EBADF once it is closed, EPIPE once the radio is gone.

    Waiting does not hold the radio's lock.
    """

    device: str

    def __init__(self, radio: Radio, shape: BufferShape, on_close: Callable[["Buffer"], None]) -> None:
        self.mask, self.cyclic, self.num_bytes = shape.mask, shape.cyclic, shape.num_bytes
        self._radio, self._on_close, self._closed = radio, on_close, False
        self._num_columns = radio.receiver.num_columns
        self._columns = [column for column in range(self._num_columns) if shape.mask >> column & 1]

    def read(self, num_bytes: int, timeout_s: float = math.inf) -> bytes:
        """The next block, at most `num_bytes` of it; what is left of it is gone. ENOSYS where it is no input."""
        raise io_error(errno.ENOSYS, f"{self.device} is no input")

    def require_writable(self) -> None:
        """Raise what `write` would raise whatever the data: ENOSYS where it is no output, EBUSY, EBADF."""
        raise io_error(errno.ENOSYS, f"{self.device} is no output")

    def write(self, data: bytes, timeout_s: float = math.inf) -> int:
        """Queue one block and return its number of bytes; waits while the queue is full."""
        self.require_writable()
        return 0

    def close(self) -> None:
        """Safe to call at any time, any number of times."""
        with self._radio.lock:
            if not self._closed:
                self._closed = True
                self._on_close(self)

    def _require_open(self) -> None:
        if self._closed:
            raise io_error(errno.EBADF, f"the buffer of {self.device} is closed")

    def _wait(self, until_s: float, deadline_s: float) -> None:
        """Let time pass towards `until_s`. Raises OSError ETIMEDOUT past the deadline."""
        now_s = self._radio.clock.now_s()
        if until_s > deadline_s and now_s >= deadline_s:
            raise io_error(errno.ETIMEDOUT, f"no block of {self.device} in time")
        self._radio.clock.sleep(min(until_s - now_s, max(deadline_s - now_s, 0.0), WAIT_SLICE_S))


class ReceiveBuffer(Buffer):
    """Blocks from the ADC, filled since the buffer was opened.

    A block leaves when it is full, as iiod hands it over: its way over USB begins with its last sample, and meanwhile
    the next blocks of the queue are filled.
    """

    device = RX

    def __init__(self, radio: Radio, shape: BufferShape, on_close: Callable[[Buffer], None]) -> None:
        super().__init__(radio, shape, on_close)
        self._queue = radio.receiver.start_queue(radio.kernel_blocks[RX], shape.num_samples)

    def read(self, num_bytes: int, timeout_s: float = math.inf) -> bytes:
        radio = self._radio
        deadline_s = radio.clock.now_s() + timeout_s
        radio.clock.sleep(radio.simulation.usb_turnaround_s)
        with radio.using():
            self._require_open()
            self._queue.requeue(radio.receiver.now_index, radio.receiver.start_delay())
        while (codes := self._dequeue_if_full()) is None:
            self._wait(self._due_s(), deadline_s)
        if radio.simulation.usb_bytes_per_s:
            radio.clock.sleep(self.num_bytes / radio.simulation.usb_bytes_per_s)
        return codes[:, self._columns].astype("<i2", copy=False).tobytes()[:num_bytes]

    def close(self) -> None:
        with self._radio.lock:
            if not self._closed:
                self._radio.receiver.stop_queue(self._queue)
            super().close()

    def _due_s(self) -> float:
        with self._radio.using():
            due = self._queue.due
            return self._radio.receiver.clock.time_s(int(due)) if due < math.inf else math.inf

    def _dequeue_if_full(self) -> Int[np.ndarray, "sample column"] | None:
        with self._radio.using():
            self._require_open()
            clock = self._radio.receiver.clock
            reached = clock.index(self._radio.clock.now_s() + HALF_SAMPLE / clock.rate_hz)
            due = self._queue.due
            if reached < due:
                return None
            self._queue.advance(int(due))
            return self._queue.dequeue()


class TransmitBuffer(Buffer):
    """Blocks to the DAC. The first cyclic one lives until the buffer is closed."""

    device = TX

    def __init__(self, radio: Radio, shape: BufferShape, on_close: Callable[[Buffer], None]) -> None:
        super().__init__(radio, shape, on_close)
        self._sending_for_ever = False
        radio.transmitter.select_dma()

    def write(self, data: bytes, timeout_s: float = math.inf) -> int:
        codes = self._codes(data)
        self._reserve(self._radio.clock.now_s() + timeout_s)
        with self._radio.changing():
            self._require_open()
            self._sending_for_ever = self.cyclic
            self._radio.transmitter.push(codes, self.cyclic)
        return len(data)

    def require_writable(self) -> None:
        self._require_open()
        if self._sending_for_ever:
            raise io_error(errno.EBUSY, "a cyclic buffer takes one block; close it first")

    def _reserve(self, deadline_s: float) -> None:
        """Wait until the queue has room for a block."""
        while True:
            with self._radio.using():
                self.require_writable()
                room_s = self._radio.transmitter.has_room_at_s(self._radio.kernel_blocks[TX])
            if room_s <= self._radio.clock.now_s():
                return
            self._wait(room_s, deadline_s)

    def _codes(self, data: bytes) -> Int[np.ndarray, "sample 2"]:
        """I and Q of the first channel; zeros where the buffer has none of it."""
        sample_bytes = len(self._columns) * WORD_BYTES
        if not data or len(data) % sample_bytes or len(data) > self.num_bytes:
            raise io_error(errno.EINVAL, f"a block of {len(data)} bytes, the buffer has {self.num_bytes}")
        words = np.frombuffer(data, dtype="<i2").reshape(-1, len(self._columns))
        codes = np.zeros((len(words), self._num_columns), dtype=np.int16)
        codes[:, self._columns] = words
        return codes[:, :2]
