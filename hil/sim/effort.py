"""Processor time and memory that simulated instruments take, apart from what their user takes."""

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

IDLE_S, IDLE_SHARE = 5e-3, 0.1  # of which a program takes less that only waits


class _Effort:
    """Sum over all threads; of calls within calls the outermost counts."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self.peak_bytes = 0
        self.handed_over_s = 0.0
        self.slow = False  # samples arrive behind all that is done with earlier ones
        self._adding = threading.Lock()
        self._thread = threading.local()

    def spend(self, function: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Result of a call through a door of the simulator, its time counted; raises what it raises."""
        if getattr(self._thread, "inside", False):
            return function(*args, **more)
        self._thread.inside = True
        self.note_peak()
        started_s = time.thread_time()
        try:
            return function(*args, **more)
        finally:
            self._thread.inside = False
            with self._adding:
                self.total_s += time.thread_time() - started_s
            if tracemalloc.is_tracing():
                tracemalloc.reset_peak()

    def note_peak(self) -> None:
        """Keep the most memory since the last door was left, where somebody watches."""
        if tracemalloc.is_tracing():
            with self._adding:
                self.peak_bytes = max(self.peak_bytes, tracemalloc.get_traced_memory()[1])


_effort = _Effort()


def effort_s() -> float:
    """Processor time of all calls through doors of the simulator since the process began; a difference tells."""
    return _effort.total_s


def software_s() -> float:
    """Processor time of this process so far without the simulator's."""
    return time.process_time() - effort_s()


def handed_over_s() -> float:
    """The same when samples were handed over last: what came since then came after them."""
    return _effort.handed_over_s


@contextmanager
def memory_watched() -> Iterator[Callable[[], int]]:
    """While it is open, the function that it gives tells the most bytes that were held at once since it opened.

    What is used up within doors does not count, what the simulator keeps from one call to the next does. Everything is
    several times slower meanwhile. Simplification: while one thread is within a door, the others' memory is not seen.
    """
    tracemalloc.start()
    _effort.peak_bytes = 0

    def peak_bytes() -> int:
        _effort.note_peak()
        return _effort.peak_bytes

    try:
        yield peak_bytes
    finally:
        tracemalloc.stop()


@contextmanager
def slow_handovers() -> Iterator[None]:
    """While it is open samples arrive when all is done that is done with earlier ones, as over a USB that takes longer
    for them than that. A simulated USB takes the clock's time, not the computer's."""
    _effort.slow = True
    try:
        yield
    finally:
        _effort.slow = False


def _until_idle() -> None:
    """Wait while other threads of this process compute."""
    busy_s = IDLE_S
    while busy_s > IDLE_SHARE * IDLE_S:
        started_s = time.process_time()
        time.sleep(IDLE_S)
        busy_s = time.process_time() - started_s


def door(function: Callable[P, T]) -> Callable[P, T]:
    """Mark what drivers and experiments call of the simulator: its time is counted."""

    @wraps(function)
    def through(*args: P.args, **more: P.kwargs) -> T:
        return _effort.spend(function, *args, **more)

    return through


def handover(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a door through which samples come."""
    through = door(function)

    @wraps(function)
    def handing(*args: P.args, **more: P.kwargs) -> T:
        try:
            return through(*args, **more)
        finally:
            if _effort.slow:
                _until_idle()
            _effort.handed_over_s = software_s()

    return handing
