"""What a campaign costs and gains: overhead of many small tasks, speed-up by a second worker, memory of the client."""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hil.campaign.grid import Study
from hil.campaign.grid_run import run_campaign
from hil.campaign.grid_table import Table
from hil.engine.pool import Pool, open_pool
from hil.interfaces import Progress

REAL_AXES = {
    "scene": ("paper",),
    "size": (32,),
    "bits": (0, 1),
    "csi": ("ls",),
    "kind": ("los", "nlos"),
    "algorithm": ("stm", "tap-space", "neural-prior"),
}


@dataclass(frozen=True)
class Timed:
    """A campaign from its first batch to its table.

    inside_s, cpu_s: sums over its tasks, of wall and of CPU time. A task that shares its core with other programs takes
    longer by the first and not by the second.
    """

    wall_s: float
    inside_s: float
    cpu_s: float


def bench_campaign(num_tasks: int, users: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """Figures of `hil bench campaign`. users: of each kind in the campaign of real work, which runs `repeats` times.

    Workers have done the same work once before they are timed: imports are no part of a long campaign. One worker and
    two take turns, and the median counts. `busy_share`: of the time of the workers, what they spend in tasks. Where
    other programs use the machine `speed_up` tells of them too; `speed_up_alone` is what is left on a machine of one's
    own: twice the share of time that is lost to waiting, and the CPU time that a task needs more beside another one.
    """
    overhead_s = _of_nothing(num_tasks, progress)
    client_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open_pool("workers:1") as one, open_pool("workers:2") as two:
        pools = {1: one, 2: two}
        for count, pool in pools.items():
            _timed(_real(2 * count), pool, progress)
        runs = [{count: _timed(_real(users), pool, progress) for count, pool in pools.items()} for _ in range(repeats)]
    wall_s, cpu_s, busy = (
        {count: median(_figure(run[count], count)[column] for run in runs) for count in pools} for column in range(3)
    )
    return {
        "no_work_tasks": num_tasks,
        "no_work_s": overhead_s,
        "client_peak_mb": client_mb,
        "real_tasks": _real(users).num_tasks,
        "one_worker_s": wall_s[1],
        "two_workers_s": wall_s[2],
        "speed_up": median(run[1].wall_s / run[2].wall_s for run in runs),
        "busy_share": [busy[1], busy[2]],
        "cpu_s": [cpu_s[1], cpu_s[2]],
        "speed_up_alone": 2 * busy[2] / busy[1] * cpu_s[1] / cpu_s[2],
    }


def _figure(timed: Timed, workers: int) -> tuple[float, float, float]:
    """Wall time, CPU time of the tasks, share of the workers' time that they took."""
    return timed.wall_s, timed.cpu_s, timed.inside_s / (workers * timed.wall_s)


def _of_nothing(num_tasks: int, progress: Progress) -> float:
    study = Study("nothing", "nothing", {"size": tuple(range(10))}, seeds=max(1, num_tasks // 10))
    with open_pool("workers:2") as pool:
        return _timed(study, pool, progress).wall_s


def _real(users: int) -> Study:
    shared = ("scene", "size", "bits", "kind")
    return Study("real", "channel", REAL_AXES, 1, users, shared=shared, fixed={"users": users, "bound": True})


def _timed(study: Study, pool: Pool, progress: Progress) -> Timed:
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder))
        began_s = time.perf_counter()
        told = run_campaign([study], None, table, pool, progress)
        table.export([study])
        wall_s = time.perf_counter() - began_s
        assert told["tasks"] == study.num_tasks and not told["failed"], told["failures"]
        rows = list(table.rows())
        return Timed(wall_s, sum(row["seconds"] for row in rows), sum(row["cpu_seconds"] for row in rows))
