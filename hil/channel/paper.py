"""Scenes of the paper: its Table I (`paper`) and a variant with paths of many elevations (`paper-rich`).

The environment is fixed by the seed and stays where it is: a user who moves sees each path turn and lengthen smoothly.
The statistics are the Signal Processing Cup's (hil.channel.microcell); where the Cup draws a delay for each user,
here a scatterer is drawn that gives such a delay in the middle of the users' room.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Float
from hil.channel import microcell
from hil.channel.elements import element_amplitude
from hil.channel.frame import delay_s, direction, distance_m
from hil.channel.paths import Paths, Scene
from hil.config import UserConfig

ROOM_CENTRE_M = np.array([1.0, 0.0, 13.0])  # surface's frame: amid the users of the Cup


@dataclass(frozen=True)
class PaperOptions:
    """Parameters of the generator. The defaults are `paper`; `paper-rich` has 5 degrees and 10 m."""

    elevation_spread_deg: float = 0.0
    scatterer_height_m: float = 0.0


def paper_scene(
    options: PaperOptions,
    seed: int,
    carrier_hz: float,
    transmitter_m: Float[np.ndarray, "3"],
    user_m: Float[np.ndarray, "3"],
    line_of_sight: bool,
    element_gain_dbi: float,
) -> Scene:
    """Base station far away, one room of users in front of the surface. Positions in the surface's frame."""
    base, room, outdoors = (np.random.default_rng([seed, purpose]) for purpose in range(3))
    return Scene(
        direct=_direct(outdoors, transmitter_m, user_m),
        to_surface=_from_base(base, options, transmitter_m, element_gain_dbi),
        from_surface=_in_room(room, options, user_m, line_of_sight, element_gain_dbi),
        carrier_hz=carrier_hz,
    )


def _from_base(
    rng: np.random.Generator, options: PaperOptions, base_m: Float[np.ndarray, "3"], gain_dbi: float
) -> Paths:
    """Line of sight and scattered paths within 40 degrees of its azimuth, up to three times as long."""
    distance = float(np.linalg.norm(base_m))
    scattered = microcell.NUM_PATHS - 1
    azimuth = np.arctan2(base_m[0], base_m[2]) + np.radians(40) * np.r_[0, rng.uniform(-1, 1, scattered)]
    length = distance * (1 + np.r_[0, rng.uniform(0, 2, scattered)])
    power = microcell.rice_powers(distance, rng.uniform(size=scattered))
    spread = np.radians(options.elevation_spread_deg) * np.r_[0, rng.uniform(-1, 1, scattered)]
    towards = direction(azimuth, np.arcsin(base_m[1] / distance) + spread)
    return Paths(
        np.sqrt(power) * element_amplitude(towards[:, 2], gain_dbi, microcell.ELEMENT_EXPONENT) + 0j,
        delay_s(length),
        towards,
    )


def _in_room(
    rng: np.random.Generator,
    options: PaperOptions,
    user_m: Float[np.ndarray, "3"],
    line_of_sight: bool,
    gain_dbi: float,
) -> Paths:
    """Line of sight and one bounce at each of the room's scatterers, half of them along either side wall."""
    half = microcell.NUM_SCATTERERS // 2
    along = rng.uniform(5, 45, 2 * half)
    aside = np.r_[rng.uniform(10, 12, half), rng.uniform(-10, -7, half)]
    shares = rng.uniform(size=2 * half)
    height = options.scatterer_height_m * rng.uniform(-1, 1, 2 * half)
    scatterer = np.stack([aside, height, along], axis=-1)
    near = np.vstack([user_m, scatterer])
    near_distance = np.linalg.norm(near, axis=-1)
    towards = near / near_distance[:, None]
    amplitude = np.sqrt(microcell.rice_powers(float(near_distance[0]), shares))
    seen = slice(None) if line_of_sight else slice(1, None)
    return Paths(
        (amplitude * element_amplitude(towards[:, 2], gain_dbi, microcell.ELEMENT_EXPONENT) + 0j)[seen],
        delay_s(near_distance + distance_m(near, user_m))[seen],
        towards[seen],
    )


def _direct(rng: np.random.Generator, base_m: Float[np.ndarray, "3"], user_m: Float[np.ndarray, "3"]) -> Paths:
    """Obstructed paths of equal power through a wall, over scatterers on ellipses around base station and room."""
    count = microcell.NUM_PATHS
    axis = ROOM_CENTRE_M - base_m
    separation = float(np.linalg.norm(axis))
    axis = axis / separation
    sideways = np.cross(axis, [0.0, 1.0, 0.0])
    sideways = sideways / np.linalg.norm(sideways)
    length = separation * (1 + rng.uniform(size=count))
    turn = rng.uniform(0, 2 * np.pi, count)
    major, minor = length / 2, np.sqrt(length**2 - separation**2) / 2
    centre = (base_m + ROOM_CENTRE_M) / 2
    scatterer = centre + np.outer(major * np.cos(turn), axis) + np.outer(minor * np.sin(turn), sideways)
    power = microcell.PENETRATION_LOSS * microcell.obstructed_power(float(distance_m(base_m, user_m))) / count
    return Paths(
        np.full(count, np.sqrt(power), dtype=complex),
        delay_s(distance_m(base_m, scatterer) + distance_m(scatterer, user_m)),
        np.zeros((count, 3)),
    )


def paper_users(
    seed: int, *, surface_m: tuple[float, float, float] = (0.0, 0.0, 0.0), count: int = 51
) -> tuple[UserConfig, ...]:
    """Users of the paper's Table I: `count` with line of sight to the surface, then as many without.

    All 15 m from the surface's centre, heights -10..10 m around it, azimuth -31..39 degrees; surface facing +x.
    """
    rng = np.random.default_rng([seed, 3])
    height = rng.uniform(-10, 10, 2 * count)
    azimuth = np.radians(rng.uniform(-31, 39, 2 * count))
    level = np.sqrt(15.0**2 - height**2)
    place = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), height], axis=-1) + np.asarray(surface_m)
    return tuple(
        UserConfig(
            name=f"los-{index}" if index < count else f"nlos-{index - count}",
            position_m=(float(x), float(y), float(z)),
            line_of_sight=index < count,
        )
        for index, (x, y, z) in enumerate(place)
    )
