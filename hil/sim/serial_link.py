"""The line between the host's port and a simulated board, and the in-process link that stands at its host end.

Bytes take ten bit times each, both ways. The host's USB adapter hands received bytes over like an FTDI chip: when its
latency timer has run since the first of them, or when a packet is full.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from functools import partial

from hil.errors import LinkError
from hil.interfaces import Closing
from hil.sim.boards.base import HANG_UP, Board
from hil.sim.clock import Event, EventClock
from hil.sim.effort import door
from hil.sim.faults import Faults, Mishap

PACKET_BYTES = 62  # of a full-speed FTDI packet, its two status bytes taken off
ROUNDING = 1e-6  # of a byte time


class UsbAdapter:
    """Received bytes on their way to the host, with the times at which they reached the adapter."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._data = bytearray()
        self._arrivals_s: list[float] = []

    def push(self, data: bytes, first_s: float, byte_s: float) -> None:
        """Bytes reach the adapter: the first at `first_s`, each next one `byte_s` later."""
        self._data += data
        self._arrivals_s += [first_s + number * byte_s for number in range(len(data))]

    def clear(self) -> None:
        """Lose all that waits."""
        self._data.clear()
        self._arrivals_s.clear()

    @property
    def next_delivery_s(self) -> float:
        """When the host gets something next; infinity where nothing waits."""
        if not self._data:
            return math.inf
        due_s = self._arrivals_s[0] + self._latency_s
        if len(self._data) >= PACKET_BYTES:
            due_s = min(due_s, self._arrivals_s[PACKET_BYTES - 1])
        return due_s

    def deliver(self, now_s: float) -> bytes:
        """What the host got until now."""
        delivered = b""
        while (due_s := self.next_delivery_s) <= now_s:
            count = bisect_right(self._arrivals_s, due_s)
            delivered += self._data[:count]
            del self._data[:count], self._arrivals_s[:count]
        return delivered


class BoardLine:
    """A board at the far end of a line. Everything happens in events of the clock, one at a time.

    baud: infinity for a network, where a write arrives at once and in one piece.
    on_data: called when bytes have reached the host, or the board has hung up.
    """

    def __init__(
        self,
        board: Board,
        clock: EventClock,
        *,
        baud: float,
        latency_s: float,
        faults: Faults | None,
        on_data: Callable[[], None] | None = None,
    ) -> None:
        self.board = board
        self.faults = faults or Faults()
        self._leaving = False
        self._clock = clock
        self._byte_s = 10 / baud
        self._adapter = UsbAdapter(latency_s)
        self.on_data = on_data
        self._received = bytearray()
        self._to_board: deque[tuple[float, bytes]] = deque()  # arrival of the first byte, bytes
        self._offset = 0  # bytes of the first of these that the board has
        self._to_board_free_s = self._to_host_free_s = -math.inf
        self._event: Event | None = None
        self.suffer(lambda board, time_s: None)

    # ------------------------------------------------------------------------------------------------- the host's end

    def open(self) -> None:
        """The host opens its port."""
        self.suffer(lambda board, time_s: board.open_port(time_s))

    @property
    def hung_up(self) -> bool:
        """The board closed the connection, and all that it sent before has reached the host."""
        return self._leaving and self._adapter.next_delivery_s == math.inf

    def send(self, data: bytes) -> None:
        """Put bytes into the host's transmitter; they travel one after the other."""
        self._clock.schedule(self._clock.now_s(), partial(self._send, data))

    def take(self, max_bytes: int) -> bytes:
        """Bytes that have reached the host."""
        taken = bytes(self._received[:max_bytes])
        del self._received[: len(taken)]
        return taken

    def discard(self) -> None:
        """Forget the bytes on their way to the host and the end of a connection, as closing a port does."""
        self._received.clear()
        self._adapter.clear()
        self._leaving = False

    def trigger(self) -> None:
        """A rising edge at the board's trigger input."""
        self.suffer(lambda board, time_s: board.trigger(time_s))

    def suffer(self, mishap: Mishap) -> None:
        """Let something happen to the board, in its turn."""
        self._at(self._clock.now_s(), mishap)

    # -------------------------------------------------------------------------------------------------------- events

    def _send(self, data: bytes) -> None:
        now_s = self._clock.now_s()
        start_s = max(now_s, self._to_board_free_s)
        for time_s, mishap in self.faults.mishaps(start_s, start_s + len(data) * self._byte_s):
            self._at(time_s, mishap)
        if stale := self.faults.stale_answer():
            self._carry(now_s, stale)
        for delay_s, piece in self.faults.to_board(data) if data else ():
            start_s = max(now_s, self._to_board_free_s) + delay_s
            self._to_board.append((start_s + self._byte_s, piece))
            self._to_board_free_s = start_s + len(piece) * self._byte_s
        self._pump()

    def _at(self, time_s: float, mishap: Mishap) -> None:
        def happen() -> None:
            self._bring(self._clock.now_s())
            mishap(self.board, self._clock.now_s())
            self._pump()

        self._clock.schedule(time_s, happen)

    def _pump(self) -> None:
        """Bring all that is due now to both ends, and come back when something is due next."""
        now_s = self._clock.now_s()
        self._bring(now_s)
        self.board.run_until(now_s)
        for ready_s, data in self.board.take_output():
            self._answer(ready_s, data)
        if delivered := self._adapter.deliver(now_s):
            self._received += delivered
        if self.on_data and (delivered or self.hung_up):
            self.on_data()
        self._plan()

    def _bring(self, now_s: float) -> None:
        """Give the board each byte that has arrived, with the time at which it did."""
        while self._to_board and self._to_board[0][0] <= now_s:
            first_s, data = self._to_board[0]
            arrived = len(data)
            if self._byte_s:
                arrived = min(arrived, math.floor((now_s - first_s) / self._byte_s + ROUNDING) + 1)
            if arrived > self._offset:
                next_s = first_s + self._offset * self._byte_s
                self.board.receive(data[self._offset : arrived], next_s, self._byte_s)
            if arrived < len(data):
                self._offset = arrived
                return
            self._to_board.popleft()
            self._offset = 0

    def _answer(self, ready_s: float, data: bytes) -> None:
        if data == HANG_UP:
            self._leaving = True
        for delay_s, piece in self.faults.to_host(data, ready_s) if data else ():
            self._carry(ready_s + delay_s, piece)

    def _carry(self, ready_s: float, data: bytes) -> None:
        start_s = max(ready_s, self._to_host_free_s)
        self._adapter.push(data, start_s + self._byte_s, self._byte_s)
        self._to_host_free_s = start_s + len(data) * self._byte_s

    def _plan(self) -> None:
        next_s = min(self._next_arrival_s(), self.board.next_event_s, self._adapter.next_delivery_s)
        if self._event is not None and self._event.time_s <= next_s:
            return
        if self._event is not None:
            self._event.cancel()
        self._event = self._clock.schedule(next_s, self._wake) if next_s < math.inf else None

    def _wake(self) -> None:
        self._event = None
        self._pump()

    def _next_arrival_s(self) -> float:
        """When a byte arrives on which the board acts, or the last of a write."""
        if not self._to_board:
            return math.inf
        first_s, data = self._to_board[0]
        end = self.board.frame_end
        position = self._offset if end is None else data.find(end, self._offset)
        return first_s + (position if position >= 0 else len(data) - 1) * self._byte_s


class SimulatedLink(Closing):
    """The host's port, in process: a ByteLink whose board lives on the same clock.

    `write` takes no time: the operating system buffers. `read` lets time pass until bytes are there or the deadline is.
    Opening it opens the board's port: an Arduino restarts, a server greets.
    """

    def __init__(
        self,
        board: Board,
        clock: EventClock,
        baud: float = math.inf,
        latency_s: float = 0.0,
        *,
        faults: Faults | None = None,
        name: str = "sim",
    ) -> None:
        self._line = BoardLine(board, clock, baud=baud, latency_s=latency_s, faults=faults)
        self._clock = clock
        self._name = name
        self._open = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def line(self) -> BoardLine:
        """The cable, for who wants to hurt the board."""
        return self._line

    @door
    def write(self, data: bytes) -> None:
        """Raises LinkError where the link is closed or the board has hung up."""
        self._check(not self._line.hung_up)
        self._line.send(data)

    @door
    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Raises LinkError where the link is closed or the board has hung up and all that it sent was read."""
        self._check(True)
        deadline_s = self._clock.now_s() + timeout_s
        while True:
            data = self._line.take(max_bytes)
            if data or self._clock.now_s() >= deadline_s:
                return data
            self._check(not self._line.hung_up)
            self._clock.step(deadline_s)

    def open(self) -> None:
        """Open, or close and open again: what was received and not read is lost."""
        self._line.discard()
        self._open = True
        self._line.open()

    def close(self) -> None:
        """The board lives on; what it sends is lost."""
        self._open = False
        self._line.discard()

    def _check(self, connected: bool) -> None:
        if not self._open:
            raise LinkError(f"{self._name}: the link is closed")
        if not connected:
            raise LinkError(f"{self._name}: the board closed the connection; open it again")
