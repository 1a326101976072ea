"""Who goes where in a field test, and what the operator is asked to do there."""

from dataclasses import dataclass

import numpy as np

from hil.config import FieldTestConfig
from hil.config.field_test import StationConfig


@dataclass(frozen=True)
class Visit:
    """One stay at a station. number: which of its visits; name: how its steps begin."""

    number: int
    station: StationConfig

    @property
    def name(self) -> str:
        return f"visit/{self.number:02d}/{self.station.name}"

    @property
    def prompt(self) -> str:
        """What the operator is asked to do."""
        station = self.station
        x, y, z = station.position_m
        surface = {
            "open": "uncover the surface",
            "covered": "cover the surface with absorber",
            "removed": "take the surface away",
            "metal": "put the metal plate in the surface's place",
        }[station.surface]
        asked = station.prompt or (
            f"move the antenna ({station.antenna}) to {station.name}: x {x:g}, y {y:g}, z {z:g} m, "
            f"boresight at {station.orientation_deg:g} deg; {surface}"
        )
        return f"visit {self.number + 1}, {station.name}: {asked}"


def itinerary(plan: FieldTestConfig) -> list[Visit]:
    """All visits: stations in an order drawn anew each time round, those without an open surface after their own."""
    rng = np.random.default_rng([plan.seed, 10])
    visits = []
    for number in range(plan.visits):
        for station in _shuffled(rng, [each for each in plan.stations if each.surface == "open"]):
            controls = [each for each in plan.stations if each.patterns_of == station.name]
            visits += [Visit(number, each) for each in (station, *_shuffled(rng, controls))]
    return visits


def _shuffled(rng: np.random.Generator, stations: list[StationConfig]) -> list[StationConfig]:
    return [stations[i] for i in rng.permutation(len(stations))]
