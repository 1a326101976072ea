"""When things are: values that hold from their moment until the next one, and the sample times of a reception."""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from hil.arrays import Float
from hil.sim.crystal import EXACT, Crystal

T = TypeVar("T")


class Timeline(Generic[T]):
    """The last `keep` values by their time. The oldest one kept stands for all of the past before the next."""

    def __init__(self, initial: T, keep: int) -> None:
        self._times_s = [-math.inf]
        self._values = [initial]
        self._keep = keep

    def put(self, time_s: float, value: T) -> None:
        """Let `value` hold from `time_s` on; what was planned for then or later is void. Raises ValueError for NaN."""
        if not math.isfinite(time_s):
            raise ValueError(f"a change needs a finite time, got {time_s}")
        kept = bisect_left(self._times_s, time_s)
        self._times_s[kept:] = [time_s]
        self._values[kept:] = [value]
        if len(self._times_s) > self._keep:
            del self._times_s[0], self._values[0]

    def at(self, time_s: float) -> T:
        """The value that holds at `time_s`."""
        return self._values[self._index(time_s)]

    def during(self, first_s: float = -math.inf, last_s: float = math.inf) -> list[tuple[float, float, T]]:
        """(from_s, until_s, value) of all that holds at some time in [first_s, last_s), in order of time."""
        first = self._index(first_s)
        last = max(bisect_left(self._times_s, last_s), first + 1)
        edges_s = [*self._times_s[first : last + 1], math.inf]
        return [(edges_s[i], edges_s[i + 1], self._values[first + i]) for i in range(last - first)]

    def _index(self, time_s: float) -> int:
        return max(bisect_right(self._times_s, time_s) - 1, 0)


@dataclass(frozen=True)
class Window:
    """What a receiver takes in: sample n is taken n / sample_rate_hz after start_s by its crystal, around lo_hz."""

    start_s: float
    num_samples: int
    sample_rate_hz: float
    lo_hz: float
    crystal: Crystal = EXACT

    @cached_property
    def rate_hz(self) -> float:
        """Samples per second of the world's time."""
        return self.sample_rate_hz * self.crystal.rate(self.start_s)

    @property
    def end_s(self) -> float:
        return self.time_s(self.num_samples)

    def time_s(self, index: int) -> float:
        return self.start_s + index / self.rate_hz

    def times_s(self, first: int, last: int) -> Float[np.ndarray, "sample"]:
        return self.start_s + np.arange(first, last) / self.rate_hz

    def meets(self, from_s: float, until_s: float) -> bool:
        """Whether [from_s, until_s) has a part in it."""
        return from_s < self.end_s and until_s > self.start_s

    def index(self, time_s: float) -> int:
        """The first sample at or after `time_s` (a thousandth of a sample is rounding), within 0..num_samples."""
        place = (time_s - self.start_s) * self.rate_hz - 1e-3
        return math.ceil(min(max(place, 0.0), self.num_samples))
