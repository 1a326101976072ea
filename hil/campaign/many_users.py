"""Many users of one surface: where a new one starts, and what it costs to serve them in turn.

The experiment `hil.experiments.many_users`, three times: known users are swept in full and kept in a book; new ones
search from what is known nearest, in the book or of those who came before them, and cold; and, for comparison, the new
ones are swept in full. Rates are true.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from hil.config import ManyUsersConfig, Position, TestbedConfig, UserConfig
from hil.config.power_only import SearchConfig
from hil.errors import ConfigError
from hil.experiments import many_users
from hil.experiments.begin import begin
from hil.experiments.many_users import ManyUsersResult
from hil.experiments.users.book import BOOK
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording
from hil.testbed import open_testbed

ANYWHERE_M = 1e9  # within which somebody is known


@dataclass(frozen=True)
class NewUser:
    """Rates of one new user. nearest_m: to the nearest known place; nearest_mbps: with the pattern that is known there.

    began, start_mbps: what the search began with, after all starts were compared on the air. *searched_mbps: after
    `budget` soundings from there, from all zeros. own_mbps: after a full sweep.
    saved: soundings that the start spares a search, see `hil.experiments.many_users.Served`.
    """

    user: str
    nearest_m: float
    began: str
    zero_mbps: float
    nearest_mbps: float
    start_mbps: float
    cold_searched_mbps: float
    searched_mbps: float
    own_mbps: float
    saved: int


@dataclass(frozen=True)
class Beside:
    """Means over new users who stand `way_m` from a known one each.

    began: how many began with what. *_gain: of what a full sweep gains over all zeros, what the nearest pattern as it
    is, the start, and the searches from the start and from all zeros had.
    """

    way_m: float
    began: dict[str, int]
    nearest_gain: float
    start_gain: float
    searched_gain: float
    cold_searched_gain: float
    saved: float


@dataclass(frozen=True)
class Turns:
    """Round robin over the known users. sent_s, named_s: to change the pattern; None where the board keeps none.

    served_mbps: mean rate of a user by turn length, a share of 1 / users of the time, switching paid.
    """

    users: int
    sent_s: float
    named_s: float | None
    served_mbps: dict[str, float]


def place_users(
    low_m: Position, high_m: Position, count: int, *, prefix: str, seed: int, line_of_sight: bool = True
) -> list[UserConfig]:
    """Users at random places of a box."""
    rng = np.random.default_rng([seed, sum(prefix.encode())])
    places = rng.uniform(low_m, high_m, (count, 3))
    return [
        UserConfig(name=f"{prefix}-{index}", position_m=(float(x), float(y), float(z)), line_of_sight=line_of_sight)
        for index, (x, y, z) in enumerate(places)
    ]


def neighbours(known: Sequence[UserConfig], way_m: float, *, seed: int) -> list[UserConfig]:
    """A user beside each known one, so far away in any horizontal direction."""
    rng = np.random.default_rng([seed, round(1e6 * way_m)])
    found = []
    for each, turn in zip(known, rng.uniform(0, 2 * np.pi, len(known)), strict=True):
        x, y, z = each.position_m
        place = (float(x + way_m * np.cos(turn)), float(y + way_m * np.sin(turn)), z)
        found.append(each.model_copy(update={"name": f"beside-{each.name}", "position_m": place}))
    return found


@dataclass(frozen=True)
class Room:
    """A simulated station where users are met. folder: of run directories. budget: soundings of a new user's search.

    Raises ConfigError for a station of hardware: its antenna would have to be moved from place to place.
    """

    station: TestbedConfig
    folder: Path
    budget: int = 128
    progress: Progress = no_progress

    def __post_init__(self) -> None:
        if not self.station.simulated:
            raise ConfigError("many users at once: a simulated station is needed, an antenna stands at one place")

    def know(self, users: Sequence[UserConfig], turns_s: Sequence[float] = (0.02, 0.1, 1.0)) -> tuple[Path, Turns]:
        """Configure users by full sweeps, serve them in turn; the book that holds what was found."""
        recording, result = self._carry_out(_procedure(users, reach_m=0.0, turns_s=tuple(turns_s)))
        return recording.path / BOOK, _turns(result)

    def meet(self, book: Path, new: Sequence[UserConfig]) -> list[NewUser]:
        """New users start from a book; a full sweep of each for comparison."""
        search = SearchConfig(method="flips_block", figure="rate", budget=self.budget, batch=32)
        options = {"reach_m": ANYWHERE_M, "book": str(book), "compare_cold": True, "search": search}
        _, searched = self._carry_out(_procedure(new, **options))
        _, swept = self._carry_out(_procedure(new, reach_m=0.0))
        own = {each.user: each.true_mbps["chosen"] for each in swept.users}
        return [_row(each, own) for each in searched.users]

    def _carry_out(self, experiment: ManyUsersConfig) -> tuple[Recording, ManyUsersResult]:
        with open_testbed(self.station) as testbed:
            recording = begin(testbed, experiment, self.folder)
            return recording, many_users.run(testbed, experiment, recording, self.progress)


def beside(way_m: float, rows: Sequence[NewUser]) -> Beside:
    """What so near a neighbour's pattern was worth."""
    whole = fmean(each.own_mbps - each.zero_mbps for each in rows)

    def gain(arm: str) -> float:
        return fmean(getattr(each, arm) - each.zero_mbps for each in rows) / whole

    return Beside(
        way_m,
        dict(Counter(each.began for each in rows)),
        nearest_gain=gain("nearest_mbps"),
        start_gain=gain("start_mbps"),
        searched_gain=gain("searched_mbps"),
        cold_searched_gain=gain("cold_searched_mbps"),
        saved=fmean(each.saved for each in rows),
    )


def _procedure(users: Sequence[UserConfig], **options: object) -> ManyUsersConfig:
    values = {"schema": "hil-experiment/1", "kind": "many_users", "compare_cold": False, **options}
    return ManyUsersConfig.model_validate({**values, "users": tuple(users)})


def _row(each: many_users.Served, own_mbps: dict[str, float]) -> NewUser:
    assert each.way_m is not None and each.saved is not None, "somebody was known"
    true = each.true_mbps
    return NewUser(
        each.user,
        each.way_m,
        each.began,
        zero_mbps=true["all_zero"],
        nearest_mbps=true["nearest"],
        start_mbps=true[each.began],
        cold_searched_mbps=true["cold"],
        searched_mbps=true["chosen"],
        own_mbps=own_mbps[each.user],
        saved=each.saved,
    )


def _turns(result: ManyUsersResult) -> Turns:
    told = many_users.summary(result)
    rate = fmean(each.true_mbps["chosen"] for each in result.users)
    served = {f"{turn_s:g} s": rate * result.turns.share(turn_s, len(result.users)) for turn_s in result.config.turns_s}
    return Turns(len(result.users), told["sent_s"], told["named_s"], served)
