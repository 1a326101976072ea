"""`lab`: a furnished room with the surface on one wall, antennas a metre or a few away (image sources and clutter).

Free space (Friis), one mirror image in each wall, floor and ceiling, and one bounce at each body of a random but fixed
clutter; antennas are isotropic, wavefronts spherical. Simplifications: walls reflect alike at every angle and
polarisation, there are no second bounces, an element's pattern is taken at the surface's centre.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Float
from hil.channel.elements import aperture_amplitude
from hil.channel.frame import delay_s, distance_m
from hil.channel.paths import Paths, Scene
from hil.errors import ConfigError
from hil.units import amplitude_from_db, wavelength_m

NEAREST_BODY_M = 0.3  # a body scatters as if it were no nearer than this


@dataclass(frozen=True)
class LabOptions:
    """Parameters of the room.

    width_m (side to side), depth_m (to the far wall), floor_m, ceiling_m: the surface hangs in the middle of a wall,
    its centre floor_m above the floor and ceiling_m below the ceiling.
    wall_reflection: amplitude that walls, floor and ceiling reflect.
    num_bodies, body_m2: pieces of furniture and the largest radar cross-section of one.
    blocked_db: what stands between transmitter and user takes so much from the straight way of the direct channel.
    """

    width_m: float = 6.0
    depth_m: float = 5.2
    floor_m: float = 1.2
    ceiling_m: float = 1.5
    wall_reflection: float = 0.4
    num_bodies: float = 24
    body_m2: float = 0.3
    blocked_db: float = 0.0

    @property
    def low_m(self) -> Float[np.ndarray, "3"]:
        return np.array([-self.width_m / 2, -self.floor_m, 0.0])

    @property
    def high_m(self) -> Float[np.ndarray, "3"]:
        return np.array([self.width_m / 2, self.ceiling_m, self.depth_m])


@dataclass(frozen=True)
class _Bounces:
    """Ways from an antenna to a point: length travelled, amplitude, and where the wave comes from at the point."""

    length_m: Float[np.ndarray, "path"]
    amplitude: Float[np.ndarray, "path"]
    source_m: Float[np.ndarray, "path 3"]


def lab_scene(
    options: LabOptions,
    seed: int,
    carrier_hz: float,
    transmitter_m: Float[np.ndarray, "3"],
    user_m: Float[np.ndarray, "3"],
    line_of_sight: bool,
    element_gain_dbi: float,
) -> Scene:
    """One room. Positions in the surface's frame; raises ConfigError for an antenna outside the room."""
    _require_inside(options, transmitter_m, "transmitter")
    _require_inside(options, user_m, "user")
    rng = np.random.default_rng(seed)
    low, high = options.low_m + np.array([0.2, 0.2, 0.8]), options.high_m - 0.2
    bodies = rng.uniform(low, high, (int(options.num_bodies), 3))
    strength = np.sqrt(options.body_m2 * rng.uniform(size=len(bodies)) / (4 * np.pi))
    friis = wavelength_m(carrier_hz) / (4 * np.pi)

    def hop(antenna_m: Float[np.ndarray, "3"], visible: bool = True) -> Paths:
        ways = _bounces(options, bodies, strength, antenna_m, np.zeros(3))
        towards = ways.source_m / np.linalg.norm(ways.source_m, axis=-1, keepdims=True)
        gain = friis * ways.amplitude * aperture_amplitude(towards, element_gain_dbi)
        kept = (towards[:, 2] > 0) & (visible | (np.arange(len(gain)) > 0))
        return Paths(gain[kept] + 0j, delay_s(ways.length_m[kept]), towards[kept], ways.source_m[kept])

    past = _bounces(options, bodies, strength, transmitter_m, user_m)
    past.amplitude[0] *= amplitude_from_db(-options.blocked_db)
    return Scene(
        direct=Paths(friis * past.amplitude + 0j, delay_s(past.length_m), np.zeros_like(past.source_m)),
        to_surface=hop(transmitter_m),
        from_surface=hop(user_m, line_of_sight),
        carrier_hz=carrier_hz,
    )


def _bounces(
    options: LabOptions,
    bodies_m: Float[np.ndarray, "body 3"],
    strength: Float[np.ndarray, "body"],
    antenna_m: Float[np.ndarray, "3"],
    point_m: Float[np.ndarray, "3"],
) -> _Bounces:
    """The straight way first, then six walls, then the bodies (radar equation)."""
    source = np.vstack([antenna_m, _images(options, antenna_m)])
    length = distance_m(source, point_m)
    reflected = np.r_[1.0, np.full(6, -options.wall_reflection)]
    there, back = distance_m(bodies_m, antenna_m), distance_m(bodies_m, point_m)
    spread = np.maximum(there, NEAREST_BODY_M) * np.maximum(back, NEAREST_BODY_M)
    return _Bounces(
        np.r_[length, there + back],
        np.r_[reflected / length, strength / spread],
        np.vstack([source, bodies_m]),
    )


def _images(options: LabOptions, antenna_m: Float[np.ndarray, "3"]) -> Float[np.ndarray, "wall 3"]:
    """Mirror images of an antenna in the six walls."""
    images = np.repeat(antenna_m[None], 6, axis=0)
    axis = np.arange(6) // 2
    wall = np.stack([options.low_m, options.high_m], axis=1).ravel()
    images[np.arange(6), axis] = 2 * wall - images[np.arange(6), axis]
    return images


def _require_inside(options: LabOptions, antenna_m: Float[np.ndarray, "3"], name: str) -> None:
    if not (np.all(antenna_m > options.low_m) and np.all(antenna_m < options.high_m)):
        right, up, front = antenna_m
        width, height, depth = options.high_m - options.low_m
        raise ConfigError(
            f"scene `lab`: the {name} is {right:.2f} m right of, {up:.2f} m above and {front:.2f} m in front of the "
            f"surface, outside the room (width {width:g}, height {height:g}, depth {depth:g} m); "
            "move it, or set scene.options width_m, depth_m, floor_m, ceiling_m"
        )
