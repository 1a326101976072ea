"""What an optimizer host costs: rounds in this process and at a worker on this machine, in turns."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hil.campaign.sites import make_site
from hil.engine import Engine, Method, open_engine
from hil.engine.certs import make_certificates
from hil.engine.processes import HostProcesses
from hil.engine.tls import Tls
from hil.interfaces import Progress, no_progress
from hil.optimize.objective import Problem

WARM_UP = 3  # rounds that are not counted: imports, first allocations


def bench_engine(
    sizes: Sequence[int], rounds: int, *, seed: int = 0, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Rows of `hil bench engine`: tap-space rounds of one user, warm, one bit an element, over mutual TLS.

    `added_ms` is the median over rounds of what the same problem took longer at the worker than here.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        _host(Path(folder)) as host,
        open_engine() as here,
        open_engine(host.config()) as there,
    ):
        return [_row(size, rounds, seed, here, there, progress) for size in sizes]


def _host(folder: Path) -> HostProcesses:
    make_certificates(folder, ["localhost"])
    files = Tls(*(str(folder / name) for name in ("ca.pem", "localhost.pem", "localhost.key")))
    host = HostProcesses(folder / "state", files)
    try:
        for role in ("scheduler", "worker"):
            host.start(role)
    except BaseException:
        host.close()
        raise
    return host


def _row(size: int, rounds: int, seed: int, here: Engine, there: Engine, progress: Progress) -> dict[str, Any]:
    problem = _one_user(size, seed)
    method = Method("tap-space", certify=False, user=f"{size} x {size}")
    seconds = np.zeros((WARM_UP + rounds, 2))
    for number in range(len(seconds)):
        for column, engine in enumerate((here, there)):
            reply = engine.optimize(number, problem, method, deadline_s=60.0)
            assert reply.place == engine.place, reply.note
            seconds[number, column] = reply.seconds
        progress(f"engine {size} x {size}", number + 1, len(seconds))
    seconds = seconds[WARM_UP:]
    local, host = 1e3 * np.median(seconds, axis=0)
    added = 1e3 * (seconds[:, 1] - seconds[:, 0])
    return {
        "size": size,
        "num_elements": size**2,
        "rounds": rounds,
        "here_ms": float(local),
        "host_ms": float(host),
        "added_ms": float(np.median(added)),
        "added_p95_ms": float(np.percentile(added, 95)),
    }


def _one_user(size: int, seed: int) -> Problem:
    truth = make_site("paper", size=size, users=1, bits=1, seed=seed).links().truth
    return replace(truth, direct=truth.direct[0], cascade=truth.cascade[0])
