"""A user's walk: straight legs at one speed, and where the antenna is at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Float
from hil.config import Position, UserConfig


@dataclass(frozen=True, eq=False)
class Walk:
    """Corners of the way in the station's frame, the first of them the user's own place, no two in a row the same."""

    corners_m: Float[np.ndarray, "corner 3"]
    speed_m_per_s: float
    start_s: float

    @classmethod
    def of(cls, user: UserConfig) -> "Walk | None":
        """The user's walk; None for one who stands."""
        if user.path is None:
            return None
        corners = np.array([user.position_m, *user.path.to_m], dtype=float)
        moved = np.r_[True, np.any(corners[1:] != corners[:-1], axis=-1)]
        if not moved[1:].any():
            return None
        return cls(corners[moved], user.path.speed_m_per_s, user.path.start_s)

    @cached_property
    def leg_m(self) -> tuple[float, ...]:
        """Length of each leg."""
        return tuple(np.linalg.norm(np.diff(self.corners_m, axis=0), axis=-1).tolist())

    @property
    def length_m(self) -> float:
        return sum(self.leg_m)

    @property
    def reach_m(self) -> float:
        """Largest distance from where it began."""
        return float(np.linalg.norm(self.corners_m - self.corners_m[0], axis=-1).max())

    def on_leg(self, time_s: float) -> tuple[int, float]:
        """Which leg, and what part of it is behind the user: 0 at its beginning, 1 at its end."""
        behind_m = self.speed_m_per_s * max(time_s - self.start_s, 0.0)
        for leg, length_m in enumerate(self.leg_m):
            if behind_m < length_m:
                return leg, behind_m / length_m
            behind_m -= length_m
        return len(self.leg_m) - 1, 1.0

    def place(self, leg: int, part: float) -> Position:
        """In the station's frame; exactly the corner at either end of a leg."""
        begin, end = self.corners_m[leg], self.corners_m[leg + 1]
        x, y, z = end if part == 1 else begin + part * (end - begin)
        return float(x), float(y), float(z)

    def position_m(self, time_s: float) -> Position:
        """Where the antenna is, in the station's frame."""
        return self.place(*self.on_leg(time_s))

    def moves_during(self, start_s: float, end_s: float) -> bool:
        """Whether the user is not in one place for all of that time."""
        return self.on_leg(start_s) != self.on_leg(end_s)

    def extremes(self, near_m: Position) -> Iterator[Position]:
        """Each corner, and the place of each leg that is nearest to a point: what a scene can refuse lies there."""
        for leg, (begin, end) in enumerate(zip(self.corners_m, self.corners_m[1:], strict=False)):
            way = end - begin
            nearest = float(np.clip((np.array(near_m) - begin) @ way / (way @ way), 0, 1))
            yield from (self.place(leg, part) for part in (0.0, nearest, 1.0))
