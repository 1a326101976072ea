"""What the chip's filters make of the band's edges: the analog low-passes and the programmable FIR.

AD9361 Reference Manual UG-570: baseband filters of third order (Butterworth) at 1.4 times half the receive bandwidth
and 1.6 times half the transmit bandwidth, poles of first order at 2.5 and 5 times. Simplification: the half-band stages
are flat, and what they leave of images and aliases is nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float

MEMORY = 256  # samples after which nothing of an impulse is left
Response = Callable[[Float[np.ndarray, "f"]], Complex[np.ndarray, "f"]]


@dataclass(frozen=True)
class Filters:
    """One direction's filters; calling it gives their response at baseband frequencies, 1 at DC.

    corner, pole: of the analog filters, relative to half of the bandwidth.
    taps: of the FIR, which runs at `fir_rate_hz`; none where it is off.
    """

    bandwidth_hz: float
    corner: float
    pole: float
    taps: tuple[int, ...] = ()
    fir_rate_hz: float = 1.0

    def __call__(self, frequency_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f"]:
        s = 2j * frequency_hz / (self.bandwidth_hz * self.corner)
        first_order = 2j * frequency_hz / (self.bandwidth_hz * self.pole)
        return self._fir(frequency_hz) / ((1 + s) * (1 + s + s**2) * (1 + first_order))

    def _fir(self, frequency_hz: Float[np.ndarray, "f"]) -> Complex[np.ndarray, "f"]:
        if not self.taps:
            return np.ones(len(frequency_hz), dtype=complex)
        turns = np.outer(frequency_hz / self.fir_rate_hz, np.arange(len(self.taps)))
        return np.asarray(np.exp(-2j * np.pi * turns) @ np.array(self.taps) / sum(self.taps))


def filtered(samples: Complex[np.ndarray, "sample"], response: Complex[np.ndarray, "f"]) -> Complex[np.ndarray, "kept"]:
    """Samples behind a filter; the first MEMORY of them, which fill it, are dropped.

    response: at as many frequencies of the DFT as there are samples.
    """
    import scipy.fft  # keeps single precision, and is quick at any length

    spectrum = scipy.fft.fft(samples) * response
    return np.asarray(scipy.fft.ifft(spectrum)[MEMORY:])
