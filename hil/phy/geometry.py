"""Where the antennas stand, seen from the surface, and what the straight ways alone would bring (link budget)."""

import numpy as np

from hil.arrays import Complex, Float
from hil.config import TestbedConfig, UserConfig
from hil.interfaces import Geometry
from hil.units import amplitude_from_db, wavelength_m


def seen_from_surface(testbed: TestbedConfig, position_m: tuple[float, float, float]) -> Float[np.ndarray, "3"]:
    """A position of the station's frame (z up) in the surface's: x to the right from the front, y up, z out of it."""
    angle = np.radians(testbed.surface.facing_deg)
    right, up, out = (-np.sin(angle), np.cos(angle), 0.0), (0.0, 0.0, 1.0), (np.cos(angle), np.sin(angle), 0.0)
    return np.asarray(np.array([right, up, out]) @ (np.array(position_m) - np.array(testbed.surface.position_m)))


def straight_cascade(testbed: TestbedConfig, user: UserConfig, geometry: Geometry) -> Complex[np.ndarray, "element"]:
    """Channel over each element at unit reflection if nothing but the straight ways were there (Friis, twice).

    Antenna port to antenna port, antenna gains included; spherical wavefronts, an element's pattern as that of a small
    aperture, gain times cosine of the angle at the surface's centre.
    """
    wave_m = wavelength_m(testbed.radio.lo_hz)
    channel = np.full(geometry.num_elements, amplitude_from_db(testbed.power.tx_antenna_gain_dbi), dtype=complex)
    for position_m in (testbed.transmitter_m, user.position_m):
        antenna_m = seen_from_surface(testbed, position_m)
        length_m = np.linalg.norm(antenna_m - geometry.positions_m(), axis=1)
        cosine = max(float(antenna_m[2] / np.linalg.norm(antenna_m)), 0.0)
        aperture = amplitude_from_db(testbed.surface.element_gain_dbi) * np.sqrt(cosine)
        channel *= aperture * wave_m / (4 * np.pi * length_m) * np.exp(-2j * np.pi * length_m / wave_m)
    return channel


def straight_direct(testbed: TestbedConfig, user: UserConfig) -> float:
    """Amplitude of the straight way past the surface, antenna port to antenna port (Friis)."""
    length_m = float(np.linalg.norm(np.array(testbed.transmitter_m) - np.array(user.position_m)))
    gain = amplitude_from_db(testbed.power.tx_antenna_gain_dbi)
    return gain * wavelength_m(testbed.radio.lo_hz) / (4 * np.pi * length_m)
