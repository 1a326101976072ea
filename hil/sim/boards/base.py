"""What all simulated boards share: events in order of time, a receiver that may be deaf, restart, the way out."""

import heapq
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from hil.arrays import UInt8
from hil.sim.boards.outputs import Outputs

ResetCause = Literal["power", "command", "brown_out", "watchdog", "port_opened"]
HANG_UP = b""
"""In a board's output: it closes the connection."""


class Board(ABC):
    """A control board as a machine of events: bytes with arrival times in, bytes with times out, outputs that change.

    It has no clock: who owns it calls `receive` and `run_until` in order of time, and `take_output` after either.
    A restart puts zeros on the surface at once: outputs are taken to fall with the supply or the reset line.

    frame_end: the board acts on these bytes only, so that its owner may bring other bytes late, with their own times;
    None where a board acts on any byte.
    """

    frame_end: bytes | None = None

    def __init__(self, outputs: Outputs, *, update_s: float) -> None:
        self.outputs = outputs
        self.resets = 0
        self.update_s = update_s
        self._ready_s = -math.inf
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._output: list[tuple[float, bytes]] = []

    # ------------------------------------------------------------------------------------------- from the host's side

    def receive(self, data: bytes, first_s: float, byte_s: float) -> None:
        """Bytes arrive: the first at `first_s`, each next one `byte_s` later. Bytes that come during boot are lost."""
        self.run_until(first_s)
        lost = self._deaf_bytes(len(data), first_s, byte_s)
        if lost < len(data):
            self._hear(data[lost:], first_s + lost * byte_s, byte_s)

    def run_until(self, time_s: float) -> None:
        """Let everything happen that is due until `time_s`, that moment included."""
        while self._events and self._events[0][0] <= time_s:
            event_s, _, event = heapq.heappop(self._events)
            event(event_s)

    @property
    def next_event_s(self) -> float:
        """When something happens next without any byte coming; infinity where nothing will."""
        return self._events[0][0] if self._events else math.inf

    def take_output(self) -> list[tuple[float, bytes]]:
        """What the board sent since the last call: (moment at which its transmitter starts, bytes)."""
        output, self._output = self._output, []
        return output

    def open_port(self, time_s: float) -> None:
        """The host opened the port or connected."""
        self.run_until(time_s)

    def trigger(self, time_s: float) -> None:
        """A rising edge at the trigger input; a board without one ignores it."""
        self.run_until(time_s)

    # ------------------------------------------------------------------------------------------------------- mishaps

    def reset(self, time_s: float, cause: ResetCause = "watchdog") -> None:
        """Restart: what was going on is forgotten, outputs are zero, commands are heard again after the boot."""
        self._lose_everything(time_s)
        self.resets += 1
        self._ready_s = self._boot(time_s, cause)

    def brown_out(self, time_s: float, duration_s: float) -> None:
        """The supply fails for `duration_s`; then the board boots."""
        self._lose_everything(time_s)
        self._ready_s = math.inf
        self._at(time_s + duration_s, partial(self.reset, cause="brown_out"))

    def _lose_everything(self, time_s: float) -> None:
        self.run_until(time_s)
        self._events.clear()
        self._forget()
        self.outputs.show(np.zeros(self.outputs.num_elements, np.uint8), time_s)

    # ---------------------------------------------------------------------------------------------- for the machines

    @abstractmethod
    def _hear(self, data: bytes, first_s: float, byte_s: float) -> None:
        """Bytes that the receiver took. Must run what is due before each byte that matters."""

    @abstractmethod
    def _forget(self) -> None:
        """Lose all that is held in memory."""

    @abstractmethod
    def _boot(self, time_s: float, cause: ResetCause) -> float:
        """Start at `time_s`; return the moment from which bytes are heard."""

    def _at(self, time_s: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._order), event))

    def _send(self, time_s: float, data: bytes) -> None:
        if data:
            self._output.append((time_s, data))

    def _hang_up(self, time_s: float) -> None:
        self._output.append((time_s, HANG_UP))

    def _change(self, register: UInt8[np.ndarray, "place"], start_s: float) -> float:
        """Drive the outputs to new states from `start_s` on; return the moment at which they are there."""
        steps = list(self.outputs.steps(register))
        for number, step in enumerate(steps, 1):
            self._at(start_s + self.update_s * number / len(steps), partial(self.outputs.show, step))
        return start_s + self.update_s

    def _deaf_bytes(self, num_bytes: int, first_s: float, byte_s: float) -> int:
        if first_s >= self._ready_s:
            return 0
        missed_s = self._ready_s - first_s
        return num_bytes if missed_s > num_bytes * byte_s else min(num_bytes, math.ceil(missed_s / byte_s))
