"""Foreign calls that may hang, made on a thread that can be left behind."""

import queue
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class BoundedCaller:
    """Makes calls one after the other on a daemon thread of its own, and waits for each no longer than allowed.

    The program stays interruptible while a call blocks in a C library, and a call that never returns is left behind: it
    holds up neither the calls after it, which fail at once, nor the end of the program.
    """

    def __init__(self, name: str, limit_s: float) -> None:
        self._refusal = ""
        self._limit_s = limit_s
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def call(self, function: Callable[[], T]) -> T:
        """Result of `function()`. Raises what it raises, and TimeoutError (without errno) where it does not return."""
        return self.wait(self.begin(function))

    def begin(self, function: Callable[[], T]) -> Future[T]:
        """Call it after all calls before it, and do not wait. Raises TimeoutError where one of those hangs."""
        if self._refusal:
            raise TimeoutError(self._refusal)
        future: Future[T] = Future()
        self._tasks.put(lambda: _run(function, future))
        return future

    def wait(self, future: Future[T]) -> T:
        """Result of what was begun, as of `call`; no longer than allowed from now on."""
        try:
            return future.result(self._limit_s)
        except TimeoutError:
            if not future.done():
                self._refusal = "a call before this one did not return"
            raise

    def close(self) -> None:
        """Let the thread end after the calls already made, waiting for none of them; later ones raise TimeoutError."""
        self._refusal = self._refusal or "closed"
        self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # what it refers to shall not outlive it here


def _run(function: Callable[[], T], future: "Future[T]") -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001  handed to the caller
        _release(error)
        future.set_exception(error)
    else:
        future.set_result(result)


def _release(error: BaseException | None) -> None:
    """Let go of what the frames of a failed call hold.

    They would keep a C library's objects alive for as long as the error is; the garbage collector then frees them in
    any order, and libiio crashes where a context goes before its buffer.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
