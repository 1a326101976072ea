"""Rates of the arms of a field test: measured, predicted from the sweeps and, in simulation, true."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.experiments.field.blinding import Key
from hil.experiments.field.itinerary import Visit
from hil.measure.paired import Differences
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.measure.verification import Interval

ByVisit = dict[Visit, Float[np.ndarray, "arm"]]


@dataclass(frozen=True)
class Rates:
    """Mbit/s, arms in the order of `key.names`.

    pooled, stations: differences between arms, over all open stations and of each; beside the arms stands a last one
    without any rate. predicted, true: of each visit to an open surface; true ones at rest, nothing on hardware.
    """

    key: Key
    pooled: Differences
    stations: dict[str, Differences]
    predicted: ByVisit
    true: ByVisit

    def rate(self, arm: str, station: str | None = None) -> Interval:
        """Of an arm at a station, or the mean over all open ones."""
        return self._between(station, self.key.index(arm), -1)

    def difference(self, arm: str, against: str, station: str | None = None) -> Interval:
        """Paired by round."""
        return self._between(station, self.key.index(arm), self.key.index(against))

    def to_json(self, names: Sequence[str], stations: Sequence[str], reference: str) -> dict[str, Any]:
        """By place and arm, in the order given; `gain` is the difference to the reference arm."""
        places = [None, *stations]
        return {
            "measured_mbps": {
                place or "all": {arm: _plain(self.rate(arm, place)) for arm in names} for place in places
            },
            "gain_mbps": {
                place or "all": {arm: _plain(self.difference(arm, reference, place)) for arm in names}
                for place in places
            },
            "predicted_mbps": self._by_place(self.predicted, names, stations),
            "true_mbps": self._by_place(self.true, names, stations),
        }

    def _between(self, station: str | None, one: int, other: int) -> Interval:
        found = self.pooled if station is None else self.stations[station]
        return Interval(*(float(each[one, other]) for each in (found.value, found.low, found.high)))

    def _by_place(self, rates: ByVisit, names: Sequence[str], stations: Sequence[str]) -> dict[str, dict[str, float]]:
        """Mean over visits, of all open stations and of each; empty where there is none."""
        groups = {"all": list(rates.values())}
        groups |= {name: [each for visit, each in rates.items() if visit.station.name == name] for name in stations}
        return {
            place: {arm: float(np.mean([each[self.key.index(arm)] for each in group])) for arm in names}
            for place, group in groups.items()
            if group
        }


def read_rates(recording: Recording, visits: Sequence[Visit], analysis: dict[str, Any], key: Key) -> Rates:
    """From the frozen analysis and what was recorded of each visit. Raises RecordingError where a step is missing."""
    opened = [visit for visit in visits if visit.station.surface == "open"]
    found = analysis["rates"]
    return Rates(
        key,
        Differences.from_json(found["pooled"]),
        {name: Differences.from_json(each) for name, each in found["stations"].items()},
        {visit: np.array(recording.read(f"{visit.name}/arms").facts["predicted_mbps"]) for visit in opened},
        {visit: _true(recording, visit) for visit in opened if f"{visit.name}/truth" in recording},
    )


def _true(recording: Recording, visit: Visit) -> Float[np.ndarray, "arm"]:
    setup = Setup.from_json(recording.manifest)
    return np.array([setup.rate_mbps(response) for response in recording.read(f"{visit.name}/truth").data])


def _plain(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]
