"""The surface's own frame, and the small vocabulary in which generators place things.

Surface's frame: x to the right seen from the front, y up, z out of the surface, origin at its centre.
"""

import numpy as np

from hil.arrays import Float
from hil.units import SPEED_OF_LIGHT_M_S


def to_surface_frame(
    position_m: Float[np.ndarray, "*batch 3"], surface_m: Float[np.ndarray, "3"], facing_deg: float
) -> Float[np.ndarray, "*batch 3"]:
    """Positions of the station's frame (z up) as seen from a vertical surface.

    facing_deg: azimuth of the surface's normal, from the station's x axis to its y axis.
    """
    angle = np.radians(facing_deg)
    right = (-np.sin(angle), np.cos(angle), 0.0)
    up = (0.0, 0.0, 1.0)
    out = (np.cos(angle), np.sin(angle), 0.0)
    return np.asarray((position_m - surface_m) @ np.array([right, up, out]).T)


def direction(
    azimuth: Float[np.ndarray, "*#batch"], elevation: Float[np.ndarray, "*#batch"]
) -> Float[np.ndarray, "... 3"]:
    """Unit vectors; azimuth in radians from the normal to the right, elevation in radians from the horizontal up."""
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    level = np.cos(elevation)
    return np.stack([level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)], axis=-1)


def distance_m(
    here_m: Float[np.ndarray, "*#batch 3"], there_m: Float[np.ndarray, "*#batch 3"]
) -> Float[np.ndarray, "..."]:
    """Distance between points, broadcast."""
    return np.asarray(np.linalg.norm(here_m - there_m, axis=-1))


def delay_s(length_m: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """Time that light takes in air."""
    return np.asarray(length_m / SPEED_OF_LIGHT_M_S)
