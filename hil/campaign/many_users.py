"""Many users of one surface: where a new one starts, and what it costs to serve them in turn.

The experiment `hil.experiments.many_users`, three times: known users are swept in full and kept in a book; new ones
search from the nearest place of the book, or of those who came before them, and cold; and, for comparison, the new ones
are swept in full. Rates are true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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
    """Rates of one new user. nearest_m: to the nearest known place. *_searched: after `budget` soundings from there.

    saved: soundings that the nearest start spares a search, see `hil.experiments.many_users.Served`.
    """

    user: str
    nearest_m: float
    cold_mbps: float
    nearest_mbps: float
    cold_searched_mbps: float
    nearest_searched_mbps: float
    own_mbps: float
    saved: int


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


def meet(
    station: TestbedConfig,
    known: Sequence[UserConfig],
    new: Sequence[UserConfig],
    *,
    folder: Path,
    budget: int = 128,
    turns_s: Sequence[float] = (0.02, 0.1, 1.0),
    progress: Progress = no_progress,
) -> tuple[list[NewUser], Turns]:
    """Configure the known users, then let the new ones start, then serve the known ones in turn.

    Raises ConfigError for a station of hardware: its antenna would have to be moved from place to place.
    """
    if not station.simulated:
        raise ConfigError("many users at once: a simulated station is needed, an antenna stands at one place")
    carry_out = partial(_carry_out, station, folder=folder, progress=progress)
    recording, before = carry_out(_procedure(known, reach_m=0.0, turns_s=tuple(turns_s)))
    search = SearchConfig(method="flips_block", figure="rate", budget=budget, batch=32)
    book = str(recording.path / BOOK)
    _, searched = carry_out(_procedure(new, reach_m=ANYWHERE_M, book=book, compare_cold=True, search=search))
    _, swept = carry_out(_procedure(new, reach_m=0.0))
    own = {each.user: each.true_mbps["chosen"] for each in swept.users}
    return [_row(each, own) for each in searched.users], _turns(before)


def _procedure(users: Sequence[UserConfig], **options: object) -> ManyUsersConfig:
    values = {"schema": "hil-experiment/1", "kind": "many_users", "compare_cold": False, **options}
    return ManyUsersConfig.model_validate({**values, "users": tuple(users)})


def _carry_out(
    station: TestbedConfig, experiment: ManyUsersConfig, *, folder: Path, progress: Progress
) -> tuple[Recording, ManyUsersResult]:
    with open_testbed(station) as testbed:
        recording = begin(testbed, experiment, folder)
        return recording, many_users.run(testbed, experiment, recording, progress)


def _row(each: many_users.Served, own_mbps: dict[str, float]) -> NewUser:
    assert each.way_m is not None and each.saved is not None, "somebody was known"
    true = each.true_mbps
    return NewUser(
        each.user,
        each.way_m,
        cold_mbps=true["all_zero"],
        nearest_mbps=true["nearest"],
        cold_searched_mbps=true["cold"],
        nearest_searched_mbps=true["chosen"],
        own_mbps=own_mbps[each.user],
        saved=each.saved,
    )


def _turns(result: ManyUsersResult) -> Turns:
    told = many_users.summary(result)
    rate = fmean(each.true_mbps["chosen"] for each in result.users)
    served = {f"{turn_s:g} s": rate * result.turns.share(turn_s, len(result.users)) for turn_s in result.config.turns_s}
    return Turns(len(result.users), told["sent_s"], told["named_s"], served)
