"""Two radios, two crystals: what the receiver's clock is off by, found in one long capture and taken out of it.

Each radio makes its LO and its sample rate from one crystal, so one number tells both: the carrier frequency offset
over the LO is the slip of the sample clocks. The pilot's period tells it up to whole subcarriers, the subcarriers that
carry nothing tell those, phases over longer and longer lags refine it, in the end within dwells only, and their course
over the capture tells how it moves while a crystal warms up. What a phase does beyond that stays in the soundings.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.errors import MeasurementError
from hil.interfaces import Capture
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance

LARGEST_CFO_HZ = 300e3
ACQUIRED_SAMPLES = 1 << 19  # of a capture, for the first look
PARTS = 8  # of a capture, whose frequencies a line is laid through
LAGS = (1, 4, 16, 64)  # symbols between those whose phases are compared
PIECE = 1 << 18  # samples turned at a time


@dataclass(frozen=True)
class Tuned:
    """A capture with its carrier offset taken out.

    rates: the offset as a polynomial of the time from the middle of the capture, in Hz/s and Hz.
    pace: samples of the sender's clock for each one of the receiver's.
    """

    capture: Capture
    rates: Float[np.ndarray, "coefficient"]
    pace: float

    @property
    def cfo_hz(self) -> float:
        """Of the sender over the receiver, in the middle of the capture."""
        return float(self.rates[-1])


def tune(capture: Capture, grid: OfdmGrid, lo_hz: float) -> Tuned:
    """The capture as a receiver on the sender's frequency hears it; its sample clock is told, not mended.

    Good to what the surface's changes do to the phase from one end of the capture to the other.
    Raises MeasurementError where the pilot is not found within +-300 kHz.
    """
    cfo_hz = acquire_hz(capture.samples, grid)
    capture = replace(capture, samples=capture.samples - capture.samples.mean())  # what does not turn is not the pilot
    tuned = _turned(capture, np.array([0.0, cfo_hz]), grid, lo_hz)
    count = capture.samples.size // grid.fft_size // PARTS
    starts = np.arange(PARTS) * count * grid.fft_size
    for lag in (lag for lag in LAGS if 2 * lag <= count):
        tuned = _improved(tuned, grid, lo_hz, starts, count, lag, line=lag > 1)
    return tuned


def follow(tuned: Tuned, grid: OfdmGrid, lo_hz: float, starts: Int[np.ndarray, "dwell"], length: int) -> Tuned:
    """The same once it is known where the surface stands still: for `length` samples from each start on.

    Only phases within dwells are compared, which no change of the surface touches.
    """
    count = length // grid.fft_size
    for _ in range(2):
        if count >= 3:
            tuned = _improved(tuned, grid, lo_hz, starts, count, count // 3 or 1, line=starts.size >= PARTS)
    return tuned


def _improved(
    tuned: Tuned, grid: OfdmGrid, lo_hz: float, starts: Int[np.ndarray, "dwell"], count: int, lag: int, *, line: bool
) -> Tuned:
    """By the phases of symbols `lag` apart, in runs of `count` symbols."""
    samples = tuned.capture.samples
    behind = np.asarray(-lag * grid.fft_size * (tuned.pace - 1))
    products = np.empty(starts.size, dtype=complex)
    for index, start in enumerate(starts):
        symbols = grid.demodulate(samples[start : start + count * grid.fft_size])
        products[index] = np.vdot(symbols[:-lag], advance(symbols[lag:], behind, grid.fft_size))
    common = np.angle(products.sum())
    hz = (common + np.angle(products * np.exp(-1j * common))) / (2 * np.pi * lag * grid.symbol_s)
    middle_s = (starts + (count * grid.fft_size - samples.size) / 2) / grid.sample_rate_hz
    weights = np.sqrt(np.abs(products))
    left = np.polyfit(middle_s, hz, 1, w=weights) if line else np.array([0.0, np.average(hz, weights=weights**2)])
    return _turned(tuned.capture, left, grid, lo_hz, tuned.rates)


def acquire_hz(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid) -> float:
    """Carrier offset, whole subcarriers included, to a small part of a subcarrier. Raises MeasurementError."""
    period, spacing_hz = grid.fft_size, grid.sample_rate_hz / grid.fft_size
    some = samples[: min(samples.size, ACQUIRED_SAMPLES) // period * period].astype(np.complex64)
    some = some - some.mean()  # the receiver's DC offset does not turn with the pilot
    part_hz = float(np.angle(np.vdot(some[:-period], some[period:]))) / (2 * np.pi) * spacing_hz
    turned = some * np.exp(-2j * np.pi * part_hz / grid.sample_rate_hz * np.arange(some.size))
    power = (np.abs(np.fft.fft(turned.reshape(-1, period), axis=1)) ** 2).mean(axis=0)
    shift = np.arange(-(period // 2), period - period // 2)
    silent = _silent_bins(grid)
    heard = (silent + shift[:, None]) % period
    left = np.where(heard == round(-part_hz / spacing_hz) % period, 0.0, power[heard]).sum(axis=1)
    cfo_hz = part_hz + float(shift[np.argmin(left)]) * spacing_hz
    if abs(cfo_hz) > LARGEST_CFO_HZ or left.min() > 0.5 * np.median(left):
        raise MeasurementError(
            f"receiver: the pilot is heard {cfo_hz / 1e3:+.0f} kHz away, or not at all; two radios may differ by "
            f"{LARGEST_CFO_HZ / 1e3:.0f} kHz: let them warm up, and set xo_correction of one of them"
        )
    return cfo_hz


def paced_symbols(
    samples: Complex[np.ndarray, "sample"], grid: OfdmGrid, pace: float = 1.0
) -> Complex[np.ndarray, "symbol subcarrier"]:
    """Responses of all symbols in a row, as of the first one's start by the sender's clock; `pace` as of `Tuned`."""
    count = samples.size // grid.fft_size
    symbols = grid.demodulate(samples[: count * grid.fft_size])
    if pace == 1:
        return symbols
    return advance(symbols, -(np.arange(count) * grid.fft_size * (pace - 1)), grid.fft_size)


def _silent_bins(grid: OfdmGrid) -> Int[np.ndarray, "bin"]:
    """Bins of a symbol that carry no pilot, but for the sender's DC. Raises MeasurementError where there are few."""
    bins = (np.arange(grid.num_subcarriers) - grid.num_subcarriers // 2) % grid.fft_size
    silent = np.ones(grid.fft_size, dtype=bool)
    silent[bins[grid.used]] = False
    silent[0] = False
    if silent.sum() < grid.fft_size // 16:
        raise MeasurementError(
            "two radios need ofdm.fft_size above num_subcarriers: silent subcarriers tell the offset"
        )
    return np.flatnonzero(silent)


def _turned(
    capture: Capture,
    rates: Float[np.ndarray, "coefficient"],
    grid: OfdmGrid,
    lo_hz: float,
    before: Float[np.ndarray, "coefficient"] | float = 0.0,
) -> Tuned:
    """Without a further offset; `before`: of what was taken out already."""
    phase = np.polyint(rates)
    samples = np.empty_like(capture.samples)
    for start in range(0, samples.size, PIECE):
        piece = capture.samples[start : start + PIECE]
        time_s = (np.arange(start, start + piece.size) - samples.size / 2) / grid.sample_rate_hz
        samples[start : start + PIECE] = piece * np.exp(-2j * np.pi * (np.polyval(phase, time_s) % 1.0))
    total = rates + before
    return Tuned(replace(capture, samples=samples), total, 1 + float(total[-1]) / lo_hz)
