"""Slow drift of a radio, as a function of (seed, virtual time): a run that is resumed goes on with the same walk."""

import math
from functools import lru_cache

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.config import RfDriftConfig
from hil.sim.noise import random_at
from hil.sim.synthesis import straight_line

KNOTS_PER_S = 1 << 14
DB_PER_NEPER = 20 / math.log(10)


class RandomWalk:
    """Wiener process: zero up to time zero, variance `t` after t seconds; straight between knots of 61 us.

    Whole seconds are a running sum over one stream, the way between two of them is a Brownian bridge with a generator
    of its own: any time is reached without what lies before it, at the cost of one draw a second.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._seed, self._purpose = seed, purpose
        self._seconds = lru_cache(maxsize=1)(self._make_seconds)
        self._bridge = lru_cache(maxsize=4)(self._make_bridge)

    def at(self, time_s: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        """Its values at ascending times."""
        place = KNOTS_PER_S * np.maximum(time_s, 0.0)
        index = place.astype(np.int64)
        before, after = self._knots(index), self._knots(index + 1)
        return np.asarray(before + (place - index) * (after - before))

    def _knots(self, index: Int[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        second, knot = np.divmod(index, KNOTS_PER_S)
        if second[0] == second[-1]:
            return self._bridge(int(second[0]))[knot]
        return np.array([self._bridge(int(whole))[place] for whole, place in zip(second, knot, strict=True)])

    def _at_second(self, second: int) -> float:
        return float(self._seconds(1 << second.bit_length())[second])

    def _make_seconds(self, size: int) -> Float[np.ndarray, "second"]:
        """Values at 0, 1, 2, ... `size` seconds."""
        steps = random_at(self._seed, f"{self._purpose}, seconds", 0.0).standard_normal(size)
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _make_bridge(self, second: int) -> Float[np.ndarray, "knot"]:
        """The walk from a whole second to the next, which is not included."""
        start, end = self._at_second(second), self._at_second(second + 1)
        steps = random_at(self._seed, self._purpose, float(second)).standard_normal(KNOTS_PER_S)
        walk = np.cumsum(steps) / math.sqrt(KNOTS_PER_S)
        progress = np.arange(1, KNOTS_PER_S) / KNOTS_PER_S
        return np.concatenate([[start], start + progress * (end - start) + walk[:-1] - progress * walk[-1]])


class RfDrift:
    """The complex gain that multiplies all that a radio receives of itself: one at time zero, then it walks."""

    def __init__(self, config: RfDriftConfig, seed: int) -> None:
        self._rad = math.radians(config.phase_deg_per_sqrt_s)
        self._neper = config.gain_db_per_sqrt_s / DB_PER_NEPER
        self._phase, self._gain = RandomWalk(seed, "phase drift"), RandomWalk(seed, "gain drift")

    def gain(self, time_s: Float[np.ndarray, "time"]) -> Complex[np.ndarray, "time"]:
        """At ascending times."""
        exponent = np.zeros(len(time_s), dtype=complex)
        if self._neper:
            exponent += self._neper * self._gain.at(time_s)
        if self._rad:
            exponent += 1j * self._rad * self._phase.at(time_s)
        return np.asarray(np.exp(exponent))

    def apply(
        self, samples: Complex[np.ndarray, "sample"], start_s: float, sample_rate_hz: float
    ) -> Complex[np.ndarray, "sample"]:
        """Samples taken from `start_s` on, times the gain; themselves where nothing drifts."""
        if not (self._rad or self._neper):
            return samples
        length = max(1, int(sample_rate_hz / KNOTS_PER_S))
        edges_s = start_s + length / sample_rate_hz * np.arange(math.ceil(samples.size / length) + 1)
        return np.asarray(samples * ramps(self.gain(edges_s), length)[: samples.size])


def ramps(values: Complex[np.ndarray, "edge"], length: int) -> Complex[np.ndarray, "sample"]:
    """complex64, straight lines of `length` samples from each value to the next."""
    values = values.astype(np.complex64)
    lines = np.diff(values)[:, None] * straight_line(length)
    lines += values[:-1, None]
    return np.asarray(lines.reshape(-1))
