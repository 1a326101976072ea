"""Urban microcell: a base station far away, a room of users before the surface. Shared by the outdoor scenes.

Path loss and Rice factor of ETSI TR 125 996 (section 5, microcell); number and spread of the paths as in the
generator of the Signal Processing Cup 2021 (github.com/emilbjornson/SP_Cup_2021, generateDatasets.m). Positions in the
surface's frame; powers are ratios between isotropic antennas.
"""

import numpy as np

from hil.arrays import Float
from hil.channel.elements import azimuth_amplitude
from hil.channel.frame import delay_s, direction, distance_m
from hil.channel.paths import Paths
from hil.errors import ConfigError

NUM_PATHS = 101  # base station to surface, and base station to user
NUM_SCATTERERS = 10  # in the users' room
AZIMUTH_SPREAD_DEG = 40.0
PENETRATION_LOSS = 1 / 5  # power ratio, of the paths past the surface
NEAREST_M = 1.0  # the path loss is not meant for less

Vector = Float[np.ndarray, "3"]


def line_of_sight_power(distance_m: Float[np.ndarray, "*batch"] | float) -> Float[np.ndarray, "*batch"]:
    """Path loss where transmitter and receiver see each other."""
    return np.asarray(10 ** (-3.018 - 2.6 * np.log10(distance_m)))


def obstructed_power(distance_m: Float[np.ndarray, "*batch"] | float) -> Float[np.ndarray, "*batch"]:
    """Path loss where they do not."""
    return np.asarray(10 ** (-3.453 - 3.8 * np.log10(distance_m)))


def rice_factor(distance_m: Float[np.ndarray, "*batch"] | float) -> Float[np.ndarray, "*batch"]:
    """Power of the line of sight over that of all scattered paths: 13 - 0.03 d dB."""
    return np.asarray(10 ** (1.3 - 0.003 * np.asarray(distance_m)))


def rice_powers(distance_m: float, shares: Float[np.ndarray, "scattered"]) -> Float[np.ndarray, "path"]:
    """Power of the line of sight, then of each scattered path in proportion to `shares`."""
    factor = rice_factor(distance_m)
    scattered = shares / shares.sum() / (1 + factor)
    return np.asarray(line_of_sight_power(distance_m) * np.concatenate([[factor / (1 + factor)], scattered]))


def base_to_surface(rng: np.random.Generator, base_m: Vector, elevation_spread_deg: float, gain_dbi: float) -> Paths:
    """Line of sight, and scattered paths within 40 degrees of its azimuth that are up to three times as long."""
    distance = _distance(base_m, "transmitter")
    scattered = NUM_PATHS - 1
    azimuth = np.arctan2(base_m[0], base_m[2]) + np.radians(AZIMUTH_SPREAD_DEG) * _around(rng, scattered)
    length = distance * (1 + np.concatenate([[0.0], rng.uniform(0, 2, scattered)]))
    power = rice_powers(distance, rng.uniform(size=scattered))
    elevation = np.arcsin(base_m[1] / distance) + np.radians(elevation_spread_deg) * _around(rng, scattered)
    towards = direction(azimuth, elevation)
    return Paths(np.sqrt(power) * azimuth_amplitude(towards, gain_dbi) + 0j, delay_s(length), towards)


def room_scatterers(rng: np.random.Generator, height_m: float) -> Float[np.ndarray, "scattered 3"]:
    """Places of the scatterers, half of them along either side of the room, heights within +-`height_m`."""
    half = NUM_SCATTERERS // 2
    along = rng.uniform(5, 45, 2 * half)
    aside = np.concatenate([rng.uniform(10, 12, half), rng.uniform(-10, -7, half)])
    return np.stack([aside, height_m * rng.uniform(-1, 1, 2 * half), along], axis=-1)


def surface_to_user(
    scatterer_m: Float[np.ndarray, "scattered 3"],
    shares: Float[np.ndarray, "scattered"],
    user_m: Vector,
    line_of_sight: bool,
    gain_dbi: float,
) -> Paths:
    """Line of sight, where there is one, and one bounce at each scatterer of the room."""
    amplitude = np.sqrt(rice_powers(_distance(user_m, "user"), shares))
    source = np.vstack([user_m, scatterer_m])
    towards = source / np.linalg.norm(source, axis=-1, keepdims=True)
    length = np.linalg.norm(source, axis=-1) + distance_m(source, user_m)
    seen = slice(0 if line_of_sight else 1, None)
    gain = amplitude * azimuth_amplitude(towards, gain_dbi) + 0j
    return Paths(gain[seen], delay_s(length[seen]), towards[seen])


def bodies_of_detours(
    base_m: Vector, room_m: Vector, length_m: Float[np.ndarray, "path"], turn: Float[np.ndarray, "path"]
) -> Float[np.ndarray, "path 3"]:
    """Bodies on level ellipses around base station and room that make the way over them `length_m` long.

    turn: angle of each on its ellipse.
    """
    separation = float(distance_m(base_m, room_m))
    axis = (room_m - base_m) / separation
    sideways = np.array([axis[2], 0.0, -axis[0]]) / np.hypot(axis[0], axis[2])
    along = length_m / 2 * np.cos(turn)
    across = np.sqrt(length_m**2 - separation**2) / 2 * np.sin(turn)
    return np.asarray((base_m + room_m) / 2 + np.outer(along, axis) + np.outer(across, sideways))


def base_to_user(length_m: Float[np.ndarray, "path"], separation_m: float) -> Paths:
    """Obstructed paths of equal power past the surface, of the given lengths."""
    power = PENETRATION_LOSS * obstructed_power(separation_m) / length_m.size
    gain = np.full(length_m.size, np.sqrt(power), dtype=complex)
    return Paths(gain, delay_s(length_m), np.zeros((length_m.size, 3)))


def _around(rng: np.random.Generator, count: int) -> Float[np.ndarray, "path"]:
    """Zero for the line of sight, then uniform in -1..1."""
    return np.concatenate([[0.0], rng.uniform(-1, 1, count)])


def _distance(antenna_m: Vector, name: str) -> float:
    """From the surface's centre. Raises ConfigError within a metre of it."""
    distance = float(np.linalg.norm(antenna_m))
    if distance < NEAREST_M:
        raise ConfigError(
            f"the {name} is {distance:.2f} m from the surface's centre; this scene's path loss needs {NEAREST_M:g} m"
        )
    return distance
