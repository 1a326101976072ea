"""A cluster that a test plays itself: results that are lost, schedulers that go, batches that must not be."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from distributed.client import ClosedClientError

from hil.engine import work
from hil.engine.dask_pool import AHEAD, GREETING_S, DaskPool, _check_versions, _client
from hil.engine.pool import LocalPool
from hil.engine.quiet import quiet_dask
from hil.engine.this_machine import start_cluster
from hil.engine.work import Call, Terms
from hil.errors import NotConnected

PATIENCE_S = 10.0


class PlayedFuture:
    """status, outcome: what the test makes of it; an outcome that is an error is raised where the result is fetched."""

    def __init__(self, key: str) -> None:
        self.key, self.status, self.outcome, self.released = key, "pending", None, False
        self.tell: Callable[[PlayedFuture], None] = lambda _future: None

    def add_done_callback(self, tell: "Callable[[PlayedFuture], None]") -> None:
        self.tell = tell

    def end(self, outcome: Any = None, status: str = "finished") -> None:
        self.status, self.outcome = status, outcome
        self.tell(self)

    def result(self, timeout: float) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def exception(self, timeout: float) -> Any:
        return self.outcome

    def release(self) -> None:
        self.released = True


class PlayedClient:
    scheduler = type("Scheduler", (), {"identity": None})

    def __init__(self, workers: int = 1) -> None:
        self.asked: list[tuple[PlayedFuture, tuple[Any, ...]]] = []
        self.workers, self.closed = workers, False

    def sync(self, *_arguments: object, **_options: object) -> dict[str, Any]:
        return {"workers": {number: {"resources": {"compute": 1.0}} for number in range(self.workers)}}

    def submit(self, _run_on: object, call: Call, **_options: object) -> PlayedFuture:
        future = PlayedFuture(f"{id(self)}-{len(self.asked)}")
        self.asked.append((future, (call.function, *call.arguments)))
        return future

    def close(self, timeout: float) -> None:
        self.closed = True


def closing_after(client: PlayedClient, taken: int) -> None:
    """A client that is closed once it took some batches, as when its scheduler dies between two of them."""
    submit = client.submit

    def perhaps(*arguments: Any, **options: object) -> PlayedFuture:
        if len(client.asked) >= taken:
            raise ClosedClientError("Client is closed")
        return submit(*arguments, **options)

    client.submit = perhaps


class Site:
    """Schedulers one after the other; `None` for one that does not answer."""

    def __init__(self, *clients: PlayedClient | None) -> None:
        self.clients = list(clients)

    def connect(self) -> PlayedClient:
        client = self.clients.pop(0) if self.clients else None
        if client is None:
            raise NotConnected("nobody there")
        return client


def pool_of(*clients: PlayedClient | None, away_s: float = 60.0) -> DaskPool:
    return DaskPool(Site(*clients).connect, Terms(work.versions()), away_s=away_s)


def test_what_was_under_way_is_handed_in_again_to_the_scheduler_that_comes_back():
    first, second = PlayedClient(), PlayedClient()
    pool = pool_of(first, None, None, second)
    for batch in ("a", "b", "c"):
        pool.submit("compute", batch, print, batch)
    first.asked[1][0].end(2)
    assert pool.next().batch == "b"
    first.asked[0][0].end(status="cancelled")
    first.asked[2][0].end(status="cancelled")
    second.submit = answering(second)
    asked = [pool.next() for _ in range(2)]
    assert [(each.batch, each.result) for each in asked] == [("a", (print, "a")), ("c", (print, "c"))]
    assert first.closed and not second.closed and len(second.asked) == 2


def answering(client: PlayedClient) -> Callable[..., PlayedFuture]:
    """A client whose workers are done at once; the result is what they were asked."""
    submit = client.submit

    def at_once(*arguments: Any, **options: object) -> PlayedFuture:
        future = submit(*arguments, **options)
        future.add_done_callback = lambda tell: (setattr(future, "tell", tell), future.end(client.asked[-1][1]))
        return future

    return at_once


def test_a_scheduler_that_is_waited_for_in_vain_ends_the_campaign():
    client = PlayedClient()
    pool = pool_of(client, away_s=0.0)
    pool.submit("compute", "a", print)
    client.asked[0][0].end(status="cancelled")
    with pytest.raises(
        NotConnected, match="the scheduler is gone; the rows so far are kept, `hil campaign --resume DIR`"
    ):
        pool.next()


def test_a_result_that_its_worker_took_with_it_is_asked_for_again():
    client = PlayedClient()
    pool = pool_of(client)
    pool.submit("compute", "a", print)
    client.submit = answering(client)
    client.asked[0][0].end(TimeoutError())
    assert pool.next().result == (print,) and len(client.asked) == 2


def test_the_error_of_a_batch_is_its_own_matter():
    client = PlayedClient()
    pool = pool_of(client)
    pool.submit("compute", "a", print)
    client.asked[0][0].end(RuntimeError("the worker was lost four times"), status="error")
    assert str(pool.next().error) == "the worker was lost four times" and client.asked[0][0].released


def test_each_worker_has_a_batch_ahead_and_a_tag_without_one_gets_a_single_batch():
    pool = pool_of(PlayedClient(workers=3))
    assert pool.room("compute") == 3 * (1 + AHEAD) and pool.room("testbed:roof") == 1
    pool.submit("testbed:roof", "a", print)
    assert pool.room("testbed:roof") == 0 and pool.workers("testbed:roof") == 0
    pool.close()


def test_a_client_that_closes_between_two_batches_loses_none():
    first, second, third = PlayedClient(), PlayedClient(), PlayedClient()
    closing_after(first, 1)
    closing_after(second, 2)
    third.submit = answering(third)
    pool = pool_of(first, second, third)
    for batch in ("a", "b", "c"):
        pool.submit("compute", batch, print, batch)
    assert len(first.asked) == 1 and pool.room("compute") == 1 + AHEAD - 3
    assert sorted(pool.next().batch for _ in range(3)) == ["a", "b", "c"]
    assert first.closed and second.closed and len(second.asked) == 2


@pytest.mark.parametrize("make", [lambda: pool_of(PlayedClient()), LocalPool])
def test_what_nobody_handed_in_is_not_waited_for(make):
    with make() as pool, pytest.raises(RuntimeError, match="no batch is under way"):
        pool.next()


def test_a_scheduler_that_freezes_while_versions_are_compared_is_not_waited_for_without_end():
    class Frozen(PlayedClient):
        _run = None

        def sync(self, *_arguments: object, callback_timeout: float, **_options: object) -> dict[str, Any]:
            assert callback_timeout <= GREETING_S
            raise TimeoutError("no answer")

    with pytest.raises(NotConnected, match="the scheduler does not answer"):
        _check_versions(Frozen())


def test_a_client_that_lost_its_scheduler_closes_and_does_not_try_by_itself():
    """Of Dask's own: the scheduler is still there, and would take it back."""
    quiet_dask()
    with start_cluster(0, []) as cluster:
        client: Any = _client(cluster.scheduler_address, None)
        client.loop.add_callback(client.scheduler_comm.comm.abort)
        end_s = time.monotonic() + PATIENCE_S
        while client.status != "closed" and time.monotonic() < end_s:
            os.sched_yield()
        status = client.status
        client.close()
    assert status == "closed"


def test_a_cluster_that_does_not_end_in_time_costs_no_campaign():
    def stuck() -> None:
        raise TimeoutError("timed out after 15 s")

    client = PlayedClient()
    DaskPool(Site(client).connect, Terms(work.versions()), close=stuck).close()
    assert client.closed
