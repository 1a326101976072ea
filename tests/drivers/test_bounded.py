"""Calls that may hang: bounded, in order, and left behind where they never return."""

import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from hil.drivers.bounded import BoundedCaller


@pytest.fixture
def caller() -> Iterator[BoundedCaller]:
    caller = BoundedCaller("test", 30.0)
    yield caller
    caller.close()


def test_a_call_returns_what_the_function_returns(caller: BoundedCaller) -> None:
    assert caller.call(lambda: 5) == 5


@pytest.mark.parametrize("error", [ValueError("x"), OSError(110, "timed out"), KeyboardInterrupt(), SystemExit(3)])
def test_a_call_raises_what_the_function_raises_and_goes_on(caller: BoundedCaller, error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        caller.call(fail)
    assert caught.value is error
    assert caller.call(lambda: 5) == 5


def test_calls_run_one_after_the_other_on_one_other_thread(caller: BoundedCaller) -> None:
    threads = {caller.call(threading.get_ident) for _ in range(5)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_call_that_hangs_is_left_behind_and_later_ones_fail_at_once() -> None:
    release, done = threading.Event(), []
    caller = BoundedCaller("test", 0.05)
    with pytest.raises(TimeoutError) as caught:
        caller.call(release.wait)
    assert caught.value.errno is None
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(TimeoutError, match="did not return"):
            caller.call(lambda: done.append(1))
    assert time.monotonic() - began < 2
    release.set()
    caller.close()
    assert done == []


def test_after_close_nothing_is_called_any_more(caller: BoundedCaller) -> None:
    caller.close()
    with pytest.raises(TimeoutError, match="closed"):
        caller.call(lambda: 5)


def test_what_a_failed_call_held_is_freed_although_its_error_is_kept(caller: BoundedCaller) -> None:
    freed: list[str] = []

    class Buffer:
        def __init__(self, name: str) -> None:
            weakref.finalize(self, freed.append, name)

        def refill(self) -> None:
            raise OSError(32, "Broken pipe")

    def read() -> None:
        buffer = Buffer("first")
        try:
            buffer.refill()
        except OSError:
            Buffer("second").refill()

    with pytest.raises(OSError, match="Broken pipe") as caught:
        caller.call(read)
    assert sorted(freed) == ["first", "second"]
    assert caught.value.__context__ is not None


def test_a_finished_call_is_not_kept_alive(caller: BoundedCaller) -> None:
    class Thing:
        pass

    freed = threading.Event()
    thing = Thing()
    weakref.finalize(thing, freed.set)
    caller.call(lambda thing=thing: None)  # type: ignore[misc]
    del thing
    assert freed.wait(10)
