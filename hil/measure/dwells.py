"""What one long capture shows of a surface that changes in it: soundings of its dwells, and whether it stood still."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import BoardReset, InstrumentError, MeasurementError, Overload
from hil.interfaces import Capture
from hil.measure.reference import coupled_pilot
from hil.measure.stepping import SoundingBlock
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import to_delays
from hil.phy.taps import delay_profile, place_window

CHUNK_SAMPLES = 1 << 18  # demodulated at a time
DELAY_MARGIN = 3  # taps on either side of the channel's
UNREST_SIGMAS = 8.0  # of noise, beyond which a dwell did not stand still

Failure = InstrumentError | MeasurementError


def demodulate_dwells(
    samples: Complex[np.ndarray, "sample"],
    starts: Int[np.ndarray, "dwell"],
    grid: OfdmGrid,
    repetitions: int,
) -> tuple[Complex[np.ndarray, "dwell subcarrier"], Float[np.ndarray, "dwell subcarrier"]]:
    """Mean of the symbols from each start on, as of the capture's own start, and the variance of one symbol around it.

    The variance is zero on unused subcarriers, and where there is but one symbol.
    """
    response = np.empty((starts.size, grid.num_subcarriers), dtype=np.complex64)
    scatter = np.zeros((starts.size, grid.num_subcarriers), dtype=np.float32)
    for part, taken in _symbols(samples, starts, grid, repetitions):
        symbols = grid.demodulate(taken.reshape(-1)).reshape(len(taken), repetitions, grid.num_subcarriers)
        response[part] = symbols.mean(axis=1) if repetitions > 1 else symbols[:, 0]
        if repetitions > 1:
            scatter[part] = _scatter(symbols, grid)
    return response, scatter


def dwell_means(
    samples: Complex[np.ndarray, "sample"],
    starts: Int[np.ndarray, "dwell"],
    grid: OfdmGrid,
    repetitions: int,
) -> Complex[np.ndarray, "dwell subcarrier"]:
    """The same means alone, by one symbol of a dwell: that of the mean samples."""
    response = np.empty((starts.size, grid.num_subcarriers), dtype=np.complex64)
    for part, taken in _symbols(samples, starts, grid, repetitions):
        response[part] = grid.demodulate(taken.mean(axis=1).reshape(-1))
    return response


def _symbols(
    samples: Complex[np.ndarray, "sample"],
    starts: Int[np.ndarray, "dwell"],
    grid: OfdmGrid,
    repetitions: int,
) -> Iterator[tuple[slice, Complex[np.ndarray, "dwell symbol sample"]]]:
    """Some dwells after the other, as if their symbols began with the capture's periods."""
    period, length = grid.fft_size, repetitions * grid.fft_size
    chunk = max(1, CHUNK_SAMPLES // length)
    for part in (slice(first, first + chunk) for first in range(0, starts.size, chunk)):
        begins = starts[part].tolist()
        taken = np.empty((len(begins), repetitions, period), dtype=samples.dtype)
        for symbols, start in zip(taken, begins, strict=True):
            heard, turn = samples[start : start + length].reshape(repetitions, period), start % period
            symbols[:, turn:], symbols[:, :turn] = heard[:, : period - turn], heard[:, period - turn :]
        yield part, taken


def dwell_references(
    capture: Capture, starts: Int[np.ndarray, "dwell"], grid: OfdmGrid, repetitions: int
) -> np.ndarray | None:
    """What the second receiver heard in each dwell, as of the capture's own start; None where it did not listen."""
    if capture.reference is None:
        return None
    length, records = repetitions * grid.fft_size, []
    for start in starts:
        record = coupled_pilot(grid.demodulate(capture.reference[start : start + length]), grid)
        record["advance"] -= start
        records.append(record)
    return np.array(records)


def capture_references(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid, count: int) -> np.ndarray:
    """For each of `count` soundings of one capture the same: what was heard before them, of a known pattern.

    samples: from the capture's start on, while that pattern stood still. Soundings of a capture are known by this
    record: no other capture's is the same.
    """
    return np.full(count, coupled_pilot(whole_symbols(samples, grid), grid))


def still_scatter(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid) -> Float[np.ndarray, "subcarrier"]:
    """Variance of one symbol over samples in which the surface stands still; zero on unused subcarriers."""
    return np.asarray(_scatter(whole_symbols(samples, grid)[None], grid)[0], dtype=float)


def usual_noise(
    scatter: Float[np.ndarray, "dwell subcarrier"], good: Bool[np.ndarray, "dwell"], grid: OfdmGrid, repetitions: int
) -> tuple[float, Float[np.ndarray, "subcarrier"] | None]:
    """Noise of a mean of symbols by the dwells that are good: median of their variances, and mean on each subcarrier.

    Where none of them is good nothing is known: zero and None.
    """
    if not good.any():
        return 0.0, None
    known = scatter[good] / repetitions
    return float(np.median(known[:, grid.used].mean(axis=1, dtype=float))), known.mean(axis=0, dtype=float)


def whole_symbols(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid) -> Complex[np.ndarray, "symbol subcarrier"]:
    """Responses of all symbols in a row."""
    return grid.demodulate(samples[: samples.size // grid.fft_size * grid.fft_size])


def is_still(
    samples: Complex[np.ndarray, "sample"],
    starts: Int[np.ndarray, "dwell"],
    length: int,
    grid: OfdmGrid,
    num_taps: int,
) -> Bool[np.ndarray, "dwell"]:
    """Whether nothing but noise changes within `length` samples from each start on; in most of them nothing must.

    Compared are means over symbols at the beginning and at the end. Where there is no more than one symbol, nothing
    can be said against any of them.
    """
    symbols = max(1, length // (2 * grid.fft_size))
    early = dwell_means(samples, starts, grid, symbols)
    late = dwell_means(samples, starts + length - symbols * grid.fft_size, grid, symbols)
    window = delays_heard(early, num_taps)
    return ~stands_out(energy(at_delays(late - early, window)), window.size)


def stands_out(apart: Float[np.ndarray, "dwell"], num_delays: int) -> Bool[np.ndarray, "dwell"]:
    """Which dwells changed by more than most of them, whose changes are noise at that many delays."""
    usual = float(np.median(apart))
    spread = max(1.4826 * float(np.median(np.abs(apart - usual))), usual / np.sqrt(num_delays))
    return np.asarray(apart > usual + UNREST_SIGMAS * spread)


def delays_heard(response: Complex[np.ndarray, "dwell subcarrier"], num_taps: int) -> Int[np.ndarray, "delay"]:
    """The delays, in taps, at which something arrives."""
    num_subcarriers = response.shape[1]
    some = response[:: max(1, len(response) // 256)]
    start = place_window(delay_profile(some, num_subcarriers).mean(axis=0), min(num_taps, num_subcarriers))
    length = min(num_taps + 2 * DELAY_MARGIN, num_subcarriers)
    return np.asarray((start - DELAY_MARGIN + np.arange(length)) % num_subcarriers)


def at_delays(
    response: Complex[np.ndarray, "*batch subcarrier"], window: Int[np.ndarray, "delay"]
) -> Complex[np.ndarray, "*batch delay"]:
    """White noise of variance v on a subcarrier has variance v at each delay."""
    num_subcarriers = response.shape[-1]
    return np.asarray(to_delays(response, num_subcarriers)[..., window] / np.float32(np.sqrt(num_subcarriers)))


def energy(taps: Complex[np.ndarray, "dwell tap"]) -> Float[np.ndarray, "dwell"]:
    """Of each row."""
    return np.asarray((taps.real**2 + taps.imag**2).sum(axis=1), dtype=float)


def until_whole(
    take: Callable[[Int[np.ndarray, "missing"]], tuple[SoundingBlock, Bool[np.ndarray, "missing"]]],
    count: int,
    max_retakes: int,
    what: str,
) -> SoundingBlock:
    """Soundings of `count` patterns from as many captures as it takes.

    take: sounds those patterns in one capture; returns their soundings and which of them are good.
    Raises BoardReset, Overload or MeasurementError where `max_retakes + 1` captures do not bring them all.
    """
    block: SoundingBlock | None = None
    missing = np.arange(count)
    retakes, failures = np.zeros(count, dtype=int), list[Failure]()
    for _ in range(max_retakes + 1):
        try:
            taken, good = take(missing)
        except (BoardReset, Overload, MeasurementError) as error:
            failures.append(error)
            retakes[missing] += 1
            continue
        block = taken if block is None else _put(block, missing[good], taken, good)
        missing = missing[~good]
        retakes[missing] += 1
        if not missing.size:
            overloaded = np.full(count, any(isinstance(error, Overload) for error in failures))
            resets = sum(isinstance(error, BoardReset) for error in failures)
            return replace(block, retakes=retakes, overloaded=overloaded, resets=resets)
    last = failures[-1] if failures else MeasurementError(f"{missing.size} of {count} patterns did not stand still")
    raise type(last)(f"{max_retakes + 1} captures of a {what} in a row were void: {last}") from last


def _put(
    block: SoundingBlock, where: Int[np.ndarray, "good"], taken: SoundingBlock, good: Bool[np.ndarray, "missing"]
) -> SoundingBlock:
    """The block with some of its soundings taken once more."""
    for name in ("response", "noise_var", "time_s", "reference"):
        if getattr(block, name) is not None:
            getattr(block, name)[where] = getattr(taken, name)[good]
    noise = taken.noise_by_subcarrier if block.noise_by_subcarrier is None else block.noise_by_subcarrier
    return replace(block, noise_by_subcarrier=noise)


def _scatter(
    symbols: Complex[np.ndarray, "pattern symbol subcarrier"], grid: OfdmGrid
) -> Float[np.ndarray, "pattern subcarrier"]:
    apart = symbols - symbols.mean(axis=1, keepdims=True)
    return np.asarray((apart.real**2 + apart.imag**2).sum(axis=1) * grid.used / np.float32(symbols.shape[1] - 1))
