"""What a campaign costs and gains: overhead of many small tasks, speed-up by a second worker, memory of the client."""

import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.grid import Study
from hil.campaign.grid_run import run_campaign
from hil.campaign.grid_table import Table
from hil.engine.open import open_pool
from hil.engine.pool import Pool
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
    """A campaign on workers that are up, from its first batch to its table, and the CPU time of all that took part.

    inside_s, tasks_s: sums over its tasks, of wall and of CPU time. A task that shares its core with other programs
    takes longer by the first and not by the second.
    client_s: of planning and of the table. scheduler_s: of the rest of this process, the scheduler and the way there.
    workers_s: of the workers' processes, tasks included.
    """

    wall_s: float
    inside_s: float
    tasks_s: float
    client_s: float
    scheduler_s: float
    workers_s: float

    @property
    def alone_s(self) -> float:
        """Wall time of one worker, less what other programs had of its core during tasks."""
        return self.wall_s - (self.inside_s - self.tasks_s)

    @property
    def all_s(self) -> float:
        return self.client_s + self.scheduler_s + self.workers_s


def bench_campaign(num_tasks: int, users: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """Figures of `hil bench campaign`. users: of each kind in the campaign of real work, which runs `repeats` times.

    Workers are up and have done some of the same work before they are timed: their start and their imports are no part
    of a long campaign, and not counted. One worker and two take turns, and medians count. Pairs are of one, of two.
    """
    overhead_s = _of_nothing(num_tasks, progress)
    client_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    runs = [(_of_work(1, users, progress), _of_work(2, users, progress)) for _ in range(repeats)]
    return {
        "no_work_tasks": num_tasks,
        "no_work_s": overhead_s,
        "client_peak_mb": client_mb,
        "real_tasks": _real(users).num_tasks,
        **speed_up(runs),
    }


def speed_up(runs: Sequence[tuple[Timed, Timed]]) -> dict[str, Any]:
    """What a second worker brings. runs: the same campaign on one worker, on two.

    speed_up: by wall time; where other programs use the machine it tells of them too.
    speed_up_allowed: what two cores of one's own would allow, were neither ever idle: all CPU time that two workers
    took, client and scheduler included, is shared between them.
    speed_up_of_tasks: the same, were client, scheduler and the workers' own part for nothing. It falls short of 2 by
    the CPU time that a task needs more beside another one: they share the memory.
    """
    one, two = (Timed(*np.median([astuple(run[which]) for run in runs], axis=0)) for which in range(2))
    pairs = {f"{name}_s": [getattr(each, f"{name}_s") for each in (one, two)] for name in _TOLD}
    return {
        **pairs,
        "speed_up": float(np.median([alone.wall_s / both.wall_s for alone, both in runs])),
        "speed_up_allowed": 2 * one.alone_s / two.all_s,
        "speed_up_of_tasks": 2 * one.tasks_s / two.tasks_s,
    }


_TOLD = ("wall", "tasks", "client", "scheduler", "workers")


def _of_nothing(num_tasks: int, progress: Progress) -> float:
    study = Study("nothing", "nothing", {"size": tuple(range(10))}, seeds=max(1, num_tasks // 10))
    with open_pool("workers:2") as pool:
        return _timed(study, pool, progress).wall_s


def _of_work(workers: int, users: int, progress: Progress) -> Timed:
    with open_pool(f"workers:{workers}") as pool:
        _timed(_real(2 * workers), pool, progress)
        return _timed(_real(users), pool, progress)


def _real(users: int) -> Study:
    shared = ("scene", "size", "bits", "kind")
    return Study("real", "channel", REAL_AXES, 1, users, shared=shared, fixed={"users": users, "bound": True})


def _timed(study: Study, pool: Pool, progress: Progress) -> Timed:
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder))
        began_s, before_s = time.perf_counter(), _cpu_s()
        told = run_campaign([study], None, table, pool, progress)
        table.export([study])
        wall_s, took_s = time.perf_counter() - began_s, _cpu_s() - before_s
        assert told["tasks"] == study.num_tasks and not told["failed"], told["failures"]
        inside_s, tasks_s = np.sum([(row["seconds"], row["cpu_seconds"]) for row in table.rows()], axis=0)
        return Timed(wall_s, inside_s, tasks_s, *took_s)


def _cpu_s() -> Float[np.ndarray, "part"]:
    """Of this thread, of the other ones of this process, and of the processes that it started."""
    import psutil

    here_s = time.thread_time()
    children = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return np.array([here_s, time.process_time() - here_s, sum(each.user + each.system for each in children)])
