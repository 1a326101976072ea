"""The two ends of an optimizer host: a scheduler, and workers that come back to it whatever happens to either."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hil.engine.memory import keep_freed_memory
from hil.engine.quiet import quiet_dask
from hil.engine.stations import testbed_tag
from hil.engine.tls import Tls
from hil.engine.work import COMPUTE, GPU, keep_in
from hil.errors import ConfigError, NotConnected
from hil.optimize.device import find_device

if TYPE_CHECKING:
    from distributed import Security, Worker

WORKER_TTL_S = 10.0  # a worker that is silent for so long loses its rounds to another
RETRY_S = 0.5
LOOPBACK_ONLY = "127.0.0.1:0"  # of Dask's pages of figures about itself, which ask for no certificate

Told = Callable[[Mapping[str, object]], None]


def serve_scheduler(listen: str, tls: Tls, ready: Told) -> None:
    """Bring loops and workers together until interrupted.

    listen: as tls://0.0.0.0:8786; port 0 for any free one. ready: told `scheduler`, the address, once it is up.
    Raises ConfigError off loopback without mutual TLS, NotConnected where the port is taken.
    """
    security = tls.security(listen)
    quiet_dask()
    asyncio.run(_schedule(listen, security, ready))


async def _schedule(listen: str, security: "Security | None", ready: Told) -> None:
    import dask
    from distributed import Scheduler

    protocol, _, place = listen.partition("://")
    host, _, port = place.rpartition(":")
    with dask.config.set({"distributed.scheduler.http.routes": []}):
        scheduler = Scheduler(
            host=host,
            port=int(port),
            protocol=protocol,
            security=security,
            worker_ttl=WORKER_TTL_S,
            dashboard=False,
            dashboard_address=LOOPBACK_ONLY,
        )
        try:
            await scheduler
        except OSError as error:
            raise NotConnected(f"scheduler: cannot listen at {listen}: {error.strerror or error}") from None
    ready({"scheduler": scheduler.address})
    try:
        await scheduler.finished()
    finally:
        with suppress(TimeoutError, OSError):
            await asyncio.wait_for(scheduler.close(), 2.0)


def serve_worker(
    scheduler: str,
    tls: Tls,
    resources: Mapping[str, float],
    ready: Told,
    lost: Callable[[str], None],
    *,
    state_dir: Path | None = None,
) -> None:
    """Work for a scheduler until interrupted; where it is away, wait and come back to it.

    resources: tags, see `resources_of`. ready: told `worker` and `resources` each time it has found the scheduler;
    lost: told why each time it has not, or no longer.
    state_dir: of checkpoints of warm states; memory only where None.
    Raises ConfigError off loopback without mutual TLS.
    """
    security = tls.security(scheduler)
    keep_in(state_dir)
    keep_freed_memory()
    quiet_dask()
    asyncio.run(_work(scheduler, security, dict(resources), ready, lost))


def resources_of(device: str | None, testbeds: Iterable[str]) -> dict[str, float]:
    """Tags of a worker: `compute` and, with CUDA, `GPU`; and `testbed:NAME` for each station that stands beside it.

    Raises ConfigError where the device is not there, or nothing is offered.
    """
    tags = {testbed_tag(name): 1.0 for name in testbeds}
    if device is None and not tags:
        raise ConfigError("what shall this worker do? --device cpu, --device cuda, --testbed FILE")
    if device is None:
        return tags
    if device == "cuda":
        find_device(device, "--device cuda:")
    return tags | {COMPUTE: 1.0} | ({GPU: 1.0} if device == "cuda" else {})


async def _work(
    scheduler: str, security: "Security | None", resources: dict[str, float], ready: Told, lost: Callable[[str], None]
) -> None:
    while True:
        with tempfile.TemporaryDirectory(prefix="hil-host-", ignore_cleanup_errors=True) as scratch:
            worker = _worker(scheduler, security, resources, scratch)
            try:
                await worker
                ready({"worker": worker.address, "scheduler": scheduler, "resources": resources})
                await worker.finished()
                lost(f"{scheduler} is gone; waiting for it")
            except (OSError, TimeoutError, ValueError, RuntimeError) as error:
                lost(f"{scheduler} cannot be worked for: {error!r}; trying again")
            finally:
                with suppress(OSError, TimeoutError):
                    await asyncio.wait_for(worker.close(timeout=1, executor_wait=False), 2.0)
        await asyncio.sleep(RETRY_S)


def _worker(scheduler: str, security: "Security | None", resources: dict[str, float], scratch: str) -> "Worker":
    """On loopback it listens there only; elsewhere its peers need certificates."""
    import dask
    from distributed import Worker

    with dask.config.set({"distributed.worker.http.routes": []}):
        return Worker(
            scheduler,
            nthreads=1,
            host="127.0.0.1" if security is None else None,
            security=security,
            resources=resources,
            memory_limit=0,
            local_directory=scratch,
            dashboard_address=LOOPBACK_ONLY,
        )
