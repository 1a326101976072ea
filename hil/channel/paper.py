"""Scenes of the paper: its Table I (`paper`) and a variant with paths of many elevations (`paper-rich`).

The environment is fixed by the seed and stays where it is: a user who moves sees each path turn and lengthen smoothly.
The statistics are the Signal Processing Cup's (hil.channel.microcell). Where the Cup draws power shares and delays anew
for each user, here they belong to the environment: a scatterer's share is its own, and a direct path bounces at a fixed
place that gives it the Cup's distribution of lengths in the middle of the room.

The paper does not say where its base station stands; at (80, -200, 15) m from the surface's centre the rates come near
its Table I, all but its row of random phases.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Float
from hil.channel import microcell
from hil.channel.frame import distance_m
from hil.channel.paths import Scene
from hil.config import UserConfig

CARRIER_HZ = 4e9
BASE_STATION_M = (80.0, -200.0, 15.0)  # station's frame, surface at the origin facing +x
ROOM_CENTRE_M = np.array([1.0, 0.0, 13.0])  # surface's frame
USER_DISTANCE_M = 15.0

Vector = Float[np.ndarray, "3"]


@dataclass(frozen=True)
class PaperOptions:
    """Spread of the base station's paths in elevation, and of the room's scatterers in height (both ways)."""

    elevation_spread_deg: float = 0.0
    scatterer_height_m: float = 0.0


RICH = PaperOptions(elevation_spread_deg=5.0, scatterer_height_m=10.0)


def paper_scene(
    options: PaperOptions,
    seed: int,
    carrier_hz: float,
    transmitter_m: Vector,
    user_m: Vector,
    line_of_sight: bool,
    element_gain_dbi: float,
) -> Scene:
    """Paths of one user. Positions in the surface's frame."""
    base, room, outdoors = (np.random.default_rng([seed, purpose]) for purpose in range(3))
    scatterer = microcell.room_scatterers(room, options.scatterer_height_m)
    shares = room.uniform(size=len(scatterer))
    return Scene(
        direct=microcell.base_to_user(
            _direct_lengths(outdoors, transmitter_m, user_m), float(distance_m(transmitter_m, user_m))
        ),
        to_surface=microcell.base_to_surface(base, transmitter_m, options.elevation_spread_deg, element_gain_dbi),
        from_surface=microcell.surface_to_user(scatterer, shares, user_m, line_of_sight, element_gain_dbi),
        carrier_hz=carrier_hz,
    )


def _direct_lengths(rng: np.random.Generator, base_m: Vector, user_m: Vector) -> Float[np.ndarray, "path"]:
    """Over bodies on level ellipses around base station and room, whose detours are uniform up to their separation."""
    count = microcell.NUM_PATHS
    length = float(distance_m(base_m, ROOM_CENTRE_M)) * (1 + rng.uniform(size=count))
    turn = rng.uniform(0, 2 * np.pi, count)
    body = microcell.bodies_of_detours(base_m, ROOM_CENTRE_M, length, turn)
    return np.asarray(distance_m(base_m, body) + distance_m(body, user_m))


def paper_users(seed: int, *, count: int = 51) -> tuple[UserConfig, ...]:
    """Users of the paper's Table I: `count` that see the surface, named los-0 on, then as many nlos-0 on that do not.

    All 15 m from the centre of a surface at the origin that faces +x, heights within +-10 m, azimuth -31..39 degrees.
    """
    rng = np.random.default_rng([seed, 3])
    height = rng.uniform(-10, 10, 2 * count)
    azimuth = np.radians(rng.uniform(-31, 39, 2 * count))
    level = np.sqrt(USER_DISTANCE_M**2 - height**2)
    place = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), height], axis=-1)
    return tuple(
        UserConfig(
            name=f"los-{index}" if index < count else f"nlos-{index - count}",
            position_m=(float(x), float(y), float(z)),
            line_of_sight=index < count,
        )
        for index, (x, y, z) in enumerate(place)
    )
