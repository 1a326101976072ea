"""The line to an optimizer host: a Dask client on an event loop of its own, which keeps the connection alive.

Nothing here ever blocks the loop that measures: it hands questions in, and waits for futures with deadlines. A host
that was late is doubted: it gets no further rounds until it has answered a greeting, so that they do not pile up before
a frozen machine.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from hil.engine.quiet import quiet_dask
from hil.engine.seam import Answer, HostAway, Question
from hil.engine.wire import pack_question, unpack_answer
from hil.engine.work import COMPUTE, answer, differences, resources_for, versions
from hil.errors import ConfigError, HilError

if TYPE_CHECKING:
    from distributed import Client, Security

Result = TypeVar("Result")

CONNECT_S = 2.0
GREET_S = 3.0
RETRY_S = 0.3
CLOSE_S = 0.5


class HostLine:
    """A connection to a scheduler, made anew whenever it is lost."""

    def __init__(self, scheduler: str, security: "Security | None") -> None:
        self._scheduler = scheduler
        self._security = security
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="optimizer-host", daemon=True)
        self._keeper: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._needs: dict[str, float] = {COMPUTE: 1.0}
        self._answered_by: dict[str, str] = {}
        self._doubted = asyncio.Event()
        self._first: Future[None] = Future()
        self.why_away = "not connected yet"

    @property
    def ready(self) -> bool:
        """Whether the host answered the last greeting, and no round was late since."""
        return not self.why_away

    def open(self, timeout_s: float) -> None:
        """Connect and compare versions. Raises ConfigError where they differ, ConnectionError where nobody answers."""
        quiet_dask()
        self._thread.start()
        try:
            self._first.result(timeout_s)
        except TimeoutError:
            raise ConnectionError(self.why_away) from None

    def ask(self, loop_name: str, question: Question, *, kept: bool) -> "Future[Answer]":
        """Hand in a question; its future raises HostAway where the answer cannot come. Cancel it to drop the answer.

        loop_name: whose warm states are meant. kept: the host has the warm state.
        """
        return self._on_loop(self._ask(loop_name, question, kept))

    def doubt(self, why: str, device: str) -> None:
        """No rounds for a host that was late, until a worker greets that has such a device."""
        self.why_away, self._needs = why, resources_for(device)
        self._loop.call_soon_threadsafe(self._doubted.set)

    def close(self) -> None:
        """Within some two seconds, whatever state the other end is in."""
        if self._thread.is_alive():
            with suppress(Exception):
                self._on_loop(self._stop()).result(3 * CLOSE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S)

    def _on_loop(self, work: "Coroutine[Any, Any, Result]") -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._keeper = self._loop.create_task(self._keep())
        self._loop.run_forever()
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        if rest:
            self._loop.run_until_complete(asyncio.wait(rest, timeout=CLOSE_S))
        self._loop.close()

    async def _stop(self) -> None:
        assert self._keeper is not None
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper

    async def _keep(self) -> None:
        """Connect, use, lose, connect again."""
        while True:
            try:
                await self._attend(await self._connect())
            except Exception as error:  # noqa: BLE001  whatever Dask raises, the loop goes on without it
                self.why_away = f"optimizer host {self._scheduler}: {str(error) or 'no answer'}"
            finally:
                await self._disconnect()
            await asyncio.sleep(RETRY_S)

    async def _connect(self) -> "Client":
        from distributed import Client

        self._client = Client(
            self._scheduler, security=self._security, asynchronous=True, set_as_default=False, timeout=CONNECT_S
        )
        return await asyncio.wait_for(self._client, CONNECT_S)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await client.close(timeout=CLOSE_S)

    async def _attend(self, client: "Client") -> None:
        """Greet, then do nothing until there is doubt, then greet again. Raises OSError where the line is lost."""
        while True:
            self._doubted.clear()
            await self._greet(client)
            while not self._doubted.is_set():
                if client.status != "running":
                    raise ConnectionError("the connection was lost")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._doubted.wait(), RETRY_S)

    async def _greet(self, client: "Client") -> None:
        """A worker with the right tags answers, and has our versions. Raises OSError."""
        needs = self._needs
        try:
            theirs = await asyncio.wait_for(self._run_on_worker(client, versions, needs=needs), GREET_S)
        except TimeoutError:
            raise ConnectionError(f"no worker with {' and '.join(needs)} answers") from None
        if different := differences(theirs):
            raise self._refused(f"{different}: install the same at both ends")
        self.why_away = ""
        if not self._first.done():
            self._first.set_result(None)

    def _refused(self, why: str) -> ConnectionError:
        if not self._first.done():
            self._first.set_exception(ConfigError(f"optimizer host {self._scheduler} has other versions: {why}"))
        return ConnectionError(why)

    async def _ask(self, loop_name: str, question: Question, kept: bool) -> Answer:
        client, device = self._client, question.method.device
        if not self.ready or client is None:
            raise HostAway(self.why_away)
        blob, needs, user = pack_question(question, kept=kept), resources_for(device), question.method.user
        nearest = self._answered_by.get(user) if kept else None
        try:
            work = self._run_on_worker(client, answer, loop_name, blob, needs=needs, nearest=nearest)
            self._answered_by[user], found = await work
            return _unpacked(found, question)
        except OSError as error:
            self.doubt(f"optimizer host {self._scheduler}: {error}", device)
            raise HostAway(self.why_away) from error

    async def _run_on_worker(
        self,
        client: "Client",
        function: Callable[..., Result],
        *arguments: object,
        needs: dict[str, float],
        nearest: str | None = None,
    ) -> Result:
        """nearest: the worker to prefer. Raises HilError and ValueError of the function, else ConnectionError."""
        from distributed.client import FutureCancelledError

        preference = {"workers": [nearest], "allow_other_workers": True} if nearest else {}
        key = f"{function.__name__}-{time.monotonic_ns()}-{id(arguments)}"
        future = client.submit(function, *arguments, key=key, pure=False, resources=needs, **preference)
        try:
            result: Result = await future
            return result
        except FutureCancelledError as error:
            raise ConnectionError(f"the scheduler lost it: {error.reason}") from error
        except (HilError, ValueError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        finally:
            future.release()


def _unpacked(blob: bytes, question: Question) -> Answer:
    """Raises ConnectionError for an answer that is none: no matter of the algorithm's, so none of the loop's."""
    try:
        return unpack_answer(blob, question.problem)
    except (ValueError, KeyError) as error:
        raise ConnectionError(f"an answer that is none ({error})") from error
