"""What the Pluto's ADCs give, as a capture: full scale 1, and whether it was reached."""

import numpy as np

from hil.arrays import Complex
from hil.interfaces import Capture

ADC_FULL_SCALE = 2048  # 12 bits: -2048 to 2047
PIECE = 1 << 16  # samples converted at a time


def as_capture(samples: Complex[np.ndarray, "receiver sample"], time_s: float) -> Capture:
    """From ADC units. Only the first receiver's overload counts: the second one's gain is found by trying."""
    (scaled, overloaded), *others = (_scaled(each) for each in samples)
    return Capture(scaled, time_s, overloaded, others[0][0] if others else None)


def _scaled(samples: Complex[np.ndarray, "sample"]) -> tuple[Complex[np.ndarray, "sample"], bool]:
    """Full scale = 1, and whether it was reached; in pieces, since double precision takes much memory."""
    scaled = np.empty(samples.size, dtype=np.complex64)
    overloaded = False
    for start in range(0, samples.size, PIECE):
        piece = samples[start : start + PIECE]
        overloaded |= largest_part(piece) >= ADC_FULL_SCALE - 1
        scaled[start : start + PIECE] = piece / ADC_FULL_SCALE
    return scaled, overloaded


def largest_part(samples: Complex[np.ndarray, "*shape"]) -> float:
    """Of all real and imaginary parts; zero of no sample."""
    return float(np.maximum(np.abs(samples.real), np.abs(samples.imag)).max(initial=0.0))
