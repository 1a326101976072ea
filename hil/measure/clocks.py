"""Two radios, two crystals: what the receiver's clock is off by, found in one long capture and taken out of it.

Each radio makes its LO and its sample rate from one crystal, so one number tells both: the carrier frequency offset
over the LO is the slip of the sample clocks. It is found in steps: from the pilot's period up to whole
subcarriers, those from the subcarriers that carry nothing, then finer from phases over longer and longer lags, in the
end within dwells only. Their course over the capture tells how it moves while a crystal warms up. Whatever else a phase
does stays in the soundings.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from hil.arrays import Complex, Float, Int
from hil.errors import ConfigError, MeasurementError
from hil.interfaces import Capture
from hil.phy.ofdm import OfdmGrid

LARGEST_CFO_HZ = 300e3
ACQUIRED_SAMPLES = 1 << 19  # of a capture, for the first look
PARTS = 8  # of a capture, whose frequencies a line is laid through
LAGS = (1, 4, 16, 64)  # symbols between those whose phases are compared
CLEAR = 9.0  # variance that a correction explains, over what it leaves: three sigmas
PIECE = 1 << 18  # samples turned at a time
BLOCK, BLOCKS = 512, 128  # samples brought to another pace at once, and how many times that in memory


@dataclass(frozen=True)
class Tuned:
    """A capture with its carrier offset taken out, as if the receiver's converter ran on the sender's clock.

    rates: the offset as a polynomial of the time from the middle of the capture, in Hz/s and Hz.
    pace: samples of the sender's clock for each one that the receiver took.
    """

    capture: Capture
    rates: Float[np.ndarray, "coefficient"]
    pace: float

    @classmethod
    def of_one_radio(cls, capture: Capture) -> "Tuned":
        """A capture that needs none of it."""
        return cls(capture, np.zeros(1), 1.0)


def tune(capture: Capture, grid: OfdmGrid, lo_hz: float) -> Tuned:
    """The capture as a receiver on the sender's crystal takes it; its first sample stays the first.

    Good to what the surface's changes do to the phase from one end of the capture to the other.
    Raises MeasurementError where the pilot is not found within +-300 kHz.
    """
    cfo_hz = acquire_hz(capture.samples, grid)
    capture = replace(capture, samples=capture.samples - capture.samples.mean())  # what does not turn is not the pilot
    tuned = _tuned(capture, np.array([0.0, cfo_hz]), grid, lo_hz)
    count = tuned.capture.samples.size // grid.fft_size // PARTS
    starts = np.arange(PARTS) * count * grid.fft_size
    for lag in (lag for lag in LAGS if 2 * lag <= count):
        tuned = _improved(tuned, grid, starts, count, lag, line=lag > 1)
    return _tuned(capture, tuned.rates, grid, lo_hz)


def follow(tuned: Tuned, grid: OfdmGrid, starts: Int[np.ndarray, "dwell"], length: int) -> Tuned:
    """The same once it is known where the surface stands still: for `length` samples from each start on.

    Only phases within dwells are compared, which no change of the surface touches. What is found already stays where
    they tell no better: over few symbols a phase says little of a frequency.
    """
    count = length // grid.fft_size
    for _ in range(2):
        if count >= 3:
            line = starts.size >= PARTS
            tuned = _improved(tuned, grid, starts, count, count // 3 or 1, line=line, clear=CLEAR)
    return tuned


def _improved(
    tuned: Tuned,
    grid: OfdmGrid,
    starts: Int[np.ndarray, "dwell"],
    count: int,
    lag: int,
    *,
    line: bool,
    clear: float = 0.0,
) -> Tuned:
    """By the phases of symbols `lag` apart, in runs of `count` symbols; where that stands out of their scatter so."""
    samples = tuned.capture.samples
    products = np.empty(starts.size, dtype=complex)
    for index, start in enumerate(starts):
        symbols = grid.demodulate(samples[start : start + count * grid.fft_size])
        products[index] = np.vdot(symbols[:-lag], symbols[lag:])
    common = np.angle(products.sum())
    hz = (common + np.angle(products * np.exp(-1j * common))) / (2 * np.pi * lag * grid.symbol_s)
    middle_s = (starts + (count * grid.fft_size - samples.size) / 2) / grid.sample_rate_hz
    weights = np.sqrt(np.abs(products))
    left = np.polyfit(middle_s, hz, 1, w=weights) if line else np.array([0.0, np.average(hz, weights=weights**2)])
    before, after = (float(np.sum((weights * each) ** 2)) for each in (hz, hz - np.polyval(left, middle_s)))
    freedom = 1 + line
    if (before - after) * (starts.size - freedom) < clear * freedom * after:
        return tuned
    return Tuned(_turned(tuned.capture, left, grid), tuned.rates + left, tuned.pace)


def acquire_hz(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid) -> float:
    """Carrier offset, whole subcarriers included, to a small part of a subcarrier. Raises MeasurementError."""
    period, spacing_hz = grid.fft_size, grid.sample_rate_hz / grid.fft_size
    some = samples[: min(samples.size, ACQUIRED_SAMPLES) // period * period].astype(np.complex64)
    some = some - some.mean()  # the receiver's DC offset does not turn with the pilot
    part_hz = float(np.angle(np.vdot(some[:-period], some[period:]))) / (2 * np.pi) * spacing_hz
    turned = some * np.exp(-2j * np.pi * part_hz / grid.sample_rate_hz * np.arange(some.size))
    power = (np.abs(np.fft.fft(turned.reshape(-1, period), axis=1)) ** 2).mean(axis=0)
    shift = np.arange(-(period // 2), period - period // 2)
    silent = silent_bins(grid)
    heard = (silent + shift[:, None]) % period
    left = np.where(heard == round(-part_hz / spacing_hz) % period, 0.0, power[heard]).sum(axis=1)
    cfo_hz = part_hz + float(shift[np.argmin(left)]) * spacing_hz
    if abs(cfo_hz) > LARGEST_CFO_HZ or left.min() > 0.5 * np.median(left):
        raise MeasurementError(
            f"receiver: the pilot is heard {cfo_hz / 1e3:+.0f} kHz away, or not at all; two radios may differ by "
            f"{LARGEST_CFO_HZ / 1e3:.0f} kHz: let them warm up, and set xo_correction of one of them"
        )
    return cfo_hz


def silent_bins(grid: OfdmGrid) -> Int[np.ndarray, "bin"]:
    """Bins of a symbol that carry no pilot, but for the sender's DC. Raises ConfigError where there are few."""
    bins = (np.arange(grid.num_subcarriers) - grid.num_subcarriers // 2) % grid.fft_size
    silent = np.ones(grid.fft_size, dtype=bool)
    silent[bins[grid.used]] = False
    silent[0] = False
    if silent.sum() < grid.fft_size // 16:
        raise ConfigError(
            f"ofdm.fft_size: {grid.fft_size} leaves two radios too few silent subcarriers to tell their offset by; "
            f"at least {-(-16 * grid.num_subcarriers // 15)}, or guard_subcarriers"
        )
    return np.flatnonzero(silent)


def _tuned(capture: Capture, rates: Float[np.ndarray, "coefficient"], grid: OfdmGrid, lo_hz: float) -> Tuned:
    """With that offset taken out, and the slip of the clocks that goes with it."""
    pace = 1 + float(rates[-1]) / lo_hz
    turned = _turned(capture, rates, grid)
    return Tuned(replace(turned, samples=at_pace(turned.samples, pace)), rates, pace)


def _turned(capture: Capture, rates: Float[np.ndarray, "coefficient"], grid: OfdmGrid) -> Capture:
    """Without that offset."""
    phase = np.polyint(rates)
    samples = np.empty_like(capture.samples)
    for start in range(0, samples.size, PIECE):
        piece = capture.samples[start : start + PIECE]
        time_s = (np.arange(start, start + piece.size) - samples.size / 2) / grid.sample_rate_hz
        samples[start : start + PIECE] = piece * np.exp(-2j * np.pi * (np.polyval(phase, time_s) % 1.0))
    return replace(capture, samples=samples)


def at_pace(samples: Complex[np.ndarray, "sample"], pace: float) -> Complex[np.ndarray, "taken"]:
    """Samples as a converter takes them that runs `pace` times as fast, from the first one on; as many, or fewer.

    Block by block: shifted as its middle needs it, by the phases of its frequencies, and elsewhere by the derivative.
    Good to -55 dB for what lies within 80 % of the band, at up to 100e-6 from 1.
    """
    count = int(samples.size * min(pace, 1.0))
    middles = np.arange(BLOCK / 2, count + BLOCK / 2, BLOCK) / pace
    whole = np.round(middles).astype(int)
    padded = np.pad(samples, (BLOCK, int(whole[-1]) + BLOCK - samples.size + 1)).astype(np.complex64)
    hertz = scipy.fft.fftfreq(2 * BLOCK)
    apart = (np.arange(BLOCK) - BLOCK / 2) * (1 / pace - 1)
    taken = np.empty((middles.size, BLOCK), dtype=np.complex64)
    for part in (slice(start, start + BLOCKS) for start in range(0, middles.size, BLOCKS)):
        windows = padded[whole[part, None] + np.arange(2 * BLOCK)]
        shift = np.exp(2j * np.pi * hertz * (middles - whole)[part, None]).astype(np.complex64)
        spectra = scipy.fft.fft(windows) * shift
        slope = scipy.fft.ifft(spectra * (2j * np.pi * hertz).astype(np.complex64))
        half = slice(BLOCK // 2, -(BLOCK // 2))
        taken[part] = scipy.fft.ifft(spectra)[:, half] + apart.astype(np.float32) * slope[:, half]
    return taken.reshape(-1)[:count]
