"""Other people's transmitters, as the receive antenna hears them: bursts and pulses as a function of (seed, time).

Simplification: a burst is 64 carriers at random places of its band, which is noise to everybody who does not know them.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hil.arrays import Complex
from hil.config import InterfererConfig
from hil.sim.noise import random_at
from hil.sim.synthesis import synthesize
from hil.sim.timeline import Window
from hil.units import amplitude_from_db

CARRIERS = 64  # of a burst
SHORTEST, LONGEST = 0.5, 1.5  # bursts, relative to their mean


@dataclass(frozen=True)
class Burst:
    """Something sent during [start_s, end_s); `number` tells it from all others of its sender."""

    start_s: float
    end_s: float
    number: int


class Interferer:
    """One transmitter; `index` tells it from the others of the station."""

    def __init__(self, config: InterfererConfig, seed: int, index: int) -> None:
        self._config, self._seed, self._purpose = config, seed, f"interferer {index}"
        self._amplitude = amplitude_from_db(config.level_dbm)
        self._slot_s = 1 / config.rate_hz
        self._first_pulse_s = random_at(seed, f"{self._purpose}, first pulse", 0.0).random() * self._slot_s
        self._in_slot: Callable[[int], tuple[Burst, ...]] = lru_cache(maxsize=64)(self._random_bursts)
        if config.kind == "pulses":
            self._in_slot = self._pulse

    def bursts(self, from_s: float, until_s: float) -> Iterator[Burst]:
        """All that are on the air at some time in [from_s, until_s), in order of their slots."""
        reach_s = LONGEST * self._config.duration_s
        for slot in range(math.floor((from_s - reach_s) / self._slot_s), math.floor(until_s / self._slot_s) + 1):
            yield from (burst for burst in self._in_slot(slot) if burst.start_s < until_s and burst.end_s > from_s)

    def _random_bursts(self, slot: int) -> tuple[Burst, ...]:
        """A Poisson process: so many in each slot, anywhere in it."""
        rng = random_at(self._seed, self._purpose, slot * self._slot_s)
        count = rng.poisson(1.0)
        starts_s = (slot + rng.random(count)) * self._slot_s
        ends_s = starts_s + rng.uniform(SHORTEST, LONGEST, count) * self._config.duration_s
        return tuple(
            Burst(start_s, end_s, number) for number, (start_s, end_s) in enumerate(zip(starts_s, ends_s, strict=True))
        )

    def _pulse(self, slot: int) -> tuple[Burst, ...]:
        start_s = slot * self._slot_s + self._first_pulse_s
        return (Burst(start_s, start_s + self._config.duration_s, 0),)

    def add_to(self, samples: Complex[np.ndarray, "sample"], window: Window, gain: float) -> None:
        """Add to a reception what of it falls into its time and its band."""
        if abs(self._config.frequency_hz - window.lo_hz) > (self._config.bandwidth_hz + window.sample_rate_hz) / 2:
            return
        wave = self._chirp if self._config.kind == "pulses" else self._noise
        for burst in self.bursts(window.start_s, window.end_s):
            first, last = window.index(burst.start_s), window.index(burst.end_s)
            if first < last:
                samples[first:last] += gain * self._amplitude * wave(burst, window, first, last)

    def _noise(self, burst: Burst, window: Window, first: int, last: int) -> Complex[np.ndarray, "sample"]:
        """Carriers of random places and amplitudes, together of power one."""
        rng = random_at(self._seed, f"{self._purpose}, burst {burst.number}", burst.start_s)
        offset_hz = self._config.bandwidth_hz * (rng.random(CARRIERS) - 0.5)
        amplitude = rng.standard_normal(2 * CARRIERS).view(complex)
        amplitude /= np.linalg.norm(amplitude)
        shift_hz, time_s = self._config.frequency_hz - window.lo_hz, window.time_s(first)
        turn = offset_hz * (time_s - burst.start_s) + math.fmod(shift_hz * time_s, 1.0)
        in_band = np.abs(offset_hz + shift_hz) <= window.sample_rate_hz / 2
        amplitude *= in_band * np.exp(2j * np.pi * turn)
        return synthesize(offset_hz + shift_hz, amplitude, last - first, window.sample_rate_hz)

    def _chirp(self, burst: Burst, window: Window, first: int, last: int) -> Complex[np.ndarray, "sample"]:
        """Frequency rising over the band; silent where that is outside the receiver's."""
        elapsed_s = window.times_s(first, last) - burst.start_s
        lowest_hz = self._config.frequency_hz - self._config.bandwidth_hz / 2 - window.lo_hz
        offset_hz = lowest_hz + self._config.bandwidth_hz * elapsed_s / self._config.duration_s
        turn = math.fmod(lowest_hz * burst.start_s, 1.0) + elapsed_s * (lowest_hz + offset_hz) / 2
        in_band = np.abs(offset_hz) <= window.sample_rate_hz / 2
        return np.asarray(in_band * np.exp(2j * np.pi * turn))
