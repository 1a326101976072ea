"""The grid on which a converter takes its samples."""

import math
from dataclasses import dataclass

ROUNDING = 1e-3  # of a sample: closer than this, a time is on the grid


@dataclass(frozen=True)
class SampleClock:
    """Sample n is taken at epoch_s + n / rate_hz. Clocks of one radio share the epoch, so that their grids meet."""

    rate_hz: float
    epoch_s: float

    def index(self, time_s: float) -> int:
        """The first sample at or after `time_s`: as many were taken before."""
        return math.ceil((time_s - self.epoch_s) * self.rate_hz - ROUNDING)

    def time_s(self, index: int) -> float:
        return self.epoch_s + index / self.rate_hz
