"""What a transmitter emits, as spectral lines, and what a receiver makes of them.

A frame that repeats is, in its periodic steady state, a sum of lines on its own DFT grid; a frame that is sent once is
one period of itself with silence around it, as long as the channel's memory.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float
from hil.sim.crystal import EXACT, Crystal, beat_cycles
from hil.sim.synthesis import straight_line, synthesize, synthesize_slipping
from hil.sim.timeline import Window

LARGEST_SLIP = 1e-3  # of two sample clocks that are thought to be the same
PULSE_TAIL = 64  # samples for which a fractional delay's sinc is followed, before and after a burst

Places = int | tuple[float, ...]
"""Where spectral lines are: a number means the DFT grid of so many samples in FFT order, else offsets in Hz."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Spectral lines: x(t) = sum of amplitude exp(2j pi offset (t - origin)), t by the sender's crystal."""

    places: Places
    amplitude: Complex[np.ndarray, "line"]
    sample_rate_hz: float
    origin_s: float
    crystal: Crystal = EXACT

    @cached_property
    def offset_hz(self) -> Float[np.ndarray, "line"]:
        return offsets_hz(self.places, self.sample_rate_hz)

    def at(self, time_s: float) -> Complex[np.ndarray, "line"]:
        """Amplitudes with the phases that they have at `time_s`."""
        elapsed_s = self.crystal.elapsed_s(self.origin_s, time_s)
        if isinstance(self.places, int):  # whole periods turn nothing and would cost precision
            elapsed_s = math.fmod(elapsed_s, self.places / self.sample_rate_hz)
        return self.amplitude * np.exp(2j * np.pi * elapsed_s * self.offset_hz)


def offsets_hz(places: Places, sample_rate_hz: float) -> Float[np.ndarray, "line"]:
    if isinstance(places, int):
        return np.asarray(np.fft.fftfreq(places) * sample_rate_hz)
    return np.array(places, dtype=float)


@dataclass(frozen=True)
class Emission:
    """Lines around an LO that are heard during [from_s, until_s)."""

    lines: Lines
    lo_hz: float
    from_s: float
    until_s: float

    def tuned(self, window: Window, start_s: float, gain: float, end_s: float | None = None) -> "TunedLines":
        """As the window's receiver meets it from `start_s` on, times the gain.

        end_s: until when; crystals that warm up run meanwhile as they do in the middle.
        """
        lines, crystal = self.lines, window.crystal
        middle_s = start_s if end_s is None else (start_s + end_s) / 2
        pace = lines.crystal.rate(middle_s) / crystal.rate(middle_s)
        shift_hz = pace * self.lo_hz - window.lo_hz
        in_band = np.abs(pace * lines.offset_hz + shift_hz) <= window.sample_rate_hz / 2
        turn = beat_cycles(self.lo_hz, lines.crystal, window.lo_hz, crystal, start_s)
        phasor = gain * np.exp(2j * np.pi * turn) * in_band * lines.at(start_s)
        return TunedLines(lines, phasor.astype(np.complex64), pace, shift_hz, window.sample_rate_hz)


@dataclass(frozen=True, eq=False)
class TunedLines:
    """Lines as a receiver meets them from one moment on, in the time of its own crystal.

    phasor: amplitudes at that moment; zero outside the receiver's band.
    pace: what the sender's crystal counts while the receiver's counts one.
    shift_hz: of the sender's LO over the receiver's.
    """

    lines: Lines
    phasor: Complex[np.ndarray, "line"]
    pace: float
    shift_hz: float
    sample_rate_hz: float

    def samples(self, response: Complex[np.ndarray, "moment line"], num_samples: int) -> Complex[np.ndarray, "sample"]:
        """What arrives over a channel that stays, or goes straight from its first to its second moment."""
        samples = self._samples(self.phasor * response[0], num_samples)
        if len(response) > 1:
            change = self.phasor * (response[1] - response[0])
            samples += straight_line(num_samples) * self._samples(change, num_samples)
        return samples

    def _samples(self, amplitude: Complex[np.ndarray, "line"], num_samples: int) -> Complex[np.ndarray, "sample"]:
        rate_hz = self.sample_rate_hz
        slip = self.pace * self.lines.sample_rate_hz / rate_hz - 1
        if not isinstance(self.lines.places, int) or abs(slip) > LARGEST_SLIP:
            return synthesize(self.pace * self.lines.offset_hz + self.shift_hz, amplitude, num_samples, rate_hz)
        samples = synthesize_slipping(amplitude, num_samples, slip)
        if self.shift_hz:
            samples *= synthesize(np.array([self.shift_hz]), np.ones(1, dtype=complex), num_samples, rate_hz)
        return samples


@dataclass(frozen=True, eq=False)
class Transmission:
    """What leaves the radio's TX connector, as complex baseband in sqrt(mW): mean |x|^2 is the power in mW.

    frame: complex[sample], one period; may be empty where there are only tones.
    cyclic: whether the frame repeats for ever, or is sent once from `start_s` on.
    start_s: when sample 0 leaves, in the world's time; also where the tones have phase zero.
    tones: (offset from the LO in Hz, complex amplitude), for as long as the transmission lasts; the LO's own leakage
        is the tone of offset 0.
    crystal: what the rate and all frequencies are multiples of.
    """

    frame: Complex[np.ndarray, "sample"]
    cyclic: bool
    sample_rate_hz: float
    lo_hz: float
    start_s: float
    tones: tuple[tuple[float, complex], ...] = ()
    crystal: Crystal = EXACT

    def __post_init__(self) -> None:
        limit_hz = self.sample_rate_hz / 2
        if any(abs(offset_hz) > limit_hz for offset_hz, _ in self.tones):
            raise ValueError(f"a tone lies beyond +-{limit_hz:g} Hz, the band of {self.sample_rate_hz:g} samples/s")

    def emissions(self, from_s: float, until_s: float, window: Window, memory_s: float) -> Iterator[Emission]:
        """What a receiver hears of it, on the air from `from_s` until `until_s`, over a channel of that memory."""
        from_s = max(from_s, self.start_s)
        if window.meets(from_s, until_s):
            yield from (Emission(lines, self.lo_hz, from_s, until_s) for lines in self._steady)
        if not self.cyclic:
            yield from self._burst(from_s, until_s, window, math.ceil(memory_s * self.sample_rate_hz) + PULSE_TAIL)

    @cached_property
    def _steady(self) -> tuple[Lines, ...]:
        """The cyclic frame together with the tones on its grid, then the other tones."""
        size = self.frame.size if self.cyclic else 0
        spectrum = np.fft.fft(self.frame, norm="forward") if size else np.empty(0, dtype=complex)
        elsewhere = []
        for offset_hz, amplitude in self.tones:
            line = offset_hz * size / self.sample_rate_hz
            if size and abs(line - round(line)) < 1e-9:
                spectrum[round(line) % size] += amplitude
            else:
                elsewhere.append((offset_hz, amplitude))
        frame = [self._lines(size, spectrum)] if size else []
        tones = [self._lines((offset_hz,), np.array([amplitude], dtype=complex)) for offset_hz, amplitude in elsewhere]
        return (*frame, *tones)

    def _lines(self, places: Places, amplitude: Complex[np.ndarray, "line"]) -> Lines:
        return Lines(places, amplitude, self.sample_rate_hz, self.start_s, self.crystal)

    def _burst(self, from_s: float, until_s: float, window: Window, silence: int) -> Iterator[Emission]:
        """The samples that are sent between the two times, with silence before and after them."""
        rate_hz = self.sample_rate_hz
        first, last = (self._samples_before(time_s) for time_s in (from_s, until_s))
        origin_s = self.crystal.when_s(self.start_s, (first - silence) / rate_hz)
        end_s = self.crystal.when_s(self.start_s, (last + silence) / rate_hz)
        if first < last and window.meets(origin_s, end_s):
            padded = np.pad(self.frame[first:last], silence)
            lines = Lines(padded.size, np.fft.fft(padded, norm="forward"), rate_hz, origin_s, self.crystal)
            yield Emission(lines, self.lo_hz, origin_s, end_s)

    def _samples_before(self, time_s: float) -> int:
        place = self.crystal.elapsed_s(self.start_s, time_s) * self.sample_rate_hz - 1e-3
        return math.ceil(min(max(place, 0.0), self.frame.size))
