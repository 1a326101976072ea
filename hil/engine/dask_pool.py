"""A campaign's batches on a Dask cluster; where its scheduler goes and comes back, they are handed in again."""

import queue
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hil.engine.pool import NOTHING_THERE, Finished, Pool, Tell, in_silence
from hil.engine.quiet import quiet_dask
from hil.engine.stations import STATIONS
from hil.engine.this_machine import start_cluster
from hil.engine.tls import Tls
from hil.engine.work import Call, Refused, Terms, differences, run_on, versions
from hil.errors import ConfigError, NotConnected

if TYPE_CHECKING:
    from distributed import Client, Future, Security

AHEAD = 1  # batches that wait at each worker, so that none is idle while the client writes
LOOK_S = 5.0
ANSWER_S = 15.0  # for a connection, an answer of the scheduler
GREETING_S = 60.0  # for all workers' versions: a frozen one is given up before
FAREWELL_S = 2.0
GRACE_S = 60.0
"""How long a cluster may be silent before it counts as gone, or lack a tag that waiting batches need."""


class _Gone(Exception):
    """The scheduler, and with it all that was under way."""


@dataclass(frozen=True)
class _Handed:
    """A batch under way, as it can be handed in again."""

    tag: str
    batch: Any
    function: Callable[..., Any]
    arguments: tuple[object, ...]


class DaskPool(Pool):
    """A few batches ahead for each worker, never all, so that neither end drowns.

    connect: to the scheduler; raises NotConnected. terms: on which workers work. away_s: how long the scheduler is
    waited for when it is gone; zero where it cannot come back.
    """

    def __init__(
        self,
        connect: Callable[[], "Client"],
        terms: Terms,
        *,
        away_s: float = 0.0,
        tell: Tell = in_silence,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self._connect, self._terms, self._away_s, self._tell, self._end = connect, terms, away_s, tell, close
        self._waiting: deque[_Handed] = deque()
        self._under_way: dict[Any, tuple[Future[Any], _Handed]] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: dict[str, int] = {}
        self._looked_s = self._hopeful_s = self._answered_s = time.monotonic()
        self._client = connect()
        try:
            self._count_workers()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise NotConnected(f"campaign: the scheduler does not answer ({error})") from None
            raise

    @classmethod
    def on_this_machine(cls, count: int) -> "DaskPool":
        """`count` processes that calculate, and one for each station beside this process."""
        from distributed import Client

        quiet_dask()
        cluster = start_cluster(count, STATIONS.testbeds)
        terms = Terms(versions(), dict(STATIONS.testbeds), STATIONS.runs.resolve())
        try:
            return cls(
                lambda: Client(cluster, set_as_default=False), terms, close=lambda: cluster.close(timeout=ANSWER_S)
            )
        except BaseException:
            with suppress(TimeoutError):
                cluster.close(timeout=ANSWER_S)
            raise

    @classmethod
    def at(cls, address: str, tls: Tls, *, away_s: float, tell: Tell) -> "DaskPool":
        """The cluster of a scheduler. Raises ConfigError for workers of other versions, NotConnected."""
        security = tls.security(address)
        quiet_dask()

        return cls(lambda: _client(address, security), Terms(versions()), away_s=away_s, tell=tell)

    def workers(self, tag: str) -> int:
        return self._workers.get(tag, 0)

    def room(self, tag: str) -> int:
        """A tag that no worker has (yet) gets one batch: it may come."""
        return max(1, (1 + AHEAD) * self.workers(tag)) - sum(handed.tag == tag for handed in self._unfinished())

    def submit(self, tag: str, batch: Any, function: Callable[..., Any], *arguments: object) -> None:
        self._waiting.append(_Handed(tag, batch, function, arguments))
        with suppress(_Gone):  # it waits; `next` sees to it
            self._hand_in()

    def next(self) -> Finished:
        """As `Pool.next`; a scheduler that goes away is waited for, and what was under way handed in again."""
        while self._unfinished():
            try:
                self._hand_in()
                if time.monotonic() - self._looked_s > LOOK_S:
                    self._look()
                key = self._done.get(timeout=LOOK_S)
                if key in self._under_way and (finished := self._take(key)):
                    return finished
            except queue.Empty:
                continue
            except _Gone as gone:
                self._wait_for_return(str(gone))
        raise RuntimeError(NOTHING_THERE)

    def close(self) -> None:
        """Batches that still run are given up."""
        self._waiting.clear()
        self._under_way.clear()
        _close(self._client)
        with suppress(TimeoutError):  # a cluster of this machine ends with this process at the latest
            self._end()

    def _unfinished(self) -> list[_Handed]:
        return [*self._waiting, *(handed for _, handed in self._under_way.values())]

    def _hand_in(self) -> None:
        """All that waits. Raises _Gone; what was not taken waits on."""
        from distributed.client import ClosedClientError

        while self._waiting:
            handed = self._waiting[0]
            try:
                call = Call(self._terms, handed.function, handed.arguments)
                future = self._client.submit(run_on, call, pure=False, resources={handed.tag: 1.0})
            except ClosedClientError:
                raise _Gone("the scheduler is gone") from None
            self._under_way[future.key] = (future, self._waiting.popleft())
            future.add_done_callback(lambda done: self._done.put(done.key))

    def _take(self, key: Any) -> Finished | None:
        """What became of a batch; it stays under way where the scheduler is gone, or the worker that had its result."""
        future, handed = self._under_way[key]
        try:
            if future.status == "cancelled":
                raise _Gone("the scheduler is gone")
            error = None if future.status == "finished" else future.exception(timeout=GRACE_S)
            result = future.result(timeout=GRACE_S) if error is None else None
        except TimeoutError:
            del self._under_way[key]
            self._waiting.append(handed)
            return None
        except (CancelledError, OSError) as trouble:
            raise _Gone(f"a result cannot be fetched ({trouble})") from None
        del self._under_way[key]
        future.release()
        if isinstance(result, Refused):
            raise ConfigError(_OTHERS.format("a worker", differences(result.versions)))
        return Finished(handed.batch, result, _exception(error))

    def _wait_for_return(self, why: str) -> None:
        """Connect anew; what was under way waits to be handed in again. Raises NotConnected past `away_s`."""
        give_up_s = time.monotonic() + self._away_s
        if self._away_s:
            self._tell(f"{why}; waiting up to {self._away_s:.0f} s for its return")
        _close(self._client)
        while True:
            if time.monotonic() >= give_up_s:
                raise NotConnected(_RESUME.format(why))
            with suppress(NotConnected):
                self._client = self._connect()
                break
        self._tell("the scheduler is back")
        self._waiting = deque(self._unfinished())
        self._under_way.clear()
        self._hopeful_s = self._answered_s = time.monotonic()

    def _look(self) -> None:
        """Workers come and go. Raises NotConnected where what waits has had no chance for `GRACE_S`."""
        self._looked_s = time.monotonic()
        try:
            self._count_workers()
        except (OSError, TimeoutError):
            silent_s = time.monotonic() - self._answered_s
            if silent_s > GRACE_S:
                raise _Gone(f"the scheduler has been silent for {silent_s:.0f} s") from None
            return
        waiting = {handed.tag for handed in self._unfinished()}
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
_OTHERS = "{} has other versions: {}: install the same at both ends"


def _client(address: str, security: "Security | None") -> "Client":
    """Of a scheduler whose workers are of our versions. Raises NotConnected, ConfigError."""
    from distributed import Client

    try:
        client = Client(address, security=security, set_as_default=False, timeout=ANSWER_S)
    except OSError as error:
        told = f"campaign: no scheduler at {address} ({error}); is `hil host scheduler` up?"
        raise NotConnected(told) from None
    try:
        _check_versions(client)
    except BaseException:
        _close(client)
        raise
    _let_go_when_lost(client)
    return client


def _let_go_when_lost(client: Any) -> None:
    """A client that loses its scheduler closes; the pool connects anew.

    Its own trying would be cut off in the middle of a handshake, and leave an open socket behind.
    """
    client._timeout = 0.0  # for how long it tries


def _check_versions(client: "Client") -> None:
    """Of the workers that are there; those that come later are found out by their first batch."""
    line: Any = client
    try:  # as client.run, which waits for a frozen worker or scheduler without end
        found = line.sync(line._run, versions, on_error="return", callback_timeout=GREETING_S)
    except OSError as error:
        raise NotConnected(f"campaign: the scheduler does not answer ({error})") from None
    for worker, theirs in found.items():
        if isinstance(theirs, dict) and (different := differences(theirs)):
            raise ConfigError(_OTHERS.format(f"worker {worker}", different))


def _close(client: "Client") -> None:
    with suppress(OSError, TimeoutError):
        client.close(timeout=FAREWELL_S)


def _exception(error: BaseException | None) -> Exception | None:
    return error if error is None or isinstance(error, Exception) else RuntimeError(str(error))
