"""The grid on which a converter takes its samples."""

import math
from dataclasses import dataclass

from hil.sim.crystal import EXACT, Crystal

ROUNDING = 1e-3  # of a sample: closer than this, a time is on the grid


@dataclass(frozen=True)
class SampleClock:
    """Sample n is taken n / rate_hz after epoch_s, by the crystal. Clocks of one radio share the epoch and the crystal,
    so that their grids meet.
    """

    rate_hz: float
    epoch_s: float
    crystal: Crystal = EXACT

    def index(self, time_s: float) -> int:
        """The first sample at or after `time_s`: as many were taken before."""
        return math.ceil(self.crystal.elapsed_s(self.epoch_s, time_s) * self.rate_hz - ROUNDING)

    def time_s(self, index: int) -> float:
        return self.crystal.when_s(self.epoch_s, index / self.rate_hz)
