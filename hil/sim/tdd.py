"""The Pluto's TDD engine: frames of a fixed length that start both DMAs and pulse a pin (AXI TDD core, firmware 0.39).

Its channel 0 drives pin L10P while `phaser_enable` is set, channel 1 starts blocks of the receive DMA, channel 2 those
of the transmit DMA. While the engine is off, or a DMA's channel is, that DMA runs freely. Simplifications: the engine
counts samples, where the core counts cycles of the converters' data clock; what is written takes effect at once; pin
L12N, the external sync, leads nowhere, so that listening to it changes nothing.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from functools import partial

from hil.sim.clock import Event, EventClock
from hil.sim.sample_clock import SampleClock

PIN, RX_START, TX_START = range(3)


class TddState(IntEnum):
    """Of the core's sequencer: off, waiting for a sync, in the startup delay, in a frame."""

    IDLE = 0
    ARMED = 1
    WAITING = 2
    RUNNING = 3


@dataclass
class TddChannel:
    """An output: high from sample `on` to sample `off` of each frame, or the other way round; constant where equal."""

    enabled: bool = False
    inverted: bool = False
    on: int = 0
    off: int = 0

    @property
    def rises_at(self) -> int | None:
        """Sample of the frame at which it rises, None where it never does."""
        if self.on == self.off or not self.enabled:
            return None
        return self.off if self.inverted else self.on


class TddEngine:
    """Counts samples of `sample_clock`.

    on_pulse: called at each rising edge of the pin.
    changing: what changes the radio's state, or the world's, stands inside of it.
    """

    def __init__(
        self,
        clock: EventClock,
        sample_clock: Callable[[], SampleClock],
        on_pulse: Callable[[], None],
        changing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._clock, self._sample_clock, self._on_pulse, self._changing = clock, sample_clock, on_pulse, changing
        self.channels = tuple(TddChannel() for _ in range(3))
        self.frame_length, self.startup_delay, self.burst_count = 1, 0, 0
        self.sync_period = 0
        self.enabled = self.sync_internal = self.sync_external = self.sync_reset = False
        self.pin_connected = self.ext_pin_connected = False
        self._first: int | None = None  # sample at which frame 0 starts
        self._next_pulse: Event | None = None
        self._next_sync: Event | None = None

    @property
    def rate_hz(self) -> float:
        return self._sample_clock().rate_hz

    @property
    def state(self) -> TddState:
        if not self.enabled:
            return TddState.IDLE
        now = self._now
        if self._first is None or now >= self._first + self._num_frames * self.frame_length:
            return TddState.ARMED
        return TddState.RUNNING if now >= self._first else TddState.WAITING

    def enable(self, enabled: bool) -> None:
        """Arm for the next sync, or stop."""
        self.enabled = enabled
        self.stop()
        if enabled and self.sync_internal and self.sync_period:
            self._plan_sync()

    def stop(self) -> None:
        """Forget the frames; the next sync starts anew."""
        self._first = None
        for event in (self._next_pulse, self._next_sync):
            if event is not None:
                event.cancel()

    def sync(self) -> None:
        """A sync pulse: start a burst of frames; in the midst of one only where it resets the counter."""
        if self.state == TddState.IDLE or (self.state != TddState.ARMED and not self.sync_reset):
            return
        self._first = self._now + self.startup_delay
        if self._next_pulse is not None:
            self._next_pulse.cancel()
        self._plan_pulse(self._first)

    def gates(self, channel: int) -> bool:
        """Whether a DMA waits for that channel."""
        return self.enabled and self.channels[channel].enabled

    def rise(self, channel: int, index: int) -> float:
        """The sample at or after `index` at which a channel rises; infinite where that is not known yet."""
        rise = self.channels[channel].rises_at
        if rise is None or self._first is None:
            return math.inf
        frame = max(0, -(-(index - self._first - rise) // self.frame_length))
        return self._first + frame * self.frame_length + rise if frame < self._num_frames else math.inf

    @property
    def _num_frames(self) -> float:
        return self.burst_count or math.inf

    @property
    def _now(self) -> int:
        return self._sample_clock().index(self._clock.now_s())

    def _plan(self, index: int, callback: Callable[[], None]) -> Event:
        return self._clock.schedule(self._sample_clock().time_s(index), callback)

    def _plan_pulse(self, index: int) -> None:
        rise = self.rise(PIN, index)
        if rise < math.inf:
            self._next_pulse = self._plan(int(rise), partial(self._pulse, int(rise)))

    def _pulse(self, index: int) -> None:
        if self.pin_connected:
            self._on_pulse()
        self._plan_pulse(index + 1)

    def _plan_sync(self) -> None:
        self._next_sync = self._plan(self._now + self.sync_period, self._sync_internally)

    def _sync_internally(self) -> None:
        self._plan_sync()
        with self._changing():
            self.sync()
