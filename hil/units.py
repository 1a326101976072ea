"""Conversions between decibels and linear quantities, and the constants that link budgets need."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPEED_OF_LIGHT_M_S = 299_792_458.0
THERMAL_NOISE_DBM_HZ = -174.0  # k T at 290 K
DB_PER_NEPER = 20 / math.log(10)


def power_db(ratio: ArrayLike) -> NDArray[np.float64]:
    """Power ratio in dB; -inf for zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(np.asarray(ratio, dtype=np.float64)))


def amplitude_from_db(level_db: float) -> float:
    """Amplitude (voltage) ratio of a level in dB."""
    return float(10 ** (level_db / 20))


def power_from_db(level_db: float) -> float:
    """Power ratio of a level in dB; also milliwatts of a level in dBm."""
    return float(10 ** (level_db / 10))


def wavelength_m(frequency_hz: float) -> float:
    """Wavelength in free space."""
    return SPEED_OF_LIGHT_M_S / frequency_hz


def noise_power_dbm(bandwidth_hz: float, noise_figure_db: float) -> float:
    """Thermal noise power in a bandwidth, referred to the receiver's connector."""
    return THERMAL_NOISE_DBM_HZ + noise_figure_db + 10 * math.log10(bandwidth_hz)
