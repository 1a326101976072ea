"""The world's time: a queue of events that run at their own moment, in virtual time or along with the wall clock.

Code that schedules cannot tell the two clocks apart: while a callback runs, `now_s()` is the time it was scheduled for,
callbacks run one at a time in order of time, and once `advance_to(t)` has returned all of them up to t have run.
"""

import heapq
import itertools
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hil.interfaces import Clock, Closing
from hil.sim.effort import door


@dataclass(order=True)
class Event:
    """A callback with its moment; events of the same moment run in the order in which they were scheduled."""

    time_s: float
    order: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Make sure that it never runs; without effect once it ran."""
        self.cancelled = True


class EventClock(Clock, Protocol):
    """A clock that also runs what is scheduled on it."""

    def advance_to(self, time_s: float) -> None:
        """Return once `time_s` is reached and all that was due has run; a time already past returns at once."""
        ...

    def step(self, limit_s: float) -> float:
        """Advance to the next event, at most to `limit_s`; return the time then. Lets a reader wait for an answer."""
        ...

    def schedule(self, time_s: float, callback: Callable[[], None]) -> Event:
        """Run `callback` at `time_s`; a time already past means as soon as the clock advances, were it by nothing."""
        ...


class _EventQueue(ABC):
    """Events by time. Its lock is never held while a callback runs, so that callbacks may schedule."""

    @abstractmethod
    def now_s(self) -> float: ...

    @abstractmethod
    def advance_to(self, time_s: float) -> None: ...

    def __init__(self) -> None:
        self._heap: list[Event] = []
        self._order = itertools.count()
        self._changed = threading.Condition()

    def schedule(self, time_s: float, callback: Callable[[], None]) -> Event:
        if not math.isfinite(time_s):
            raise ValueError(f"an event needs a finite time, got {time_s}")
        with self._changed:
            event = Event(max(time_s, self.now_s()), next(self._order), callback)
            heapq.heappush(self._heap, event)
            self._changed.notify_all()
        return event

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` pass. Raises RuntimeError where a callback calls it."""
        self.advance_to(self.now_s() + duration_s)

    def step(self, limit_s: float) -> float:
        self.advance_to(min(limit_s, self._next_s()))
        return self.now_s()

    def _next_s(self) -> float:
        """Time of the next event; infinity where none waits."""
        with self._changed:
            while self._heap and self._heap[0].cancelled:
                heapq.heappop(self._heap)
            return self._heap[0].time_s if self._heap else math.inf

    def _pop_due(self, time_s: float) -> Event | None:
        with self._changed:
            return heapq.heappop(self._heap) if self._next_s() <= time_s else None


class VirtualClock(_EventQueue):
    """Time that passes only when somebody waits. For one thread; starts at `start_s`."""

    def __init__(self, start_s: float = 0.0) -> None:
        super().__init__()
        self._now_s = start_s
        self._running = False

    def now_s(self) -> float:
        return self._now_s

    @door
    def advance_to(self, time_s: float) -> None:
        """Run what is due up to `time_s`, each at its time, then stand there. Raises RuntimeError in a callback."""
        if self._running:
            raise RuntimeError("a scheduled callback cannot wait: schedule what shall happen later")
        self._running = True
        try:
            while (event := self._pop_due(max(time_s, self._now_s))) is not None:
                self._now_s = event.time_s
                event.callback()
        finally:
            self._running = False
        self._now_s = max(self._now_s, time_s)


class RealTimeClock(_EventQueue, Closing):
    """Wall time, monotonic, starting at zero; a daemon thread runs the events, late by what the system takes.

    May be used from several threads. `close` ends the thread and drops the events that still wait; a callback that
    raises ends it too, with its traceback on stderr. From then on `schedule` raises RuntimeError.
    """

    def __init__(self) -> None:
        super().__init__()
        self._origin_s = time.monotonic()
        self._turn = threading.Lock()  # callbacks run one at a time, whichever thread runs them
        self._event_s = threading.local()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="hil-sim-clock", daemon=True)
        self._thread.start()

    def now_s(self) -> float:
        event_s: float | None = getattr(self._event_s, "value", None)
        return time.monotonic() - self._origin_s if event_s is None else event_s

    def schedule(self, time_s: float, callback: Callable[[], None]) -> Event:
        if not self._thread.is_alive():
            raise RuntimeError("the clock is closed: nothing would run the event")
        return super().schedule(time_s, callback)

    def advance_to(self, time_s: float) -> None:
        """Wait for `time_s` and for the events until then. Raises RuntimeError in a callback."""
        if getattr(self._event_s, "value", None) is not None:
            raise RuntimeError("a scheduled callback cannot wait: schedule what shall happen later")
        time.sleep(max(0.0, time_s - self.now_s()))
        self._run_due(max(time_s, self.now_s()))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=1.0)

    def _run_due(self, time_s: float) -> None:
        with self._turn:
            while (event := self._pop_due(time_s)) is not None:
                self._event_s.value = event.time_s
                try:
                    event.callback()
                finally:
                    self._event_s.value = None

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                wait_s = self._next_s() - self.now_s()
                if wait_s > 0:
                    self._changed.wait(None if math.isinf(wait_s) else wait_s)
                    continue
            self._run_due(self.now_s())
