"""What a capture shows of a surface that changes at known places in it, worked out while the rest is still on its way.

Dwells are taken apart a group at a time: results do not depend on the pieces in which the samples came.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.measure.continuity import Repeats, slipped_from
from hil.measure.dwells import at_delays, delays_heard, demodulate_dwells, dwell_means, energy, stands_out
from hil.measure.intake import Intake
from hil.phy.ofdm import OfdmGrid

GROUP_SAMPLES = 1 << 16


@dataclass(frozen=True)
class Frames:
    """Soundings of all dwells. response, scatter: as of `demodulate_dwells`. good: nothing else changed in a dwell.

    repeated, slipped: as of `measure.continuity.Repeats.first` and `slipped_from`. delays: at which something arrives.
    """

    response: Complex[np.ndarray, "dwell subcarrier"]
    scatter: Float[np.ndarray, "dwell subcarrier"]
    good: Bool[np.ndarray, "dwell"]
    repeated: int | None
    slipped: int | None
    delays: Int[np.ndarray, "delay"]


class FrameHearing:
    """Hears such a capture while it arrives."""

    def __init__(
        self,
        grid: OfdmGrid,
        ends: Int[np.ndarray, "dwell"],
        still: int,
        *,
        repetitions: int,
        num_taps: int,
        intake: Intake | None = None,
    ) -> None:
        """ends: of the dwells, each of `still` samples, the last `repetitions` symbols of which are taken."""
        self._grid, self._ends, self._still = grid, ends, still
        self._repetitions, self._num_taps = repetitions, num_taps
        self._group = max(1, GROUP_SAMPLES * ends.size // int(ends[-1]))
        self._repeats, self._num_there = Repeats(), 0
        self._intake = intake or Intake()
        self._response = self._intake.room(ends.size, grid.num_subcarriers)
        self._scatter = np.empty((ends.size, grid.num_subcarriers), dtype=np.float32)
        self._unrest = np.empty(ends.size)
        self._delays = np.empty(0, dtype=int)

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far."""
        while self._num_there < self._ends.size:
            group = slice(self._num_there, min(self._num_there + self._group, self._ends.size))
            last = int(self._ends[group][-1])
            if samples.size < last:
                return
            self._repeats.hear(samples[:last])
            self._look(samples, group)

    def frames(self, samples: Complex[np.ndarray, "sample"]) -> Frames:
        """All of the whole capture."""
        self.hear(samples)
        self._repeats.hear(samples)
        return Frames(
            self._response,
            self._scatter,
            ~stands_out(self._unrest, self._delays.size),
            self._repeats.first(samples),
            slipped_from(self._response, self._grid.fft_size, self._num_taps),
            self._delays,
        )

    def _look(self, samples: Complex[np.ndarray, "sample"], group: slice) -> None:
        ends, grid, period = self._ends[group], self._grid, self._grid.fft_size
        response, scatter = demodulate_dwells(samples, ends - self._repetitions * period, grid, self._repetitions)
        if not self._delays.size:  # the first ones tell
            self._delays = delays_heard(response, self._num_taps)
        symbols = max(1, self._still // (2 * period))
        early = dwell_means(samples, ends - self._still, grid, symbols)
        late = response
        if symbols != self._repetitions:
            late = dwell_means(samples, ends - symbols * period, grid, symbols)
        self._unrest[group] = energy(at_delays(late - early, self._delays))
        self._response[group], self._scatter[group] = response, scatter
        self._num_there = group.stop
        self._intake.there(self._num_there)
