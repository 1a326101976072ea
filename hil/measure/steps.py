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
ASKED_BINS = 1 << 15  # of all, to know the usual one by
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
    pulses = Pulses(samples.size, dwell=dwell, period=period)
    pulses.hear(samples)
    return pulses.find(count)


class Pulses:
    """Energy of the changes in a capture, summed up while it arrives."""

    def __init__(self, num_samples: int, *, dwell: float, period: int) -> None:
        """num_samples: of the whole capture. dwell, period: as of `find_steps`."""
        self._dwell, self._period, self._size = dwell, period, max(1, period // BINS)
        num_bins = max((num_samples - period) // self._size, 0)
        self._total = np.zeros(num_bins + 1)  # energy before each bin
        self._limited = np.zeros(num_bins + 1)  # the same, limited so that all changes count alike
        self._folded = _Folded(dwell / self._size, num_bins)
        self._num_bins = 0  # heard so far

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far."""
        first, size = self._num_bins, self._size
        energy = lag_energy(samples[first * size :], self._period, size)
        if not energy.size:
            return
        stop = self._num_bins = first + energy.size
        self._total[first + 1 : stop + 1] = self._total[first] + np.cumsum(energy)
        level = max(float(self._total[stop]) / stop, np.finfo(float).tiny)
        limited = energy / (energy + level)
        self._limited[first + 1 : stop + 1] = self._limited[first] + np.cumsum(limited)
        self._folded.add(limited, first, self._period / size)

    def find(self, count: int, told: Steps | None = None) -> Steps:
        """Of a sequence of that many patterns, which is over. Raises MeasurementError as `find_steps`.

        told: by `so_far`, when most of it was heard; they move little then.
        """
        pulses, pitch = self._rough() if told is None else self._like(told.middle, told.pitch)
        half = self._period / 2
        first = _run(self._between(self._total, pulses - half, pulses + half) / self._period, count)
        return self._refined(float(pulses[first]), pitch, count, turns=TURNS if told is None else 1)

    def so_far(self) -> Steps | None:
        """As well as they are known while the sequence goes on: where its ends lie is not asked."""
        pulses, pitch = self._rough()
        return self._refined(float(pulses[0]), pitch, pulses.size) if pulses.size else None

    def _rough(self) -> tuple[Float[np.ndarray, "pulse"], float]:
        """Middles of all pulses that there may be, and how far they are apart, as folding tells them."""
        phase, pace = self._folded.best(width=round(self._period / self._size), period=self._period / self._size)
        pitch = self._dwell * (1 + pace)
        return self._like(phase * pitch + (pitch - self._period) / 2, pitch)

    def _like(self, middle: float, pitch: float) -> tuple[Float[np.ndarray, "pulse"], float]:
        """The same of steps that are known."""
        end = self._period + self._num_bins * self._size
        pulses = (middle - (pitch - self._period) / 2) % pitch + pitch * np.arange(int(end / pitch) + 1)
        return pulses[(pulses > 1.5 * self._period) & (pulses < end - self._period / 2)], pitch

    def _refined(self, pulse: float, pitch: float, count: int, turns: int = TURNS) -> Steps:
        """From the middle of the first pulse, by the balance of energy before and after the middle of each.

        A pulse that comes d samples late has 2 d times its height more behind the middle than before it.
        """
        dwell, period = self._dwell, self._period
        half = min(dwell / 2, period)
        number = np.arange(count)
        usual = self._usual()
        for _ in range(turns):
            pulses = pulse + pitch * number
            left = self._between(self._limited, pulses - half, pulses)
            right = self._between(self._limited, pulses, pulses + half)
            near = self._between(self._limited, pulses - period / 4, pulses + period / 4)
            height = float(near.mean()) * 2 / period
            late = (right - left) / max(2 * (height - min(height / 2, usual)), np.finfo(float).tiny)
            away = number - (count - 1) / 2
            drift = float(away @ late) / max(float(away @ away), 1.0)
            if abs(drift) < SIGNIFICANT * float(late.std()) / np.sqrt(max(float(away @ away), 1.0)):
                drift = 0.0  # folding told the pace well enough
            slowest, fastest = dwell * (1 - LARGEST_PACE_ERROR), dwell * (1 + LARGEST_PACE_ERROR)
            centre = pulse + pitch * (count - 1) / 2 + float(late.mean())
            pitch = min(max(pitch + drift, slowest), fastest)
            pulse = centre - pitch * (count - 1) / 2
        return Steps(pulse + (pitch - period) / 2, pitch)

    def _usual(self) -> float:
        """Limited energy of a sample where nothing changes, as half of them say."""
        some = np.arange(0, self._num_bins, -(-self._num_bins // ASKED_BINS))
        return float(np.median(self._limited[some + 1] - self._limited[some])) / self._size

    def _between(
        self, sums: Float[np.ndarray, "bin"], first: Float[np.ndarray, "pulse"], last: Float[np.ndarray, "pulse"]
    ) -> Float[np.ndarray, "pulse"]:
        """Energy between two places of the capture, in samples."""
        return np.asarray(self._until(sums, last) - self._until(sums, first))

    def _until(self, sums: Float[np.ndarray, "bin"], place: Float[np.ndarray, "pulse"]) -> Float[np.ndarray, "pulse"]:
        bins = np.clip((place - self._period) / self._size, 0, self._num_bins)
        whole = np.minimum(bins.astype(int), max(self._num_bins - 1, 0))
        return np.asarray(sums[whole] + (bins - whole) * (sums[whole + 1] - sums[whole]))


class _Folded:
    """Energy by its place in a dwell, for a few dwells at a time: so few that no allowed pace moves it meanwhile."""

    def __init__(self, dwell: float, num_bins: int) -> None:
        """dwell: in bins."""
        self._dwell, self._num_places = dwell, max(int(dwell), 1)
        self._dwells = max(1, int(1 / (LARGEST_PACE_ERROR * self._num_places)))  # folded together
        num_rows = int(num_bins / dwell / self._dwells) + 2
        self._energy, self._count = np.zeros((2, num_rows, self._num_places))
        self._num_bins = self._num_rows = 0

    def add(self, energy: Float[np.ndarray, "bin"], first: int, offset: float) -> None:
        """Energy of the bins from `first` on; the first of all begins at `offset` bins of the capture."""
        cycles = (offset + first + np.arange(energy.size) + 0.5) / self._dwell
        places = (cycles / self._dwells).astype(int) * self._num_places
        places += np.minimum((cycles % 1.0 * self._num_places).astype(int), self._num_places - 1)
        low, high = int(places[0]), int(places[-1]) // self._num_places * self._num_places + self._num_places
        low -= low % self._num_places
        for sums, values in ((self._energy, energy), (self._count, None)):
            sums.reshape(-1)[low:high] += np.bincount(places - low, values, high - low)
        self._num_bins, self._num_rows = first + energy.size, high // self._num_places

    def best(self, *, width: int, period: float) -> tuple[float, float]:
        """Where in a dwell (0 to 1) the pulses have their middle, and by which part dwells are longer than told.

        The pace at which the energy, folded over a dwell, has most within one period.
        """
        rows, places = np.arange(self._num_rows), np.arange(self._num_places)
        reach = int(np.ceil(4 * LARGEST_PACE_ERROR * self._num_bins / period))
        best = (-np.inf, 0.0, 0.0)
        for pace in LARGEST_PACE_ERROR * np.arange(-reach, reach + 1) / max(reach, 1):
            moved = np.round((rows + 0.5) * self._dwells * pace / (1 + pace) * self._num_places).astype(int)
            there = (places + moved[:, None]) % self._num_places + rows[:, None] * self._num_places
            energy, count = (sums.reshape(-1)[there].sum(axis=0) for sums in (self._energy, self._count))
            profile = energy / np.maximum(count, 1)
            within = np.cumsum(np.concatenate([[0.0], profile, profile[:width]]))
            within = within[width:-1] - within[: -width - 1]
            first = int(np.argmax(within))
            best = max(best, (float(within[first]), (first + width / 2) / self._num_places % 1.0, float(pace)))
        return best[1], best[2]


def lag_energy(samples: Complex[np.ndarray, "sample"], lag: int, size: int) -> Float[np.ndarray, "bin"]:
    """Energy of x[n] - x[n - lag], summed over bins of `size` samples; the first bin begins at n = lag."""
    energy = np.empty(max(samples.size - lag, 0) // size)
    for start in range(0, energy.size, CHUNK_BINS):
        stop = min(start + CHUNK_BINS, energy.size)
        change = samples[lag + start * size : lag + stop * size] - samples[start * size : stop * size]
        energy[start:stop] = (change.real**2 + change.imag**2).reshape(-1, size).sum(axis=1)
    return energy


def first_change(heights: Float[np.ndarray, "change"], count: int, freedom: float) -> int:
    """Which change is the first of a run of `count`, with stillness before and after.

    heights: energy of each change, in order of time. freedom: complex values that each is a sum of.
    Raises MeasurementError where the run is not within, or its ends do not stand out of the noise.
    """
    first = _run(heights, count)
    _require_clear(heights, first, count, freedom)
    return first


def likely_first(heights: Float[np.ndarray, "change"]) -> int:
    """Which change seems to be the first of a run that goes on until the last one; nothing is proven.

    Where their sum, half of its mean taken out of each, turns from falling to rising (CUSUM, Page 1954).
    """
    if not heights.size:
        return 0
    limited = heights / (heights + max(float(heights.mean()), np.finfo(float).tiny))
    return int(np.argmin(np.cumsum(limited - limited.mean() / 2))) + 1


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
