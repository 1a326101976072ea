"""Where the tasks of a campaign run: one after the other in this process, or on the workers of a Dask cluster."""

import logging
import queue
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hil.engine.logs import quiet_dask
from hil.engine.serve import LOOPBACK_ONLY, testbed_tag
from hil.engine.stations import STATIONS
from hil.engine.tls import Tls
from hil.engine.work import COMPUTE, differences, versions
from hil.errors import ConfigError, HilError, NotConnected
from hil.interfaces import Closing

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2  # batches that wait at each worker, so that none is idle while the client writes
LOOK_S = 5.0
ANSWER_S = 15.0  # for a connection, an answer of the scheduler, a farewell
GRACE_S = 60.0
"""How long a cluster may be silent, or lack a tag that waiting batches need, before the campaign stops."""


@dataclass(frozen=True)
class Finished:
    """How a batch ended: its result, or the error that it died of (its worker was lost several times, say)."""

    batch: Any
    result: Any = None
    error: Exception | None = None


class Pool(Closing):
    """Batches in, results out in any order."""

    @abstractmethod
    def room(self, tag: str) -> int:
        """How many more batches that need a worker with this tag may be handed in now."""

    @abstractmethod
    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        """Hand in `function(*arguments)`; the function must be importable where it runs."""

    @abstractmethod
    def next(self) -> Finished:
        """The next batch that ended. Raises NotConnected where none can end any more."""


class LocalPool(Pool):
    """In this process, one batch at a time, in the order in which they come."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, Callable[[], Any]]] = deque()

    def room(self, tag: str) -> int:
        """Raises ConfigError for a station that does not stand here."""
        if tag != COMPUTE:
            STATIONS.find(tag.removeprefix(testbed_tag("")))
        return 1 - len(self._waiting)

    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        self._waiting.append((batch, partial(function, *arguments)))

    def next(self) -> Finished:
        batch, work = self._waiting.popleft()
        return Finished(batch, work())

    def close(self) -> None:
        self._waiting.clear()


class DaskPool(Pool):
    """On a cluster; a few batches ahead for each worker, never all, so that neither end drowns."""

    def __init__(self, client: "Client", close: Callable[[], None]) -> None:
        self._client = client
        self._close = close
        self._futures: dict[Any, tuple[Future[Any], str, Any]] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: dict[str, int] = {}
        self._looked_s = self._hopeful_s = self._answered_s = time.monotonic()
        self._count_workers()

    def room(self, tag: str) -> int:
        """A tag that no worker has (yet) gets one batch: it may come."""
        waiting = sum(each == tag for _, each, _ in self._futures.values())
        return max(1, (1 + AHEAD) * self._workers.get(tag, 0)) - waiting

    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        future = self._client.submit(function, *arguments, pure=False, resources={tag: 1.0})
        self._futures[future.key] = (future, tag, batch)
        future.add_done_callback(lambda done: self._done.put(done.key))

    def next(self) -> Finished:
        while True:
            if time.monotonic() - self._looked_s > LOOK_S:
                self._look()
            try:
                key = self._done.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if key in self._futures:
                return self._take(key)

    def close(self) -> None:
        """Batches that still run are given up."""
        self._futures.clear()
        self._close()

    def _take(self, key: Any) -> Finished:
        future, _, batch = self._futures.pop(key)
        try:
            if future.status == "finished":
                return Finished(batch, future.result(timeout=GRACE_S))
            if future.status == "cancelled":
                raise NotConnected(_RESUME.format("the scheduler is gone"))
            return Finished(batch, error=_error_of(future))
        except (TimeoutError, CancelledError, OSError) as error:
            raise NotConnected(_RESUME.format(f"a result cannot be fetched ({error})")) from None
        finally:
            future.release()

    def _look(self) -> None:
        """Workers come and go. Raises NotConnected where what waits has had no chance for `GRACE_S`."""
        self._looked_s = time.monotonic()
        try:
            self._count_workers()
        except (OSError, TimeoutError):
            silent_s = time.monotonic() - self._answered_s
            if silent_s > GRACE_S:
                raise NotConnected(_RESUME.format(f"the scheduler has been silent for {silent_s:.0f} s")) from None
            return
        waiting = {tag for _, tag, _ in self._futures.values()}
        if waiting & self._workers.keys():
            self._hopeful_s = time.monotonic()
        elif time.monotonic() - self._hopeful_s > GRACE_S:
            raise NotConnected(_RESUME.format(f"no worker offers {', '.join(sorted(waiting))}"))

    def _count_workers(self) -> None:
        scheduler: Any = self._client.scheduler
        identity = self._client.sync(scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
        self._answered_s, self._workers = time.monotonic(), {}
        for worker in identity["workers"].values():
            for tag in worker["resources"]:
                self._workers[tag] = self._workers.get(tag, 0) + 1


_RESUME = "campaign: {}; the rows so far are kept, `hil campaign --resume DIR` goes on"


def open_pool(engine: str = "local", tls: Tls | None = None) -> Pool:
    """`local`, `workers:N` for N processes on this machine, or the address of a scheduler.

    Raises ConfigError for anything else and for workers of other versions, NotConnected where nobody answers.
    """
    kind, _, count = engine.partition(":")
    if engine == "local":
        return LocalPool()
    if kind == "workers":
        if not count.isdecimal() or not 1 <= int(count) <= 256:
            raise ConfigError(f"--engine {engine}: written as workers:2, from 1 to 256")
        return _on_this_machine(int(count))
    return _on_cluster(engine, tls or Tls())


def _on_this_machine(count: int) -> DaskPool:
    from distributed import Client, LocalCluster

    quiet_dask()
    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=LOOPBACK_ONLY,
        worker_dashboard_address=LOOPBACK_ONLY,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        resources={COMPUTE: 1.0, **{testbed_tag(name): 1.0 for name in STATIONS.testbeds}},
    )
    client = Client(cluster, set_as_default=False)
    closing = ExitStack()
    closing.callback(cluster.close, timeout=ANSWER_S)
    closing.callback(client.close, timeout=ANSWER_S)
    return DaskPool(client, closing.close)


def _on_cluster(address: str, tls: Tls) -> DaskPool:
    from distributed import Client

    security = tls.security(address)
    quiet_dask()
    try:
        client = Client(address, security=security, set_as_default=False, timeout=ANSWER_S)
    except OSError as error:
        raise NotConnected(f"campaign: no scheduler at {address} ({error}); is `hil host scheduler` up?") from None
    try:
        _check_versions(client)
    except HilError:
        client.close(timeout=ANSWER_S)
        raise
    return DaskPool(client, lambda: client.close(timeout=ANSWER_S))


def _check_versions(client: "Client") -> None:
    for worker, theirs in client.run(versions).items():
        if different := differences(theirs):
            raise ConfigError(f"worker {worker} has other versions: {different}: install the same at both ends")


def _error_of(future: "Future[Any]") -> Exception:
    error = future.exception(timeout=GRACE_S)
    return error if isinstance(error, Exception) else RuntimeError(str(error))
