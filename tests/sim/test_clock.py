"""The clock's promises: order, exact moments, no event lost, and the same for both clocks."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.clock import RealTimeClock, VirtualClock

TIMES = st.floats(min_value=0, max_value=1e4)


@given(st.lists(TIMES, max_size=30), st.lists(TIMES, max_size=10))
def test_events_run_once_in_order_of_time_each_at_its_own_moment(event_times, stops):
    clock, seen = VirtualClock(), []
    for t in event_times:
        clock.schedule(t, lambda t=t: seen.append((t, clock.now_s())))
    for stop in stops:
        clock.advance_to(stop)
        assert all(t <= clock.now_s() for t, _ in seen)
        assert len(seen) == sum(t <= clock.now_s() for t in event_times)
    clock.advance_to(1e4)
    assert [t for t, _ in seen] == sorted(event_times)
    assert all(t == now for t, now in seen)


def test_events_of_one_moment_run_in_the_order_in_which_they_were_scheduled():
    clock, seen = VirtualClock(), []
    for name in "abc":
        clock.schedule(1.0, lambda name=name: seen.append(name))
    clock.advance_to(1.0)
    assert seen == ["a", "b", "c"]


def test_a_callback_may_schedule_more_and_it_runs_within_the_same_advance():
    clock, seen = VirtualClock(), []

    def tick():
        seen.append(clock.now_s())
        clock.schedule(clock.now_s() + 1.0, tick)

    clock.schedule(0.5, tick)
    clock.advance_to(4.0)
    assert seen == [0.5, 1.5, 2.5, 3.5]
    assert clock.now_s() == 4.0


@given(st.lists(st.floats(min_value=-5, max_value=5), max_size=20))
def test_virtual_time_never_runs_backwards(durations):
    clock, before = VirtualClock(3.0), 3.0
    for duration in durations:
        clock.sleep(duration)
        assert clock.now_s() == max(before, before + duration)
        before = clock.now_s()


def test_an_event_in_the_past_runs_as_soon_as_the_clock_advances_at_the_time_that_it_is():
    clock, seen = VirtualClock(10.0), []
    clock.schedule(2.0, lambda: seen.append(clock.now_s()))
    assert seen == []
    clock.sleep(0)
    assert seen == [10.0]


def test_step_stops_at_each_event_and_at_the_limit():
    clock = VirtualClock()
    for t in (1.0, 2.0, 9.0):
        clock.schedule(t, lambda: None)
    assert [clock.step(5.0) for _ in range(4)] == [1.0, 2.0, 5.0, 5.0]


def test_a_cancelled_event_never_runs_and_step_does_not_stop_there():
    clock, seen = VirtualClock(), []
    clock.schedule(1.0, lambda: seen.append(1)).cancel()
    assert clock.step(3.0) == 3.0
    assert seen == []


def test_a_callback_that_waits_is_told_so_and_the_clock_survives_it():
    clock, seen = VirtualClock(), []
    clock.schedule(1.0, lambda: clock.sleep(1.0))
    clock.schedule(2.0, lambda: seen.append(clock.now_s()))
    with pytest.raises(RuntimeError, match="cannot wait"):
        clock.advance_to(3.0)
    clock.advance_to(3.0)
    assert seen == [2.0]


@pytest.mark.parametrize("clock_type", [VirtualClock, RealTimeClock])
def test_a_time_that_is_no_number_is_refused(clock_type):
    clock = clock_type()
    with pytest.raises(ValueError, match="finite"):
        clock.schedule(float("nan"), lambda: None)
    if isinstance(clock, RealTimeClock):
        clock.close()


@pytest.fixture
def wall():
    with RealTimeClock() as clock:
        yield clock


def test_on_the_wall_clock_the_thread_runs_events_at_their_own_moment_and_in_order(wall):
    seen, done = [], threading.Event()
    start_s = wall.now_s()
    for offset_s in (0.2, 0.1):
        wall.schedule(start_s + offset_s, lambda: seen.append(wall.now_s()))
    wall.schedule(start_s + 0.201, done.set)
    assert done.wait(5.0)
    assert seen == [start_s + 0.1, start_s + 0.2]
    assert wall.now_s() >= start_s + 0.201


def test_on_the_wall_clock_all_that_was_due_has_run_when_advance_returns(wall):
    seen = []
    for round_ in range(50):
        wall.schedule(wall.now_s() + 1e-4, lambda round_=round_: seen.append(round_))
        wall.advance_to(wall.now_s() + 1e-4)
        assert seen[-1] == round_


def test_on_the_wall_clock_advance_waits_for_a_callback_that_is_still_running(wall):
    running, release, advanced = threading.Event(), threading.Event(), threading.Event()

    def slow():
        running.set()
        release.wait(10.0)

    def advance():
        wall.advance_to(wall.now_s())
        advanced.set()

    wall.schedule(0.0, slow)
    assert running.wait(5.0)
    thread = threading.Thread(target=advance)
    thread.start()
    assert not advanced.wait(0.1)
    release.set()
    thread.join(5.0)
    assert advanced.is_set()


def test_on_the_wall_clock_a_callback_cannot_wait(wall):
    caught, done = [], threading.Event()

    def waits():
        try:
            wall.sleep(0.0)
        except RuntimeError as error:
            caught.append(str(error))
        done.set()

    wall.schedule(0.0, waits)
    assert done.wait(5.0)
    assert "cannot wait" in caught[0]


def test_a_closed_wall_clock_says_so_and_drops_what_waited():
    clock, seen = RealTimeClock(), []
    clock.schedule(clock.now_s() + 60.0, lambda: seen.append(1))
    clock.close()
    with pytest.raises(RuntimeError, match="closed"):
        clock.schedule(clock.now_s(), lambda: None)
    assert seen == []
