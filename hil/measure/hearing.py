"""What the capture of a sequence shows, worked out piece by piece while the rest of it is still on its way over USB.

When the surface changed is known the better the more was heard; so each stretch of the capture is taken apart by what
was known of late, the first ones only once that is enough; and at the end of all it is asked which dwells that missed
by more than their guard allows. Those are taken anew. Stretches are of a fixed length: results do not depend on the
pieces in which the samples came.
"""

from dataclasses import dataclass, fields

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.measure.continuity import Repeats
from hil.measure.dwells import at_delays, delays_heard, demodulate_dwells, energy
from hil.measure.intake import Intake
from hil.measure.steps import LARGEST_PACE_ERROR, Pulses, Steps, likely_first
from hil.phy.ofdm import OfdmGrid

STRETCH = 1 << 16  # samples
FIRST = 12  # stretches, of which the first ones are taken apart together: then the steps are known
ANEW = 1.125  # times as much is heard when the steps are asked for again


@dataclass(frozen=True)
class Dwells:
    """What dwells show, in order of time.

    starts: first sample of each. echoes: response at the delays at which something arrives.
    """

    starts: Int[np.ndarray, "dwell"]
    echoes: Complex[np.ndarray, "dwell delay"]

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
        """Energy of each change from a dwell to the next, at delays at which something arrives only."""
        return energy(np.diff(self.echoes, axis=0))


class Hearing:
    """Hears a capture while it arrives, and tells its dwells at the end."""

    def __init__(
        self,
        grid: OfdmGrid,
        num_samples: int,
        count: int,
        *,
        dwell: float,
        repetitions: int,
        num_taps: int,
        slack: float,
        intake: Intake | None = None,
    ) -> None:
        """num_samples: of the whole capture, of whose dwells `count` in a row are patterns, each of them another than
        the one before. dwell: in samples. repetitions: symbols that are taken of each.

        slack: samples by which they may be taken too early or too late.
        """
        self._grid, self._count, self._repetitions, self._num_taps = grid, count, repetitions, num_taps
        self._dwell, self._slack = dwell, slack
        self._most = int(num_samples / dwell / (1 - LARGEST_PACE_ERROR)) + 2
        self._pulses, self._repeats = Pulses(num_samples, dwell=dwell, period=grid.fft_size), Repeats()
        self._steps: Steps | None = None
        self._ask_at: float = FIRST * STRETCH
        self._dwells: Dwells | None = None
        self._num_heard = self._num_dwells = self._next = 0
        self._delays = np.empty(0, dtype=int)
        self._intake = intake or Intake()
        self._response = self._intake.room(count, grid.num_subcarriers)
        self._scatter = np.empty(self._response.shape, dtype=np.float32)
        self._first = self._num_kept = 0  # dwell whose response is kept first: the first pattern's, as it seems

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far. They are looked at a whole stretch at a time."""
        for end in range(self._num_heard + STRETCH, samples.size + 1, STRETCH):
            self._sum_up(samples[:end])
            if end >= self._ask_at:
                self._steps, self._ask_at = self._pulses.so_far(), ANEW * end
            if self._steps is not None:
                self._add(samples[:end], self._steps.starts(self._length, end))

    def dwells(self, samples: Complex[np.ndarray, "sample"]) -> Dwells:
        """All of the whole capture. Raises MeasurementError as `find_steps`."""
        self.hear(samples)
        self._sum_up(samples)
        starts = self._pulses.find(self._count, self._steps).starts(self._length, samples.size)
        self._add(samples, starts)
        assert self._dwells is not None, "a sequence was found"
        self._nearest = _nearest(self._dwells.starts[: self._num_dwells], starts)
        found = self._dwells[self._nearest]
        self._off = np.abs(found.starts - starts) > self._slack
        if self._off.any():
            found.put(self._off, self._look(samples, starts[self._off])[0])
        return found

    def soundings(
        self, samples: Complex[np.ndarray, "sample"], dwells: Dwells, first: int
    ) -> tuple[Complex[np.ndarray, "pattern subcarrier"], Float[np.ndarray, "pattern subcarrier"]]:
        """Response and scatter of the dwells that show patterns: number `first` and those behind it, as `dwells` told.

        Those that the intake was given, where all of them were taken as they should be.
        """
        patterns = slice(first, first + self._count)
        rows = self._nearest[patterns] - self._first
        anew = self._off[patterns] | (rows < 0) | (rows >= self._num_kept)
        if not anew.any() and rows[-1] - rows[0] + 1 == self._count:
            return self._response, self._scatter
        rows[anew] = 0
        response, scatter = self._response[rows], self._scatter[rows]
        again = demodulate_dwells(samples, dwells.starts[patterns][anew], self._grid, self._repetitions)
        response[anew], scatter[anew] = again
        return response, scatter

    def repeated_from(self, samples: Complex[np.ndarray, "sample"]) -> int | None:
        """As `measure.continuity.repeated_from`, once all was heard."""
        return self._repeats.first(samples)

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
        more, response, scatter = self._look(samples, starts)
        if self._dwells is None:
            self._dwells = more.room(self._most)
            self._first = 1 + likely_first(more.change_heights)
        before, self._num_dwells = self._num_dwells, self._num_dwells + starts.size
        self._dwells.put(slice(before, self._num_dwells), more)
        self._next = int(starts[-1] + self._dwell / 2)
        kept = slice(max(before, self._first), min(self._num_dwells, self._first + self._count))
        if kept.start < kept.stop:
            ours, theirs = (slice(kept.start - zero, kept.stop - zero) for zero in (self._first, before))
            self._response[ours], self._scatter[ours] = response[theirs], scatter[theirs]
            self._num_kept = ours.stop
            self._intake.there(self._num_kept)

    def _look(
        self, samples: Complex[np.ndarray, "sample"], starts: Int[np.ndarray, "dwell"]
    ) -> tuple[Dwells, Complex[np.ndarray, "dwell subcarrier"], Float[np.ndarray, "dwell subcarrier"]]:
        """What the dwells show, their responses and scatter, as of `demodulate_dwells`."""
        response, scatter = demodulate_dwells(samples, starts, self._grid, self._repetitions)
        if not self._delays.size:  # the first ones tell
            self._delays = delays_heard(response, self._num_taps)
        return Dwells(starts, at_delays(response, self._delays)), response, scatter


def _nearest(those: Int[np.ndarray, "place"], places: Int[np.ndarray, "wanted"]) -> Int[np.ndarray, "wanted"]:
    """Which of those, in order, lies nearest to each place."""
    after = np.minimum(np.searchsorted(those, places), those.size - 1)
    before = np.maximum(after - 1, 0)
    return np.where(places - those[before] <= those[after] - places, before, after)
