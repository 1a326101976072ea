"""`hil bench track`: users who walk, followed by each policy; the true channel judges at instants all over the walk.

Each user stands while the first sweep is made, then sets off, straight and at constant height. All policies start from
the same sweep of the same user, and are judged at the same instants against the same optimum, so that differences are
paired by user (`hil.campaign.track_rows`). A user with all policies is one task.
"""

import tempfile
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from hil.campaign.cells import Cells
from hil.campaign.track_rows import Summaries, row_of
from hil.campaign.walks import Case, station_of
from hil.config import OfdmConfig, UserConfig
from hil.engine.pool import Pool
from hil.engine.work import COMPUTE
from hil.errors import ConfigError
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments import track
from hil.experiments.begin import begin
from hil.experiments.sound import load_sweep
from hil.interfaces import Progress, no_progress
from hil.measure.sweep import SweepPlan
from hil.testbed import open_testbed
from hil.units import power_db


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a user's first sweep told, which ended at `time_s`, before the user set off; snr_db: of its soundings."""

    plan: SweepPlan
    estimate: CascadedEstimate
    time_s: float
    snr_db: float


_Task = tuple[int, int]
"""Number of the case, and of the user in it."""


def compare(
    cases: Sequence[Case], pool: Pool, kept: Cells | None = None, progress: Progress = no_progress
) -> Iterator[dict[str, Any]]:
    """One row for each case and policy, as soon as the case's users are through; users are the pool's tasks.

    kept: what became of users, so that those that are there are not followed again by the same policies.
    Raises ConfigError where a user sets off before the first sweep has ended, and whatever a user's track raised.
    """
    tasks = [(number, index) for number, case in enumerate(cases) for index in range(len(case.users))]
    found = {task: {} if kept is None else _known(kept, cases, task) for task in tasks}
    lacking = {task: _without(cases[task[0]], found[task]) for task in tasks}
    ended = _followed({task: case for task, case in lacking.items() if case.experiments}, pool)
    for number, case in enumerate(cases):
        mine = [task for task in tasks if task[0] == number]
        while any(len(found[task]) < len(case.experiments) for task in mine):
            task, summaries = next(ended)
            found[task] |= summaries
            if kept is not None:
                for policy, summary in summaries.items():
                    kept.put(*_cell(cases[task[0]], task[1], policy), summary)
            progress("users", sum(len(found[each]) == len(cases[each[0]].experiments) for each in tasks), len(tasks))
        yield from (row_of(case, policy, [found[task] for task in mine]) for policy in case.experiments)


def _followed(tasks: Mapping[_Task, Case], pool: Pool) -> Iterator[tuple[_Task, Summaries]]:
    """Users as they are through, in any order; as many under way as the pool has room for."""
    waiting, under_way = deque(tasks), 0
    while waiting or under_way:
        while waiting and pool.room(COMPUTE) > 0:
            task = waiting.popleft()
            pool.submit(COMPUTE, task, follow_user, tasks[task], tasks[task].users[task[1]])
            under_way += 1
        finished = pool.next()
        if finished.error is not None:
            raise finished.error
        under_way -= 1
        yield finished.batch, finished.result


def _without(case: Case, policies: Container[str]) -> Case:
    return replace(case, experiments={name: each for name, each in case.experiments.items() if name not in policies})


def _known(kept: Cells, cases: Sequence[Case], task: _Task) -> dict[str, Mapping[str, Any]]:
    """Of a user, by policy, as far as it was kept."""
    case = cases[task[0]]
    found = {policy: kept.find(*_cell(case, task[1], policy)) for policy in case.experiments}
    return {policy: summary for policy, summary in found.items() if summary is not None}


def _cell(case: Case, index: int, policy: str) -> tuple[str, dict[str, Any]]:
    """Name of what is kept of a user and a policy, and what it depends on."""
    user = case.users[index]
    settings = {
        "station": station_of(case, user).model_dump(mode="json"),
        "experiment": case.experiments[policy].model_dump(mode="json"),
    }
    return f"{case.name}-{user.name}-{policy}", settings


def follow_user(case: Case, user: UserConfig) -> Summaries:
    """The first sweep of a user, then the track of each policy from there: their summaries, as plain values."""
    with threadpool_limits(1):
        learnt = learn(case, user)
        best_mbps: dict[float, float] = {}
        return {name: _follow(case, user, learnt, name, best_mbps) for name in case.experiments}


def learn(case: Case, user: UserConfig) -> Learnt:
    """What the user's first sweep tells. Raises ConfigError where the user sets off before it has ended."""
    experiment = next(iter(case.experiments.values()))
    with tempfile.TemporaryDirectory() as folder, open_testbed(station_of(case, user)) as testbed:
        recording = begin(testbed, experiment, Path(folder))
        plan, estimate = track.learn(testbed, recording, experiment)
        snr_db = load_sweep(recording).snr_summary(testbed.grid)["median"]
        time_s = testbed.clock.now_s()
    if user.path is not None and time_s > user.path.start_s:
        raise ConfigError(f"{user.name} sets off at {user.path.start_s:g} s, the sweep ends at {time_s:g}")
    return Learnt(plan, estimate, time_s, snr_db)


def _follow(case: Case, user: UserConfig, learnt: Learnt, policy: str, best_mbps: dict[float, float]) -> dict[str, Any]:
    """best_mbps: as `known` of `judge_by_truth`, of all policies of this user."""
    experiment = case.experiments[policy]
    with tempfile.TemporaryDirectory() as folder, open_testbed(station_of(case, user)) as testbed:
        recording = begin(testbed, experiment, Path(folder))
        testbed.continue_at(user.path.start_s if user.path is not None else learnt.time_s)
        result = track.follow(testbed, recording, experiment, learnt.plan, learnt.estimate, known=best_mbps)
    summary = track.summary(result)
    link_snr_db = flat_snr_db(summary["optimum_mbps"], case.station.ofdm)
    return {**summary, "sounding_snr_db": learnt.snr_db, "link_snr_db": link_snr_db}


def flat_snr_db(mbps: float, ofdm: OfdmConfig) -> float:
    """SNR at which all subcarriers alike carry a rate (paper, eq. 4, solved for it)."""
    bits = mbps * 1e6 / ofdm.bandwidth_hz * (ofdm.num_subcarriers + ofdm.num_taps - 1) / ofdm.num_subcarriers
    return float(power_db(2**bits - 1))
