"""`sp-cup-2021`: the generator of the IEEE Signal Processing Cup 2021 (github.com/emilbjornson/SP_Cup_2021).

Source: generateDatasets.m, RISvector.m and refcoefficient.m there, read for their parameters. All in one plane: base
station, scatterers and users at the surface's height. Power shares and direct delays are drawn for each user, by
name, so that a user who moves under one name keeps them.

The Cup's users stand. For one who walks each direct path is taken to bounce at a fixed body, on the ellipse around base
station and the place where the walk begins that gives it its drawn length there; a way over a body lengthens by at most
what the user walks.

Differences: the speed of light is exact (the Cup's is 3e8 m/s), steering phases count from the surface's centre (the
Cup's from a corner), paths from behind the surface are lost (the Cup's come with a negative sign), and random numbers
are numpy's: the statistics agree, not the datasets.
"""

import zlib

import numpy as np

from hil.arrays import Float
from hil.channel import microcell
from hil.channel.elements import Coupling, LumpedCircuit, SwitchedElements
from hil.channel.frame import distance_m
from hil.channel.paths import Scene
from hil.config import UserConfig
from hil.interfaces import Geometry
from hil.units import wavelength_m

CARRIER_HZ = 4e9
BASE_STATION_M = (40.0, -100.0, 0.0)  # station's frame, surface at the origin facing +x
CAPACITANCE_F = (0.5e-12, 0.37e-12)  # of the states that stand for +1 and -1

Vector = Float[np.ndarray, "3"]


def sp_cup_geometry(size: int = 64) -> Geometry:
    """The Cup's surface: square, elements 0.4 wavelengths apart."""
    pitch = 0.4 * wavelength_m(CARRIER_HZ)
    return Geometry(rows=size, cols=size, pitch_x_m=pitch, pitch_y_m=pitch)


def sp_cup_elements(geometry: Geometry, *, coupled: bool = True, decay: float = 100.0) -> SwitchedElements:
    """The Cup's elements: two capacitances, a lossy circuit, neighbours that pull, less by `decay` a wavelength."""
    coupling = Coupling(geometry, CARRIER_HZ, decay=decay) if coupled else None
    return SwitchedElements(CAPACITANCE_F, LumpedCircuit(), coupling)


def sp_cup_scene(
    seed: int,
    carrier_hz: float,
    transmitter_m: Vector,
    start_m: Vector,
    user_m: Vector,
    user_name: str,
    line_of_sight: bool,
    element_gain_dbi: float,
) -> Scene:
    """Paths of one user who set out from `start_m`. Positions in the surface's frame."""
    base, room = (np.random.default_rng([seed, purpose]) for purpose in range(2))
    own = np.random.default_rng([seed, 2, zlib.crc32(user_name.encode())])
    scatterer = microcell.room_scatterers(room, height_m=0.0)
    shares = own.uniform(size=len(scatterer))
    at_start = float(distance_m(transmitter_m, start_m)) * (1 + own.uniform(size=microcell.NUM_PATHS))
    turn = np.random.default_rng([seed, 4, zlib.crc32(user_name.encode())]).uniform(0, 2 * np.pi, microcell.NUM_PATHS)
    body = microcell.bodies_of_detours(transmitter_m, start_m, at_start, turn)
    longer = distance_m(body, user_m) - distance_m(body, start_m)
    return Scene(
        direct=microcell.base_to_user(at_start + longer, float(distance_m(transmitter_m, user_m))),
        to_surface=microcell.base_to_surface(base, transmitter_m, 0.0, element_gain_dbi),
        from_surface=microcell.surface_to_user(scatterer, shares, user_m, line_of_sight, element_gain_dbi),
        carrier_hz=carrier_hz,
    )


def sp_cup_users(seed: int, *, count: int = 50, num_nlos: int = 14) -> tuple[UserConfig, ...]:
    """The Cup's users, 10-23 m before the surface and -6..8 m aside; `num_nlos` at random do not see it."""
    rng = np.random.default_rng([seed, 3])
    hidden = set(rng.permutation(count)[:num_nlos].tolist())
    front, aside = rng.uniform(10, 23, count), rng.uniform(-6, 8, count)
    return tuple(
        UserConfig(
            name=f"user-{index}",
            position_m=(float(front[index]), float(aside[index]), 0.0),
            line_of_sight=index not in hidden,
        )
        for index in range(count)
    )
