"""The TDD engine alone: frames, edges, bursts, syncs, pulses."""

import math
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.clock import VirtualClock
from hil.sim.sample_clock import SampleClock
from hil.sim.tdd import PIN, RX_START, TX_START, TddEngine, TddState

RATE_HZ = 1e6


class Bench(TddEngine):
    """At a sample per microsecond, frames of 100 samples, all channels on at their first sample."""

    def __init__(self, **settings):
        self.clock, self.pulses_s = VirtualClock(), []
        super().__init__(
            self.clock,
            lambda: SampleClock(RATE_HZ, 0.0),
            lambda: self.pulses_s.append(self.clock.now_s()),
            nullcontext,
        )
        self.frame_length, self.pin_connected = 100, True
        for channel in self.channels:
            channel.enabled, channel.off = True, 10
        for name, value in settings.items():
            setattr(self, name, value)

    def at(self, sample):
        self.clock.advance_to(sample / RATE_HZ)
        return self

    @property
    def pulses(self):
        return [round(time_s * RATE_HZ) for time_s in self.pulses_s]


def started(at=0, **settings):
    engine = Bench(**settings).at(at)
    engine.enable(True)
    engine.sync()
    return engine


def test_a_dma_waits_for_an_engine_that_is_on_and_for_a_channel_that_is():
    engine = Bench()
    assert not engine.gates(RX_START)
    engine.enable(True)
    assert engine.gates(RX_START)
    assert engine.rise(RX_START, 0) == math.inf  # nobody has given a sync
    engine.channels[RX_START].enabled = False
    assert not engine.gates(RX_START)
    assert engine.gates(TX_START)


def test_states_follow_the_core():
    engine = Bench(startup_delay=50, burst_count=2)
    assert engine.state == TddState.IDLE
    engine.enable(True)
    assert engine.state == TddState.ARMED
    engine.at(10).sync()
    assert engine.state == TddState.WAITING
    assert engine.at(60).state == TddState.RUNNING
    assert engine.at(259).state == TddState.RUNNING
    assert engine.at(260).state == TddState.ARMED
    engine.enable(False)
    assert engine.state == TddState.IDLE


@given(st.integers(0, 500), st.integers(0, 300), st.integers(0, 99), st.integers(0, 3), st.integers(0, 2000))
def test_a_channel_rises_once_in_each_frame(start, delay, on, bursts, index):
    engine = started(start, startup_delay=delay, burst_count=bursts)
    engine.channels[RX_START].on, engine.channels[RX_START].off = on, (on + 10) % 100
    edges = [start + delay + frame * 100 + on for frame in range(bursts or 40)]
    assert engine.rise(RX_START, index) == next((edge for edge in edges if edge >= index), math.inf)


def test_an_inverted_channel_rises_where_it_would_fall_and_a_constant_one_never():
    engine = started()
    engine.channels[TX_START].inverted = True
    assert engine.rise(TX_START, 1) == 10
    engine.channels[TX_START].off = engine.channels[TX_START].on
    assert engine.rise(TX_START, 1) == math.inf


def test_the_pin_pulses_once_a_frame_at_its_sample():
    engine = Bench(startup_delay=20, burst_count=4).at(5)
    engine.channels[PIN].on = 7
    engine.enable(True)
    engine.sync()
    assert engine.at(2000).pulses == [32, 132, 232, 332]


def test_a_pin_that_is_not_connected_stays_quiet():
    engine = started(burst_count=3, pin_connected=False)
    assert engine.at(1000).pulses == []


def test_an_engine_that_is_stopped_pulses_no_more():
    engine = started().at(350)
    engine.enable(False)
    assert engine.at(1000).pulses == [0, 100, 200, 300]


@pytest.mark.parametrize(("resets", "pulses"), [(False, [0, 100, 200]), (True, [0, 100, 150, 250, 350])])
def test_a_sync_in_the_midst_of_a_burst_counts_only_where_it_resets(resets, pulses):
    engine = started(burst_count=3, sync_reset=resets).at(150)
    engine.sync()
    assert engine.at(2000).pulses == pulses


def test_after_a_burst_the_next_sync_starts_another():
    engine = started(burst_count=2).at(500)
    engine.sync()
    assert engine.at(2000).pulses == [0, 100, 500, 600]


def test_the_internal_sync_comes_with_its_period():
    engine = Bench(burst_count=1, sync_internal=True, sync_period=300).at(40)
    engine.enable(True)
    assert engine.at(1000).pulses == [340, 640, 940]
