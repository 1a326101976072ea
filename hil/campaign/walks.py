"""Users who walk before a station: the cases of `hil bench track`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hil.arrays import Float
from hil.channel.paper import paper_users
from hil.config import PathConfig, TestbedConfig, TrackConfig, UserConfig

LAB_LOW_M, LAB_HIGH_M = (1.6, -1.6, 0.9), (3.6, 1.6, 1.5)  # where users of the lab start, in the station's frame


@dataclass(frozen=True)
class Case:
    """Users of one kind, walking at one speed before one station, and how each policy's loop is set."""

    station: TestbedConfig
    kind: str
    speed_m_per_s: float
    experiments: Mapping[str, TrackConfig]
    users: Sequence[UserConfig]

    @property
    def name(self) -> str:
        return f"{self.station.name}-{self.kind}-{self.speed_m_per_s:g}"


def walkers(station: TestbedConfig, count: int, speed_m_per_s: float, start_s: float, way_m: float) -> list[UserConfig]:
    """`count` users of each kind that the station's scene has, each walking straight in a random direction.

    In the paper's scene those of its Table I, in the lab anywhere on desks and shelves.
    """
    rng = np.random.default_rng(7)
    here = np.array(station.surface.position_m)
    if station.simulation is not None and station.simulation.scene.kind == "lab":
        places = rng.uniform(LAB_LOW_M, LAB_HIGH_M, (count, 3))
        users = [UserConfig(name=f"los-{i}", position_m=_position(place)) for i, place in enumerate(places)]
    else:
        users = [
            user.model_copy(update={"position_m": _position(here + user.position_m)})
            for user in paper_users(1, count=count)
        ]
    return [_walking(user, rng.uniform(0, 2 * np.pi), speed_m_per_s, start_s, way_m) for user in users]


def station_of(case: Case, user: UserConfig) -> TestbedConfig:
    """The station with this user alone."""
    return case.station.model_copy(update={"users": (user,)})


def _walking(user: UserConfig, heading: float, speed_m_per_s: float, start_s: float, way_m: float) -> UserConfig:
    end = np.array(user.position_m) + way_m * np.array([np.cos(heading), np.sin(heading), 0])
    path = PathConfig(to_m=(_position(end),), speed_m_per_s=speed_m_per_s, start_s=start_s)
    return user.model_copy(update={"path": path})


def _position(place: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in place)
    return x, y, z
