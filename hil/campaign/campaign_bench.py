"""What a campaign costs and gains: overhead of many small tasks, speed-up by a second worker, memory of the client."""

import resource
import tempfile
import time
from pathlib import Path
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


def bench_campaign(num_tasks: int, users: int, progress: Progress) -> dict[str, Any]:
    """Figures of `hil bench campaign`. users: of each kind in the campaign of real work.

    Workers have done the same work once before they are timed: imports are no part of a long campaign.
    """
    overhead_s = _of_nothing(num_tasks, progress)
    client_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = {count: _of_real_work(count, users, progress) for count in (1, 2)}
    return {
        "no_work_tasks": num_tasks,
        "no_work_s": overhead_s,
        "client_peak_mb": client_mb,
        "real_tasks": _real(users).num_tasks,
        "one_worker_s": seconds[1],
        "two_workers_s": seconds[2],
        "speed_up": seconds[1] / seconds[2],
    }


def _of_nothing(num_tasks: int, progress: Progress) -> float:
    study = Study("nothing", "nothing", {"size": tuple(range(10))}, seeds=max(1, num_tasks // 10))
    with open_pool("workers:2") as pool:
        return _timed(study, pool, progress)


def _of_real_work(workers: int, users: int, progress: Progress) -> float:
    with open_pool(f"workers:{workers}") as pool:
        _timed(_real(2 * workers), pool, progress)
        return _timed(_real(users), pool, progress)


def _real(users: int) -> Study:
    shared = ("scene", "size", "bits", "kind")
    return Study("real", "channel", REAL_AXES, 1, users, shared=shared, fixed={"users": users, "bound": True})


def _timed(study: Study, pool: Pool, progress: Progress) -> float:
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder))
        began_s = time.perf_counter()
        told = run_campaign([study], None, table, pool, progress)
        table.export([study])
        assert told["tasks"] == study.num_tasks and not told["failed"], told["failures"]
        return time.perf_counter() - began_s
