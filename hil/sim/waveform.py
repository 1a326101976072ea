"""What a transmitter emits, as spectral lines, and how lines become samples again.

A frame that repeats is, in its periodic steady state, a sum of lines on its own DFT grid; a frame that is sent once is
one period of itself with silence around it, as long as the channel's memory.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.sim.timeline import Window

PULSE_TAIL = 64  # samples for which a fractional delay's sinc is followed, before and after a burst
CHUNK = 256  # samples that share a table of phases
LINES = 4096  # lines synthesized at a time

Places = int | tuple[float, ...]
"""Where spectral lines are: a number means the DFT grid of so many samples in FFT order, else offsets in Hz."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Spectral lines: x(t) = sum of amplitude exp(2j pi offset (t - origin)), offsets from the LO."""

    places: Places
    amplitude: Complex[np.ndarray, "line"]
    sample_rate_hz: float
    origin_s: float

    @cached_property
    def offset_hz(self) -> Float[np.ndarray, "line"]:
        return offsets_hz(self.places, self.sample_rate_hz)

    def at(self, time_s: float) -> Complex[np.ndarray, "line"]:
        """Amplitudes with the phases that they have at `time_s`."""
        elapsed_s = time_s - self.origin_s
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


@dataclass(frozen=True, eq=False)
class Transmission:
    """What leaves the radio's TX connector, as complex baseband in sqrt(mW): mean |x|^2 is the power in mW.

    frame: complex[sample], one period; may be empty where there are only tones.
    cyclic: whether the frame repeats for ever, or is sent once from `start_s` on.
    start_s: when sample 0 leaves; also where the tones have phase zero.
    tones: (offset from the LO in Hz, complex amplitude), for as long as the transmission lasts; the LO's own leakage
        is the tone of offset 0.
    """

    frame: Complex[np.ndarray, "sample"]
    cyclic: bool
    sample_rate_hz: float
    lo_hz: float
    start_s: float
    tones: tuple[tuple[float, complex], ...] = ()

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
        return Lines(places, amplitude, self.sample_rate_hz, self.start_s)

    def _burst(self, from_s: float, until_s: float, window: Window, silence: int) -> Iterator[Emission]:
        """The samples that are sent between the two times, with silence before and after them."""
        rate_hz = self.sample_rate_hz
        first, last = (self._samples_before(time_s) for time_s in (from_s, until_s))
        origin_s = self.start_s + (first - silence) / rate_hz
        end_s = self.start_s + (last + silence) / rate_hz
        if first < last and window.meets(origin_s, end_s):
            padded = np.pad(self.frame[first:last], silence)
            lines = Lines(padded.size, np.fft.fft(padded, norm="forward"), rate_hz, origin_s)
            yield Emission(lines, self.lo_hz, origin_s, end_s)

    def _samples_before(self, time_s: float) -> int:
        place = (time_s - self.start_s) * self.sample_rate_hz - 1e-3
        return math.ceil(min(max(place, 0.0), self.frame.size))


def synthesize_period(amplitude: Complex[np.ndarray, "line"], num_samples: int) -> Complex[np.ndarray, "sample"]:
    """Samples of lines that are a DFT grid at the sample rate: one inverse FFT, repeated."""
    period = np.fft.ifft(amplitude, norm="forward")
    return np.tile(period, math.ceil(num_samples / period.size))[:num_samples]


def synthesize(
    offset_hz: Float[np.ndarray, "line"],
    amplitude: Complex[np.ndarray, "line"],
    num_samples: int,
    sample_rate_hz: float,
) -> Complex[np.ndarray, "sample"]:
    """Samples of lines anywhere: amplitudes at the start of each chunk times a table of phases within a chunk."""
    samples = np.zeros((math.ceil(num_samples / CHUNK), CHUNK), dtype=np.complex64)
    for start in range(0, offset_hz.size, LINES):
        cycles = offset_hz[start : start + LINES] / sample_rate_hz
        at_chunk = amplitude[start : start + LINES] * _turns(CHUNK * np.arange(samples.shape[0]), cycles)
        samples += at_chunk.astype(np.complex64) @ _turns(np.arange(CHUNK), cycles).T.astype(np.complex64)
    return samples.reshape(-1)[:num_samples]


def _turns(index: Int[np.ndarray, "sample"], cycles: Float[np.ndarray, "line"]) -> Complex[np.ndarray, "sample line"]:
    return np.exp(2j * np.pi * np.outer(index, cycles))
