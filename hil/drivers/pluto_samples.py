"""What the Pluto's ADCs give, as a capture: full scale 1, and whether it was reached."""

import numpy as np

from hil.arrays import Complex
from hil.interfaces import Capture

ADC_FULL_SCALE = 2048  # 12 bits: -2048 to 2047


class Arriving:
    """A capture that comes block by block; what lies between two blocks is zero."""

    def __init__(self, num_samples: int, time_s: float) -> None:
        self.num_samples, self._time_s = num_samples, time_s
        self._scaled = np.empty((0, num_samples), dtype=np.complex64)
        self._num_there, self._overloaded = 0, False

    def add(self, block: Complex[np.ndarray, "receiver sample"], pitch: int = 0) -> None:
        """block: in ADC units. pitch: samples from its start to that of the next, where that is more than its size."""
        block = block[:, : self.num_samples - self._num_there]
        if not len(self._scaled):
            self._scaled = np.empty((len(block), self.num_samples), dtype=np.complex64)
        stop = self._num_there + block.shape[1]
        np.multiply(block, np.float32(1 / ADC_FULL_SCALE), out=self._scaled[:, self._num_there : stop])
        self._overloaded |= largest_part(block[0]) >= ADC_FULL_SCALE - 1
        self._num_there = min(self._num_there + max(pitch, block.shape[1]), self.num_samples)
        self._scaled[:, stop : self._num_there] = 0

    @property
    def samples(self) -> Complex[np.ndarray, "sample"]:
        """Of the first receiver, full scale = 1, as far as they are there."""
        return self._scaled[0, : self._num_there]

    def capture(self) -> Capture:
        """Once all are there. Only the first receiver's overload counts: the second one's gain is found by trying."""
        first, *others = self._scaled
        return Capture(first, self._time_s, self._overloaded, others[0] if others else None)


def as_capture(samples: Complex[np.ndarray, "receiver sample"], time_s: float) -> Capture:
    """From ADC units, all at once."""
    arriving = Arriving(samples.shape[1], time_s)
    arriving.add(samples)
    return arriving.capture()


def largest_part(samples: Complex[np.ndarray, "*shape"]) -> float:
    """Of all real and imaginary parts; zero of no sample."""
    parts = np.ascontiguousarray(samples).view(samples.real.dtype)
    return float(max(parts.max(initial=0.0), -parts.min(initial=0.0)))
