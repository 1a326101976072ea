"""Urban microcell statistics shared by the outdoor scenes: path loss and Rice factor of ETSI TR 125 996 (section 5.4).

Powers are ratios (receive over transmit, isotropic antennas), distances in metres.
"""

import numpy as np

from hil.arrays import Float
from hil.units import power_from_db

NUM_PATHS = 101  # base station to surface, and base station to user
NUM_SCATTERERS = 10  # in the users' room
ELEMENT_EXPONENT = 1.0  # amplitude of an element falls with the cosine of the angle
PENETRATION_LOSS = 1 / 5  # of the paths that pass the surface by


def line_of_sight_power(distance_m: float) -> float:
    """Path loss where transmitter and receiver see each other."""
    return power_from_db(-30.18 - 26 * np.log10(distance_m))


def obstructed_power(distance_m: float) -> float:
    """Path loss where they do not."""
    return power_from_db(-34.53 - 38 * np.log10(distance_m))


def rice_factor(distance_m: float) -> float:
    """Power of the line of sight over that of all scattered paths."""
    return power_from_db(13 - 0.03 * distance_m)


def rice_powers(distance_m: float, shares: Float[np.ndarray, "scattered"]) -> Float[np.ndarray, "path"]:
    """Power of the line of sight, then of each scattered path; `shares` are normalised to the scattered power."""
    factor = rice_factor(distance_m)
    scattered = shares / shares.sum() / (1 + factor)
    return line_of_sight_power(distance_m) * np.concatenate([[factor / (1 + factor)], scattered])
