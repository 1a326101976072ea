"""What a capture shows symbol by symbol, wherever its surface changes, worked out while the rest is still on its way.

Symbols are taken a group at a time: results do not depend on the pieces in which the samples came.
"""

import numpy as np

from hil.arrays import Complex
from hil.measure.continuity import Repeats
from hil.measure.dwells import at_delays, delays_heard
from hil.phy.ofdm import OfdmGrid

GROUP_SAMPLES = 1 << 17


class TrackHearing:
    """Hears a capture while it arrives."""

    def __init__(self, grid: OfdmGrid, num_taps: int) -> None:
        self._grid, self._num_taps = grid, num_taps
        self._group = max(1, GROUP_SAMPLES // grid.fft_size) * grid.fft_size
        self._parts: list[Complex[np.ndarray, "symbol tap"]] = []
        self._num_heard, self._repeats = 0, Repeats()
        self._delays = np.empty(0, dtype=int)

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far."""
        for end in range(self._num_heard + self._group, samples.size + 1, self._group):
            self._add(samples[:end])

    def track(self, samples: Complex[np.ndarray, "sample"]) -> Complex[np.ndarray, "symbol tap"]:
        """The response of each symbol of the whole capture, at the delays at which something arrives only.

        White noise of variance v on a subcarrier has variance v on each tap.
        """
        self.hear(samples)
        self._add(samples)
        return np.concatenate(self._parts)

    def repeated_from(self, samples: Complex[np.ndarray, "sample"]) -> int | None:
        """As `measure.continuity.Repeats.first`, once all was heard."""
        return self._repeats.first(samples)

    def _add(self, samples: Complex[np.ndarray, "sample"]) -> None:
        self._repeats.hear(samples)
        whole = samples.size // self._grid.fft_size * self._grid.fft_size
        if whole > self._num_heard:
            symbols = self._grid.demodulate(samples[self._num_heard : whole])
            if not self._delays.size:  # the first ones tell what is usual
                self._delays = delays_heard(symbols, self._num_taps)
            self._parts.append(at_delays(symbols, self._delays))
        self._num_heard = whole
