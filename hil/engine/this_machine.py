"""A cluster of processes on this machine, which ends with the process that started it."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hil.engine.serve import LOOPBACK_ONLY
from hil.engine.stations import testbed_tag
from hil.engine.work import COMPUTE

if TYPE_CHECKING:
    from distributed import SpecCluster


def start_cluster(count: int, stations: Iterable[str]) -> "SpecCluster":
    """`count` workers that calculate, and one for each station: a bench is measured on by one at a time.

    A worker that dies is started again.
    """
    from distributed import Nanny, Scheduler, Security, SpecCluster

    place = {"host": "127.0.0.1", "protocol": "tcp://", "security": Security(), "dashboard_address": LOOPBACK_ONLY}
    own: dict[str, Any] = {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL, "dashboard": False}

    def worker(tag: str) -> dict[str, Any]:
        return {"cls": Nanny, "options": {**place, **own, "resources": {tag: 1.0}}}

    calculate = {f"compute-{number}": worker(COMPUTE) for number in range(count)}
    measure = {testbed_tag(name): worker(testbed_tag(name)) for name in stations}
    scheduler = {"cls": Scheduler, "options": {**place, "port": 0, "dashboard": False}}
    return SpecCluster(scheduler=scheduler, workers=calculate | measure, silence_logs=logging.CRITICAL)
