"""Thoughts run beside the instruments; a simulated clock is charged for them, never twice."""

import threading

import numpy as np
import pytest

from hil.experiments.tracking.thinking import Thinker, Thought
from hil.sim.clock import VirtualClock

THOUGHT = Thought(np.zeros(4, dtype=np.uint8), {})


def test_a_thought_is_ready_when_its_charge_is_over_whatever_went_on_meanwhile() -> None:
    clock = VirtualClock()
    with Thinker(clock, 0.05) as thinker:
        thinker.begin(lambda: THOUGHT)
        clock.sleep(0.03)
        assert thinker.fetch() is THOUGHT
        assert clock.now_s() == pytest.approx(0.05)
        thinker.begin(lambda: THOUGHT)
        clock.sleep(0.08)
        thinker.fetch()
        assert clock.now_s() == pytest.approx(0.13)


def test_what_was_not_begun_is_not_there() -> None:
    with Thinker(VirtualClock(), 0.05) as thinker:
        assert thinker.fetch() is None
        thinker.begin(lambda: THOUGHT)
        assert thinker.fetch() is THOUGHT
        assert thinker.fetch() is None


def test_a_simulated_clock_waits_for_each_thought_before_anything_else_happens() -> None:
    began = threading.Event()

    def think() -> Thought:
        began.set()
        return THOUGHT

    with Thinker(VirtualClock(), 0.0) as thinker:
        thinker.begin(think)
        assert began.is_set()


def test_where_time_passes_by_itself_the_caller_goes_on_meanwhile() -> None:
    go_on = threading.Event()

    def think() -> Thought:
        assert go_on.wait(10)
        return THOUGHT

    with Thinker(VirtualClock(), None) as thinker:
        thinker.begin(think)  # would never return if it waited
        go_on.set()
        assert thinker.fetch() is THOUGHT


def test_what_a_thought_raises_is_raised_where_it_is_fetched_and_only_there() -> None:
    def broken() -> Thought:
        raise ValueError("no such algorithm")

    with Thinker(VirtualClock(), 0.05) as thinker:
        thinker.begin(broken)
        with pytest.raises(ValueError, match="no such algorithm"):
            thinker.fetch()
        assert thinker.fetch() is None
