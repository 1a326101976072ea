"""Many users of one surface: where a new one starts, and what it costs to serve them in turn.

Known users were configured by a full closed loop, their patterns kept with their places. A new user is judged with a
surface that nobody configured (cold) and with the pattern of the nearest known place, at once and after a short search
by power from there. All rates are true ones. One receive antenna stands at one place after another, in the same room.

Served round robin, a user has the surface for `turn_s` less the time that it takes to change to its pattern, measured
on the testbed's clock: by sending the pattern, and by naming a stored one where the board keeps patterns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from hil.arrays import Pattern
from hil.config import ClosedLoopConfig, OptimizerConfig, Position, TestbedConfig, UserConfig
from hil.errors import ConfigError
from hil.estimation.estimate import estimate_channel
from hil.experiments.begin import begin
from hil.experiments.choose import choose_patterns
from hil.experiments.sound import sound_surface
from hil.experiments.stage import rates_by_power, search_on_stage
from hil.interfaces import Progress, no_progress
from hil.measure.known import Known, KnownConfigurations
from hil.optimize.power_only import PowerSearch, power_search
from hil.testbed import Testbed, open_testbed

SEARCH = "flips_block"
STORED_PATTERNS = 8


@dataclass(frozen=True)
class NewUser:
    """Rates of one new user. nearest_m: to the nearest known place. *_searched: after `budget` soundings from there."""

    user: str
    nearest_m: float
    cold_mbps: float
    nearest_mbps: float
    cold_searched_mbps: float
    nearest_searched_mbps: float
    own_mbps: float


@dataclass(frozen=True)
class Turns:
    """Round robin over the known users. sent_s, named_s: to change the pattern; None where the board keeps none.

    served_mbps: rate of a user by turn length, a share of 1 / users of the time, switching paid.
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
    station = station.model_copy(update={"users": (*known, *new)})
    kept: KnownConfigurations | None = None
    for number, user in enumerate(known, 1):
        with open_testbed(station, user=user.name) as testbed:
            pattern = _own(testbed, folder)
            kept = kept or KnownConfigurations(folder / "known.jsonl", pattern.size)
            kept.keep(Known(user.name, user.position_m, pattern, _rate(testbed, pattern)))
        progress("known users", number, len(known))
    if kept is None:
        raise ConfigError("many users: at least one has to be known")
    rows = []
    for number, user in enumerate(new, 1):
        with open_testbed(station, user=user.name) as testbed:
            rows.append(_start(testbed, kept, folder, budget))
        progress("new users", number, len(new))
    with open_testbed(station) as testbed:
        return rows, _take_turns(testbed, kept, turns_s)


def _start(testbed: Testbed, known: KnownConfigurations, folder: Path, budget: int) -> NewUser:
    zero = np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8)
    found = known.nearest(testbed.user.position_m)
    assert found is not None, "somebody is known"
    nearest, way_m = found
    searched = [_search(testbed, folder, each, budget) for each in (zero, nearest.pattern)]
    return NewUser(
        testbed.user.name,
        way_m,
        cold_mbps=_rate(testbed, zero),
        nearest_mbps=_rate(testbed, nearest.pattern),
        cold_searched_mbps=_rate(testbed, searched[0]),
        nearest_searched_mbps=_rate(testbed, searched[1]),
        own_mbps=_rate(testbed, _own(testbed, folder)),
    )


def _own(testbed: Testbed, folder: Path) -> Pattern:
    """By a full closed loop."""
    recording, setup = begin(testbed, _PLAN, folder), testbed.setup
    sweep = sound_surface(testbed, recording)
    choice = choose_patterns(estimate_channel(sweep, setup), sweep, setup, OptimizerConfig(algorithm="tap-space"))
    return choice.patterns["chosen"]


def _search(testbed: Testbed, folder: Path, start: Pattern, budget: int) -> Pattern:
    """The best pattern after a search by rate from a start; states that stand for no sign become the minus one."""
    setup, geometry = testbed.setup, testbed.surface.geometry
    signs = np.where(start == setup.plus, 1, -1).astype(np.int8)
    search: PowerSearch = power_search(SEARCH, geometry, budget=budget, batch=32, start=signs)

    def states(asked: np.ndarray) -> np.ndarray:
        return np.where(asked > 0, setup.plus, setup.minus).astype(np.uint8)

    recording = begin(testbed, _PLAN, folder)
    for _ in search_on_stage(
        testbed, recording, "search", search, states=states, figures=lambda step: rates_by_power(step, setup)
    ):
        pass
    return states(search.best)


def _take_turns(testbed: Testbed, known: KnownConfigurations, turns_s: Sequence[float]) -> Turns:
    patterns = np.stack([each.pattern for each in known])
    sent_s = _switching_s(testbed, len(patterns), lambda index: testbed.surface.apply(patterns[index]))
    named_s = None
    if "codebook" in testbed.surface.modes:
        few = patterns[:STORED_PATTERNS]
        testbed.surface.load_codebook(few)
        named_s = _switching_s(testbed, len(few), testbed.surface.select)
    switch_s = sent_s if named_s is None else named_s
    share = fmean(each.rate_mbps for each in known) / len(patterns)
    served = {f"{turn_s:g} s": share * max(1 - switch_s / turn_s, 0.0) for turn_s in turns_s}
    return Turns(len(patterns), sent_s, named_s, served)


def _switching_s(testbed: Testbed, count: int, show: Callable[[int], None]) -> float:
    """Mean time of the testbed's clock until the next user's pattern has settled."""
    show(count - 1)
    begin_s = testbed.clock.now_s()
    for index in range(count):
        show(index)
    return (testbed.clock.now_s() - begin_s) / count


def _rate(testbed: Testbed, pattern: Pattern) -> float:
    assert testbed.truth is not None, "a station of software has a truth"
    return testbed.setup.rate_mbps(testbed.truth.response(pattern))


_PLAN = ClosedLoopConfig(schema="hil-experiment/1", kind="closed_loop")
