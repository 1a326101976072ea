"""Fast phase noise of a radio's two PLLs: flat up to the bandwidth of their loops, falling by 20 dB per decade beyond.

Each PLL is an Ornstein-Uhlenbeck process. Simplifications: both are applied where the radio receives, which is the
same for all that it sent itself; runs of samples know nothing of each other.
"""

import math

import numpy as np

from hil.arrays import Complex
from hil.sim.noise import random_at

LOOP_HZ = 100e3
PLLS = 2  # of equal quality: together they jitter by the square root of this


class PhaseNoise:
    """rms_deg: integrated phase error of one PLL; the AD9361's data sheet says 0.13 to 0.59 degrees."""

    def __init__(self, rms_deg: float, seed: int) -> None:
        self._rms_rad, self._seed = math.radians(rms_deg) * math.sqrt(PLLS), seed

    def apply(
        self, samples: Complex[np.ndarray, "sample"], start_s: float, sample_rate_hz: float
    ) -> Complex[np.ndarray, "sample"]:
        """Samples taken from `start_s` on with their phases jittered; themselves where there is no noise."""
        if not self._rms_rad:
            return samples
        from scipy.signal import lfilter  # slow to import, and rarely needed

        rng = random_at(self._seed, "phase noise", start_s)
        keep = math.exp(-2 * math.pi * LOOP_HZ / sample_rate_hz)
        steps = math.sqrt(1 - keep**2) * rng.standard_normal(samples.size)
        unit, _ = lfilter([1.0], [1.0, -keep], steps, zi=[keep * rng.standard_normal()])
        phase = (self._rms_rad * unit).astype(np.float32)
        return np.asarray(samples * (np.cos(phase) + 1j * np.sin(phase)))
