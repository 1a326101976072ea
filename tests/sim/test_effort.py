"""What the simulator takes is told from what its user takes."""

import threading
import time

import numpy as np
import pytest

from hil.sim import effort
from hil.sim.clock import VirtualClock
from hil.sim.effort import door, effort_s, handed_over_s, handover, memory_watched, slow_handovers, software_s


def busy(duration_s):
    until_s = time.thread_time() + duration_s
    while time.thread_time() < until_s:
        pass


@door
def enter(duration_s, depth=0):
    busy(duration_s)
    if depth:
        enter(duration_s, depth - 1)


def test_calls_within_calls_count_once():
    before_s = effort_s()
    enter(0.02, depth=2)
    assert effort_s() - before_s == pytest.approx(0.06, abs=0.01)


def test_what_happens_outside_does_not_count():
    before_s = effort_s()
    busy(0.02)
    assert effort_s() == before_s


def test_each_thread_counts_its_own():
    before_s = effort_s()
    threads = [threading.Thread(target=enter, args=(0.02,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert effort_s() - before_s == pytest.approx(0.04, abs=0.01)


def test_a_call_that_fails_counts_and_leaves_the_next_one_alone():
    @door
    def fail():
        busy(0.02)
        raise ValueError

    before_s = effort_s()
    with pytest.raises(ValueError):
        fail()
    enter(0.02)
    assert effort_s() - before_s == pytest.approx(0.04, abs=0.01)


def test_what_a_virtual_clock_runs_is_the_simulators_work():
    clock = VirtualClock()
    clock.schedule(1.0, lambda: busy(0.02))
    before_s = effort_s()
    clock.sleep(2.0)
    assert effort_s() - before_s == pytest.approx(0.02, abs=0.01)


MEGABYTE = 1 << 20


@door
def used_up(size):
    return np.ones(size * MEGABYTE, dtype=np.uint8)[:1].copy()


@door
def handed_over(size):
    return np.ones(size * MEGABYTE, dtype=np.uint8)


def test_what_a_door_uses_up_is_no_memory_of_its_users():
    with memory_watched() as peak_bytes:
        used_up(64)
        assert peak_bytes() < MEGABYTE


def test_what_a_door_hands_over_and_what_its_user_makes_of_it_is():
    with memory_watched() as peak_bytes:
        samples = handed_over(8)
        copies = [samples.copy() for _ in range(2)]
        del copies
        used_up(64)
        assert 24 * MEGABYTE <= peak_bytes() < 26 * MEGABYTE


def test_what_came_after_the_last_samples_is_told_from_what_came_before() -> None:
    hand = handover(lambda: busy(0.02))
    busy(0.02)
    hand()
    at_s = handed_over_s()
    busy(0.02)
    assert handed_over_s() == at_s
    assert software_s() - at_s == pytest.approx(0.02, abs=0.015)
    hand()
    assert 0.015 < handed_over_s() - at_s < 0.04


def test_samples_that_come_slowly_come_when_the_work_on_earlier_ones_is_done(monkeypatch):
    """Another thread computes while three times is waited."""
    work_s = [effort.IDLE_S] * 3
    spent_s = [0.0]
    monkeypatch.setattr(effort.time, "process_time", lambda: spent_s[0])

    def wait(duration_s):
        spent_s[0] += work_s.pop() if work_s else 0.01 * duration_s

    monkeypatch.setattr(effort.time, "sleep", wait)
    take = handover(lambda: None)
    take()
    assert len(work_s) == 3
    with slow_handovers():
        take()
    assert not work_s
    assert handed_over_s() == software_s()
