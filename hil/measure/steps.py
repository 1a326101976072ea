"""When a surface that steps by its own timer changed, found in the samples of one long capture.

A cyclic pilot of period L makes x[n] - x[n-L] nothing but noise while the surface stands still. From a change until it
has settled and one more period has passed that difference is large. So its energy is a train of pulses, one a dwell:
folded over a dwell it shows phase and pace of the board's clock, however weak each pulse is. Middle of a pulse and half
a dwell later, less half a period: the middle of the time in which the surface stands still, whatever the settle time.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.errors import MeasurementError

BINS = 64  # of one period, in which energy is summed
CHUNK_BINS = 1 << 14  # differences held at once
LARGEST_PACE_ERROR = 200e-6  # between the crystals of board and radio
TURNS = 3  # of the refinement
SIGNIFICANT = 3.0  # sigmas, for a correction of the pace
LARGEST_REMAINDER = 0.1  # of the energy of a change, in a dwell without one
CLEAR_SIGMAS = 8.0  # by how much the first and the last change stand out of the noise


@dataclass(frozen=True)
class Steps:
    """Pattern m stands still around sample `middle + m * pitch` of the capture."""

    middle: float
    pitch: float

    def starts(self, length: int, num_samples: int) -> Int[np.ndarray, "dwell"]:
        """First sample of `length` in the middle of each dwell of a capture, before and after the sequence too."""
        reach = int(num_samples / self.pitch) + 1
        middles = self.middle + self.pitch * np.arange(-reach, reach + 1)
        starts = np.floor(middles - length / 2 + 0.5).astype(int)
        return np.asarray(starts[(starts >= 0) & (starts + length <= num_samples)])


def find_steps(samples: Complex[np.ndarray, "sample"], *, count: int, dwell: float, period: int) -> Steps:
    """Steps of a sequence of `count` patterns, each of them another than the one before, also than the one before all.

    dwell: in samples, by the radio's clock, as exactly as the board's clock allows. period: of the pilot, in samples.
    The number of the first one is a guess where the changes do not stand out of the noise one by one: see
    `first_change`. Raises MeasurementError where the capture does not hold them all.
    """
    size = max(1, period // BINS)
    energy = lag_energy(samples, period, size)
    phase, pace = _fold(energy, period, size, dwell)
    pitch = dwell * (1 + pace)
    pulses = phase * pitch + pitch * np.arange(int(samples.size / pitch) + 1)
    pulses = pulses[(pulses > 1.5 * period) & (pulses < samples.size - period / 2)]
    heights = _between(energy, period, size, pulses - period / 2, pulses + period / 2) / period
    first = _run(heights, count)
    middle, pitch = _refine(energy, period, size, float(pulses[first]), pitch, count, dwell)
    return Steps(middle + (pitch - period) / 2, pitch)


def lag_energy(samples: Complex[np.ndarray, "sample"], lag: int, size: int) -> Float[np.ndarray, "bin"]:
    """Energy of x[n] - x[n - lag], summed over bins of `size` samples; the first bin begins at n = lag."""
    energy = np.empty((samples.size - lag) // size)
    for start in range(0, energy.size, CHUNK_BINS):
        stop = min(start + CHUNK_BINS, energy.size)
        change = samples[lag + start * size : lag + stop * size] - samples[start * size : stop * size]
        energy[start:stop] = (change.real**2 + change.imag**2).reshape(-1, size).sum(axis=1)
    return energy


def _fold(energy: Float[np.ndarray, "bin"], period: int, size: int, dwell: float) -> tuple[float, float]:
    """Where in a dwell (0 to 1) the pulses have their middle, and by which part the dwells are longer than `dwell`.

    The pace at which the energy, folded over a dwell, has most within one period. Energies are limited first, so that
    all changes count alike, however much of the surface changes.
    """
    limited = energy / (energy + energy.mean())
    cycles = (period + (np.arange(energy.size) + 0.5) * size) / dwell
    reach = int(np.ceil(4 * LARGEST_PACE_ERROR * energy.size * size / period))
    num_places, width = int(dwell / size), round(period / size)
    best = (-np.inf, 0.0, 0.0)
    for pace in LARGEST_PACE_ERROR * np.arange(-reach, reach + 1) / max(reach, 1):
        place = (cycles / (1 + pace) % 1.0 * num_places).astype(int)
        profile = np.bincount(place, limited, num_places) / np.maximum(np.bincount(place, minlength=num_places), 1)
        within = np.cumsum(np.concatenate([[0.0], profile, profile[:width]]))
        within = within[width:-1] - within[: -width - 1]
        first = int(np.argmax(within))
        best = max(best, (float(within[first]), (first + width / 2) / num_places % 1.0, float(pace)))
    return best[1], best[2]


def _refine(
    energy: Float[np.ndarray, "bin"], period: int, size: int, pulse: float, pitch: float, count: int, dwell: float
) -> tuple[float, float]:
    """Middle of the first pulse and pitch, by the balance of energy before and after the middle of each pulse.

    A pulse that comes d samples late has 2 d times its height more behind the middle than before it.
    """
    limited = energy / (energy + energy.mean())
    half = min(dwell / 2, period)
    number = np.arange(count)
    for _ in range(TURNS):
        pulses = pulse + pitch * number
        left = _between(limited, period, size, pulses - half, pulses)
        right = _between(limited, period, size, pulses, pulses + half)
        height = float(_between(limited, period, size, pulses - period / 4, pulses + period / 4).mean()) * 2 / period
        floor = min(height / 2, float(np.median(limited)) / size)
        late = (right - left) / (2 * (height - floor))
        away = number - (count - 1) / 2
        drift = float(away @ late) / max(float(away @ away), 1.0)
        if abs(drift) < SIGNIFICANT * float(late.std()) / np.sqrt(max(float(away @ away), 1.0)):
            drift = 0.0  # folding told the pace well enough
        slowest, fastest = dwell * (1 - LARGEST_PACE_ERROR), dwell * (1 + LARGEST_PACE_ERROR)
        centre = pulse + pitch * (count - 1) / 2 + float(late.mean())
        pitch = min(max(pitch + drift, slowest), fastest)
        pulse = centre - pitch * (count - 1) / 2
    return pulse, pitch


def _between(
    energy: Float[np.ndarray, "bin"],
    period: int,
    size: int,
    first: Float[np.ndarray, "pulse"],
    last: Float[np.ndarray, "pulse"],
) -> Float[np.ndarray, "pulse"]:
    """Energy between two places of the capture, in samples."""
    total = np.concatenate([[0.0], np.cumsum(energy)])
    edges = period + np.arange(total.size) * size
    return np.asarray(np.interp(last, edges, total) - np.interp(first, edges, total))


def first_change(heights: Float[np.ndarray, "change"], count: int, freedom: float) -> int:
    """Which change is the first of a run of `count`, with stillness before and after.

    heights: energy of each change, in order of time. freedom: complex values that each is a sum of.
    Raises MeasurementError where the run is not within, or its ends do not stand out of the noise.
    """
    first = _run(heights, count)
    _require_clear(heights, first, count, freedom)
    return first


def _run(heights: Float[np.ndarray, "change"], count: int) -> int:
    """Start of the `count` changes in a row that hold most energy; limited, so that all count alike."""
    spare = heights.size - count
    if spare >= 2:
        limited = heights / (heights + heights.mean())
        first = int(np.argmax(np.convolve(limited, np.ones(count), mode="valid")))
        if 1 <= first < spare:
            return first
    raise MeasurementError(
        f"sequence: the capture does not hold {count} changes of the surface with stillness before and after them; "
        "look at the board's link, or sweep in another mode (sweep.mode: pipelined)"
    )


def _require_clear(heights: Float[np.ndarray, "change"], first: int, count: int, freedom: float) -> None:
    """Raise MeasurementError where the first or the last change might be noise, or a still dwell a change."""
    last = first + count - 1
    still = float(np.median(np.concatenate([heights[:first], heights[last + 1 :]])))
    noise = max(still / np.sqrt(freedom), np.finfo(float).tiny)
    lowest = min(heights[first], heights[last]) - still
    around = max(heights[first - 1], heights[last + 1]) - still
    if lowest - around < CLEAR_SIGMAS * noise or around > max(CLEAR_SIGMAS * noise, LARGEST_REMAINDER * lowest):
        raise MeasurementError(
            f"sequence: first and last change of {count} stand {lowest / noise:.1f} sigma out of the noise, dwells "
            f"beside them {around / noise:.1f}; to number the patterns {CLEAR_SIGMAS:g} are needed, and stillness "
            "beside them; sweep in another mode (sweep.mode: pipelined)"
        )
