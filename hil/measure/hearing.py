"""What the capture of a sequence shows, worked out piece by piece while the rest of it is still on its way over USB.

When the surface changed is known the better the more was heard; so each stretch of the capture is taken apart by what
was known at its end, and at the end of all it is asked which dwells that missed by more than their guard allows. Those
are taken anew. Stretches are of a fixed length: results do not depend on the pieces in which the samples came.
"""

from dataclasses import dataclass, fields

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.measure.continuity import Repeats, first_slip, pilot_places
from hil.measure.dwells import at_delays, delays_heard, demodulate_dwells, energy
from hil.measure.steps import LARGEST_PACE_ERROR, Pulses
from hil.phy.ofdm import OfdmGrid

STRETCH = 1 << 18  # samples


@dataclass(frozen=True)
class Dwells:
    """Soundings of dwells, in order of time.

    starts: first sample of each. response, scatter: as of `demodulate_dwells`. echoes: response at the delays at which
    something arrives. place, better: as of `pilot_places`.
    """

    starts: Int[np.ndarray, "dwell"]
    response: Complex[np.ndarray, "dwell subcarrier"]
    scatter: Float[np.ndarray, "dwell subcarrier"]
    echoes: Complex[np.ndarray, "dwell delay"]
    place: Int[np.ndarray, "dwell"]
    better: Float[np.ndarray, "dwell"]

    def __getitem__(self, which: slice | Int[np.ndarray, "some"]) -> "Dwells":
        return Dwells(*(getattr(self, field.name)[which] for field in fields(self)))

    def put(self, where: slice | np.ndarray, others: "Dwells") -> None:
        """In the place of some of these."""
        for field in fields(self):
            getattr(self, field.name)[where] = getattr(others, field.name)

    def room(self, count: int) -> "Dwells":
        """For so many like these."""
        arrays = (getattr(self, field.name) for field in fields(self))
        return Dwells(*(np.empty((count, *array.shape[1:]), array.dtype) for array in arrays))

    @property
    def change_heights(self) -> Float[np.ndarray, "change"]:
        """Energy of each change from a dwell to the next, at the delays at which something arrives.

        White noise of variance v on a subcarrier adds v times the number of subcarriers at each delay.
        """
        return np.asarray(self.response.shape[1] * energy(np.diff(self.echoes, axis=0)))


class Hearing:
    """Hears a capture while it arrives, and tells its dwells at the end."""

    def __init__(
        self, grid: OfdmGrid, num_samples: int, *, dwell: float, repetitions: int, num_taps: int, slack: float
    ) -> None:
        """num_samples: of the whole capture. dwell: in samples. repetitions: symbols that are taken of each.

        slack: samples by which they may be taken too early or too late.
        """
        self._grid, self._repetitions, self._num_taps = grid, repetitions, num_taps
        self._dwell, self._slack = dwell, slack
        self._most = int(num_samples / dwell / (1 - LARGEST_PACE_ERROR)) + 2
        self._pulses, self._repeats = Pulses(num_samples, dwell=dwell, period=grid.fft_size), Repeats()
        self._dwells: Dwells | None = None
        self._num_heard = self._num_dwells = self._next = 0
        self._delays, self._usual = np.empty(0, dtype=int), np.empty(0, dtype=np.complex64)

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far. They are looked at a whole stretch at a time."""
        for end in range(self._num_heard + STRETCH, samples.size + 1, STRETCH):
            self._sum_up(samples[:end])
            steps = self._pulses.so_far()
            if steps is not None:
                self._add(samples[:end], steps.starts(self._length, end))

    def dwells(self, samples: Complex[np.ndarray, "sample"], count: int) -> Dwells:
        """All of the whole capture, of which `count` in a row are patterns, each of them another than the one before.

        Raises MeasurementError as `find_steps`.
        """
        self.hear(samples)
        self._sum_up(samples)
        starts = self._pulses.find(count).starts(self._length, samples.size)
        self._add(samples, starts)
        assert self._dwells is not None, "a sequence was found"
        nearest = _nearest(self._dwells.starts[: self._num_dwells], starts)
        off = np.abs(self._dwells.starts[nearest] - starts) > self._slack
        if not off.any() and nearest[-1] - nearest[0] + 1 == starts.size:
            return self._dwells[nearest[0] : nearest[-1] + 1]
        found = self._dwells[nearest]
        found.put(off, self._look(samples, starts[off]))
        return found

    def repeated_from(self, samples: Complex[np.ndarray, "sample"]) -> int | None:
        """As `measure.continuity.Repeats.first`, once all was heard."""
        return self._repeats.first(samples)

    def slipped_from(self, dwells: Dwells) -> int | None:
        """As `measure.continuity.slipped_from`."""
        fft_size = self._grid.fft_size
        spread = -(-self._num_taps * fft_size // self._grid.num_subcarriers)
        return first_slip(dwells.place, dwells.better, spread, fft_size)

    @property
    def _length(self) -> int:
        return self._repetitions * self._grid.fft_size

    def _sum_up(self, samples: Complex[np.ndarray, "sample"]) -> None:
        self._pulses.hear(samples)
        self._repeats.hear(samples)
        self._num_heard = samples.size

    def _add(self, samples: Complex[np.ndarray, "sample"], starts: Int[np.ndarray, "dwell"]) -> None:
        """The dwells behind those that are there."""
        starts = starts[starts >= self._next]
        if not starts.size:
            return
        more = self._look(samples, starts)
        if self._dwells is None:
            self._dwells = more.room(self._most)
        first, self._num_dwells = self._num_dwells, self._num_dwells + starts.size
        self._dwells.put(slice(first, self._num_dwells), more)
        self._next = int(starts[-1] + self._dwell / 2)

    def _look(self, samples: Complex[np.ndarray, "sample"], starts: Int[np.ndarray, "dwell"]) -> Dwells:
        response, scatter = demodulate_dwells(samples, starts, self._grid, self._repetitions)
        if not self._usual.size:  # the first stretch tells what is usual
            self._delays = delays_heard(response, self._num_taps)
            self._usual = response[: max(1, len(response) // 4)].mean(axis=0)
        places = pilot_places(response, self._usual, self._grid.fft_size)
        return Dwells(starts, response, scatter, at_delays(response, self._delays), *places)


def _nearest(those: Int[np.ndarray, "place"], places: Int[np.ndarray, "wanted"]) -> Int[np.ndarray, "wanted"]:
    """Which of those, in order, lies nearest to each place."""
    after = np.minimum(np.searchsorted(those, places), those.size - 1)
    before = np.maximum(after - 1, 0)
    return np.where(places - those[before] <= those[after] - places, before, after)
