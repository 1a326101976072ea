"""A user who walks: the channel on spectral lines wherever the antenna is by now.

The scene is built at anchors, evenly spaced on each straight leg of the walk, and the channel between them is the cubic
through four of them. No path turns by more than 2 pi x (way walked) / wavelength, so with anchors a twelfth of a
wavelength apart the cubic errs by at most 1/24 (2 pi / 12)^4: -50 dB of the channel at the ends of a leg, -55 dB
elsewhere. During a piece of a reception the channel stays where its phases turn by less than STILL_TURN_RAD (-50 dB),
else it goes straight, and pieces end before phases turn by STRAIGHT_TURN_RAD (-58 dB).

Simplification: what people who move about add (hil.sim.motion) is what it was at the place where the walk begins.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from hil.arrays import Complex, Float
from hil.channel import Walk
from hil.config import Position
from hil.sim.propagation import Band, LineChannel, Propagation
from hil.units import SPEED_OF_LIGHT_M_S

ANCHORS_PER_WAVELENGTH = 12
STILL_TURN_RAD = 0.0064
STRAIGHT_TURN_RAD = 0.1
TOLERANCE = 1e-4  # of the interpolation over frequency: -80 dB

Anchor = tuple[int, int]
"""A leg of the walk, and the number of the anchor on it."""


class Route:
    """The anchors of a walk, and how a moment lies between them."""

    def __init__(self, walk: Walk, wavelength_m: float) -> None:
        self.walk = walk
        self._turn_rad_s = 2 * math.pi * walk.speed_m_per_s / wavelength_m
        self._steps = [max(3, math.ceil(ANCHORS_PER_WAVELENGTH * leg_m / wavelength_m)) for leg_m in walk.leg_m]

    @property
    def straight_s(self) -> float:
        """For so long the channel may be taken to go straight."""
        return STRAIGHT_TURN_RAD / self._turn_rad_s

    @property
    def spare_s(self) -> float:
        """By so much the delay of a path may change on the whole walk."""
        return self.walk.reach_m / SPEED_OF_LIGHT_M_S

    def moments(self, start_s: float, end_s: float) -> tuple[float, ...]:
        """The times at which the channel of a piece is wanted: its middle, or both its ends where much turns."""
        if self._turn_rad_s * (end_s - start_s) <= STILL_TURN_RAD or not self.walk.moves_during(start_s, end_s):
            return ((start_s + end_s) / 2,)
        return start_s, end_s

    def between(self, time_s: float) -> tuple[Anchor, Float[np.ndarray, "anchor"]]:
        """The first of the four neighbouring anchors on one leg that count, and the weight of each (Lagrange's)."""
        leg, part = self.walk.on_leg(time_s)
        place = part * self._steps[leg]
        first = min(max(math.floor(place) - 1, 0), self._steps[leg] - 3)
        a, b, c, d = (place - first - number for number in range(4))
        return (leg, first), np.array([-b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6], dtype=np.float32)

    def place_m(self, anchor: Anchor) -> Position:
        """In the station's frame."""
        leg, number = anchor
        return self.walk.place(leg, number / self._steps[leg])


class WalkingChannel:
    """The channel on a set of spectral lines while the user walks, for any pattern and time."""

    def __init__(self, start: LineChannel, route: Route, propagation_at: Callable[[Position], Propagation]) -> None:
        """start: the channel where the walk begins, its band with `Route.spare_s` to spare."""
        self._start, self._route, self._propagation_at = start, route, propagation_at
        self._at = lru_cache(maxsize=16)(self._make)
        self._beginning_at = lru_cache(maxsize=4)(self._make_stencil)

    def during(self, pattern: bytes, start_s: float, end_s: float) -> Complex[np.ndarray, "moment line"]:
        """complex64[1 or 2, line]: in the middle, or at the start and at the end; in between it goes straight."""
        moments = self._route.moments(start_s, end_s)
        return np.stack([self._response(pattern, time_s) for time_s in moments])

    def _response(self, pattern: bytes, time_s: float) -> Complex[np.ndarray, "line"]:
        first, weight = self._route.between(time_s)
        stencil = self._beginning_at(first)
        sums = weight @ stencil.sums(pattern)
        return self._start.combine(weight @ stencil.bases, sums.reshape(-1, self._start.band.nodes.size))

    def _make_stencil(self, first: Anchor) -> "_Stencil":
        leg, number = first
        return _Stencil([self._at((leg, number + step)) for step in range(4)])

    def _make(self, anchor: Anchor) -> tuple[Band, Complex[np.ndarray, "line"]]:
        band = self._start.band.moved(self._propagation_at(self._route.place_m(anchor)))
        return band, self._start.base_of(band)


class _Stencil:
    """Four neighbouring anchors.

    bases: complex64[anchor, line] while all elements are in state 0.
    """

    def __init__(self, anchors: list[tuple[Band, Complex[np.ndarray, "line"]]]) -> None:
        self._bands = [band for band, _ in anchors]
        self.bases = np.stack([base for _, base in anchors])
        self.sums: Callable[[bytes], Float[np.ndarray, "anchor sum"]] = lru_cache(maxsize=256)(self._sums)

    def _sums(self, pattern: bytes) -> Float[np.ndarray, "anchor sum"]:
        """Each band's sums of a pattern, in one row."""
        members = self._bands[0].members(pattern)
        return np.stack([band.sum_over(members).ravel() for band in self._bands])
