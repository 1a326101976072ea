"""`hil bench track`: users who walk, followed by each policy; the true channel judges at instants all over the walk.

Each user stands while the first sweep is made, then sets off, straight and at constant height. All policies start from
the same sweep of the same user, and are judged at the same instants against the same optimum, so that differences are
paired by user. Intervals are Student's over users.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.channel.paper import paper_users
from hil.config import PathConfig, TestbedConfig, TrackConfig, UserConfig
from hil.errors import ConfigError
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments import track
from hil.experiments.begin import begin
from hil.interfaces import Progress, no_progress
from hil.measure.sweep import SweepPlan
from hil.testbed import open_testbed

LAB_LOW_M, LAB_HIGH_M = (1.6, -1.6, 0.9), (3.6, 1.6, 1.5)  # where users of the lab start, in the station's frame
CONFIDENCE = 0.95
FIGURES = ("mean_true_fraction", "mean_served_fraction", "mean_hold_fraction")
MEDIANS = ("patterns", "period_s", "lag_s", "software_ms", "thinking_ms", "charged_ms", "follows_m_per_s")


@dataclass(frozen=True)
class Case:
    """Users of one kind, walking at one speed before one station, and how each policy's loop is set."""

    station: TestbedConfig
    kind: str
    speed_m_per_s: float
    experiments: Mapping[str, TrackConfig]
    users: Sequence[UserConfig]


@dataclass(frozen=True, eq=False)
class _Learnt:
    """What a user's first sweep told, which ended at `time_s`, before the user set off."""

    plan: SweepPlan
    estimate: CascadedEstimate
    time_s: float


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


def compare(cases: Sequence[Case], progress: Progress = no_progress) -> Iterator[dict[str, Any]]:
    """One row for each case and policy, as soon as its users are through.

    Raises ConfigError where a user sets off before the first sweep has ended.
    """
    learnt: dict[tuple[str, str], _Learnt] = {}
    for number, case in enumerate(cases):
        results = [_follow_all(case, user, learnt, progress) for user in case.users]
        yield from (_row(case, policy, results) for policy in case.experiments)
        progress("cases", number + 1, len(cases))


def _follow_all(
    case: Case, user: UserConfig, learnt: dict[tuple[str, str], _Learnt], progress: Progress
) -> dict[str, dict[str, Any]]:
    """The summary of each policy's track of one user."""
    station, place = case.station.model_copy(update={"users": (user,)}), (case.station.name, user.name)
    best_mbps: dict[float, float] = {}
    summaries = {}
    for policy, experiment in case.experiments.items():
        with tempfile.TemporaryDirectory() as folder, open_testbed(station) as testbed:
            recording = begin(testbed, experiment, Path(folder))
            if place not in learnt:
                learnt[place] = _Learnt(*track.learn(testbed, recording, experiment, progress), testbed.clock.now_s())
            known = learnt[place]
            if user.path is not None and known.time_s > user.path.start_s:
                raise ConfigError(
                    f"{user.name} sets off at {user.path.start_s:g} s, the sweep ends at {known.time_s:g}"
                )
            testbed.continue_at(user.path.start_s if user.path is not None else known.time_s)
            result = track.follow(testbed, recording, experiment, known.plan, known.estimate, progress, best_mbps)
            summaries[policy] = track.summary(result)
    return summaries


def _row(case: Case, policy: str, results: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    mine = [result[policy] for result in results]
    true, served, hold = (np.array([each[name] for each in mine]) for name in FIGURES)
    return {
        "testbed": case.station.name,
        "speed_m_per_s": case.speed_m_per_s,
        "kind": case.kind,
        "policy": policy,
        "users": len(mine),
        "true_fraction": float(true.mean()),
        "interval": _interval(true),
        "worst_user": float(true.min()),
        "served_fraction": float(served.mean()),
        "hold_fraction": float(hold.mean()),
        "over_hold": _interval(true - hold),
        "over": {
            other: _interval(true - np.array([result[other][FIGURES[0]] for result in results]))
            for other in case.experiments
            if other != policy
        },
        "served_over_hold": _interval(served - hold),
        "served_over": {
            other: _interval(served - np.array([result[other][FIGURES[1]] for result in results]))
            for other in case.experiments
            if other != policy
        },
        **{name: _median([each[name] for each in mine]) for name in MEDIANS},
        "lost_rounds": sum(each["lost_rounds"] for each in mine),
    }


def _interval(values: Float[np.ndarray, "user"]) -> list[float] | None:
    """Mean and Student's interval over users: [low, mean, high]; None for a single user."""
    from scipy.special import stdtrit

    if values.size < 2:
        return None
    half = float(stdtrit(values.size - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(values.size))
    mean = float(values.mean())
    return [mean - half, mean, mean + half]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.median(known)) if known else None


def _walking(user: UserConfig, heading: float, speed_m_per_s: float, start_s: float, way_m: float) -> UserConfig:
    end = np.array(user.position_m) + way_m * np.array([np.cos(heading), np.sin(heading), 0])
    path = PathConfig(to_m=(_position(end),), speed_m_per_s=speed_m_per_s, start_s=start_s)
    return user.model_copy(update={"path": path})


def _position(place: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 4) for value in place)
    return x, y, z
