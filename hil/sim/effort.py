"""Processor time that simulated instruments take, apart from what their user takes."""

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Effort:
    """Sum over all threads; of calls within calls the outermost counts."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._adding = threading.Lock()
        self._thread = threading.local()

    def spend(self, function: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        if getattr(self._thread, "inside", False):
            return function(*args, **more)
        self._thread.inside = True
        started_s = time.thread_time()
        try:
            return function(*args, **more)
        finally:
            self._thread.inside = False
            with self._adding:
                self.total_s += time.thread_time() - started_s


_effort = _Effort()


def effort_s() -> float:
    """Processor time of all calls through doors of the simulator since the process began; a difference tells."""
    return _effort.total_s


def door(function: Callable[P, T]) -> Callable[P, T]:
    """Mark what drivers and experiments call of the simulator: its time is counted."""

    @wraps(function)
    def through(*args: P.args, **more: P.kwargs) -> T:
        return _effort.spend(function, *args, **more)

    return through
