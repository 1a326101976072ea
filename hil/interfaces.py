"""The seams: what the story of an experiment needs from a radio, a surface and a clock, and the types they exchange.

Everything above the drivers is written against this file. Nothing here does I/O.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns
from hil.errors import ConfigError

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as work goes on."""

SweepMode = Literal["stepped", "pipelined", "codebook", "sequence", "burst", "triggered"]


@runtime_checkable
class Clock(Protocol):
    """Time as the instruments live it: monotonic seconds. Simulated testbeds advance it themselves."""

    def now_s(self) -> float: ...

    def sleep(self, duration_s: float) -> None:
        """Return once `duration_s` has passed; zero or negative returns at once."""
        ...


@runtime_checkable
class ByteLink(Protocol):
    """A byte stream to a board: a serial port, a TCP or UDP socket, or a simulated one. Knows no protocol."""

    @property
    def name(self) -> str:
        """Where the stream goes, for messages: `/dev/ttyUSB0`, `tcp://192.168.4.1:8080`, `sim:opensource-ris-16x16`."""
        ...

    def open(self) -> None:
        """Open the stream; where it is open, close it first: a TCP server sees a new connection, an Arduino restarts.

        Bytes that were under way are gone. Raises NotConnected.
        """
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes to the transmitter and return; they travel at the link's rate.

        Raises LinkTimeout where the peer holds the line off (flow control), LinkError where the port is gone.
        """
        ...

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Bytes received, as soon as there is at least one; `b""` when `timeout_s` passed without any.

        Raises LinkError where the port is gone.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Geometry:
    """Where the elements are. Element index = row * cols + col, row 0 at the top, col 0 at the left (front view).

    The order of elements on the wire is the profile's business and never leaves the driver.
    """

    rows: int
    cols: int
    pitch_x_m: float
    pitch_y_m: float

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    def positions_m(self) -> Float[np.ndarray, "element 3"]:
        """Element centres in the surface's frame: x to the right seen from the front, y up, z out of the surface."""
        row, col = np.divmod(np.arange(self.num_elements), self.cols)
        x = (col - (self.cols - 1) / 2) * self.pitch_x_m
        y = ((self.rows - 1) / 2 - row) * self.pitch_y_m
        return np.stack([x, y, np.zeros_like(x)], axis=-1)


@dataclass(frozen=True)
class StateSet:
    """The states of one element and their complex reflection, by frequency.

    plus, minus: the states that stand for +1 and -1 of a Hadamard pattern.
    """

    frequency_hz: Float[np.ndarray, "sample"]
    table: Complex[np.ndarray, "sample state"]
    plus: int = 0
    minus: int = 1

    @property
    def num_states(self) -> int:
        return int(self.table.shape[-1])

    def reflection(self, frequency_hz: Float[np.ndarray, "frequency"]) -> Complex[np.ndarray, "frequency state"]:
        """Complex reflection of each state, interpolated in magnitude (dB) and unwrapped phase.

        A table of one row holds at every frequency. Raises ConfigError outside the table: nothing was measured there.
        """
        frequency_hz = np.atleast_1d(np.asarray(frequency_hz, dtype=float))
        if self.frequency_hz.size == 1:
            return np.repeat(self.table.astype(complex), frequency_hz.size, axis=0)
        low, high = self.frequency_hz[0], self.frequency_hz[-1]
        if frequency_hz.min() < low or frequency_hz.max() > high:
            raise ConfigError(
                f"the surface's reflection is known from {low / 1e9:g} to {high / 1e9:g} GHz, "
                f"not at {frequency_hz.min() / 1e9:g}-{frequency_hz.max() / 1e9:g} GHz"
            )
        level = 20 * np.log10(np.abs(self.table))
        phase = np.unwrap(np.angle(self.table), axis=0)
        columns = [
            10 ** (np.interp(frequency_hz, self.frequency_hz, level[:, s]) / 20)
            * np.exp(1j * np.interp(frequency_hz, self.frequency_hz, phase[:, s]))
            for s in range(self.num_states)
        ]
        return np.stack(columns, axis=-1)


@dataclass(frozen=True)
class SurfaceTiming:
    """How long the surface takes, in seconds.

    update_s: from the last byte (or the ack, where it comes first) until the outputs change.
    settle_s: from then until the reflection is the new one.
    frame_s: link time of one pattern.
    overlap_s: the part of `frame_s` that may travel while the radio captures.
    reply_s: link time of the acknowledgement, its latency included.
    sequence_dwell_s: shortest dwell of the on-board sequence; None where there is none.
    ahead_replied: what travels ahead is acknowledged too. An adapter that holds that reply back until its timer ends
        hands over with it whatever else came meanwhile.
    stream_s: from pattern to pattern where they are sent without waiting for replies; None where that cannot be.
    """

    update_s: float
    settle_s: float
    frame_s: float
    overlap_s: float
    reply_s: float
    sequence_dwell_s: float | None = None
    ahead_replied: bool = False
    stream_s: float | None = None


@runtime_checkable
class Surface(Protocol):
    """An intelligent reflecting surface behind its control board. There is no off: a surface always reflects."""

    @property
    def identity(self) -> str: ...
    @property
    def geometry(self) -> Geometry: ...
    @property
    def states(self) -> StateSet: ...
    @property
    def timing(self) -> SurfaceTiming: ...
    @property
    def modes(self) -> Sequence[SweepMode]:
        """Sweep modes that the board can do, best first."""
        ...

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None:
        """Put a pattern on the surface; return when it has settled.

        ahead: the pattern to stage meanwhile, so that its bytes travel while this one settles and is measured.
        Raises LinkTimeout, FramingError, BoardRejected, BoardReset, ReadbackMismatch.
        """
        ...

    def stage(self, pattern: Pattern) -> None:
        """Send ahead all of the next pattern that may travel without changing the surface; `commit` does the rest."""
        ...

    def commit(self, ahead: Pattern | None = None) -> None:
        """Make the staged pattern the one on the surface; return when it has settled. `ahead` and errors as `apply`."""
        ...

    def read_pattern(self) -> Pattern | None:
        """The pattern that the board says it holds; None where it cannot say. A software copy proves no hardware."""
        ...

    def check(self) -> None:
        """Raise BoardReset if the board restarted since the last command (bytes already received are looked at)."""
        ...

    def load_codebook(self, patterns: Patterns) -> None: ...

    def select(self, index: int) -> None: ...

    def arm_sequence(
        self, first: int, count: int, dwell_s: float, source: Literal["software", "timer", "trigger"]
    ) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class SequenceAbility:
    """What a board can step through by itself.

    min_dwell_s: shortest time from one pattern to the next. max_length: patterns of one sequence.
    num_slots: patterns that it stores, which a sequence is made of. hadamard: whether it makes the rows of a Hadamard
    matrix itself, over the elements in `Geometry` order, so that nothing needs to be stored.
    sources: what steps it: `timer`, its own; `trigger`, an edge at its trigger input.
    """

    min_dwell_s: float
    max_length: int
    num_slots: int
    hadamard: bool
    sources: tuple[str, ...] = ("timer",)


@runtime_checkable
class SequencedSurface(Surface, Protocol):
    """A surface whose board steps through patterns by itself."""

    @property
    def sequence(self) -> SequenceAbility | None:
        """None where this board cannot."""
        ...

    def arm_hadamard(
        self,
        first: int,
        count: int,
        dwell_s: float,
        source: Literal["software", "timer", "trigger"],
        *,
        complement: bool,
        mask: Pattern,
    ) -> None:
        """Step through rows first, first + 1, ... of a Sylvester-Hadamard matrix that the board makes.

        State of element n in row i = parity(i AND n) XOR mask[n]; complement: each row, then its complement.
        """
        ...

    def sequence_status(self) -> Mapping[str, Any]:
        """Where the sequence is: `applied`, patterns shown; `overruns`, steps that came too early. BoardReset."""
        ...


@runtime_checkable
class SettlingSurface(Surface, Protocol):
    """A surface whose settle time may turn out to be another than its profile's."""

    def set_settle_s(self, settle_s: float) -> None:
        """From now on wait so long for the reflection, in `timing` too."""
        ...


@runtime_checkable
class StreamingSurface(Surface, Protocol):
    """A surface that is told pattern after pattern while a long capture runs."""

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]:
        """Show each pattern for `still_s` at least, as fast as the link takes them; the first may have been staged.

        Returns from when on (testbed's clock) each one surely stands still, for `still_s`; NaN where trouble on the
        link leaves that open. Raises as `apply`.
        """
        ...


@dataclass(frozen=True)
class RadioSettings:
    """What the radio is asked for, and, returned by `Sdr.configure`, what the hardware took. One LO for TX and RX."""

    sample_rate_hz: float
    lo_hz: float
    bandwidth_hz: float
    tx_attenuation_db: float
    rx_gain_db: float


@dataclass(frozen=True)
class Capture:
    """A block of contiguous samples, fresh: none of them is older than the call that asked for them.

    samples: complex64[sample], 1.0 = full scale of the ADC.
    time_s: testbed clock when the capture was asked for.
    overloaded: at least one sample stood at the ADC's limit.
    reference: the same moments at the second receiver, where that is listened to.
    """

    samples: Complex[np.ndarray, "sample"]
    time_s: float
    overloaded: bool
    reference: Complex[np.ndarray, "sample"] | None = None


@runtime_checkable
class Sdr(Protocol):
    """A software-defined radio with one transmitter and one receiver. Quiet unless `transmit` was called."""

    @property
    def identity(self) -> str: ...

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Set rate, LO, bandwidth, gains in the order that takes, read each back, return what the hardware took.

        Ends a transmission.
        """
        ...

    def set_rx_gain(self, gain_db: float) -> float:
        """Change the receive gain alone; return what the hardware took. LO phase may change with it."""
        ...

    def transmit(self, frame: Complex[np.ndarray, "sample"]) -> None:
        """Send `frame` over and over; 1.0 = full scale of the DAC.

        Raises SafetyError where the gate refuses, ValueError where |re| or |im| exceeds 1 (a DAC would wrap).
        """
        ...

    def capture(self, num_samples: int) -> Capture: ...

    def quiet(self) -> None:
        """Nothing radiated any more: buffer gone, tones off, full attenuation, TX LO down. Safe to call at any time."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Thermometer(Protocol):
    """An instrument that can tell how warm it is."""

    @property
    def temperature_c(self) -> float | None:
        """None where this one has no sensor."""
        ...


@runtime_checkable
class StreamingSdr(Sdr, Protocol):
    """A radio that takes samples while its user does something else."""

    def begin_capture(self, num_samples: int) -> None:
        """Start to take contiguous samples; the first is taken before this returns."""
        ...

    def end_capture(self) -> Capture:
        """The samples since `begin_capture`, once all are taken; `time_s` is when that was called."""
        ...


@runtime_checkable
class TrackingSdr(Sdr, Protocol):
    """A radio whose receiver corrects itself as it goes: quadrature and DC."""

    def set_tracking(self, on: bool) -> None:
        """Let the corrections follow, or hold them where they are; `quiet` lets them follow again."""
        ...


@runtime_checkable
class ReferencedSdr(Sdr, Protocol):
    """A radio whose second receiver may hear its own transmitter."""

    @property
    def num_receivers(self) -> int: ...

    def use_reference(self, gain_db: float | None) -> float | None:
        """Listen with the second receiver too, at that gain; return what the hardware took. None: no longer."""
        ...


RawSink = Callable[[Complex[np.ndarray, "receiver sample"], float], object]
"""Called with what the ADCs gave, integers in both parts, and the testbed's time when the capture was asked for."""


@runtime_checkable
class RawSdr(Sdr, Protocol):
    """A radio whose captures can be had as its ADCs gave them."""

    def tap(self, sink: RawSink | None) -> None:
        """From the next capture on hand what the ADCs gave to `sink` too, as it came; None: no longer."""
        ...


@dataclass(frozen=True)
class FrameTrain:
    """Frames that a radio counts by itself: each of them pulses its trigger output once.

    frame_samples: length of a frame. lead_samples: from the start of the capture, which is that of the first frame,
    until the first pulse; shorter than a frame. num_samples: of the one capture, which may outlast the last frame.
    """

    frame_samples: int
    num_frames: int
    lead_samples: int
    num_samples: int


@runtime_checkable
class TriggeringSdr(StreamingSdr, Protocol):
    """A radio whose own timer starts a capture and pulses a board."""

    @property
    def triggers(self) -> bool:
        """Whether this radio has such a timer."""
        ...

    def capture_frames(self, train: FrameTrain) -> Capture:
        """One capture from the start of the first frame on, what is on the air started with it too.

        Its first sample comes late by less than `START_SAMPLES`, by the same number in each capture of a setting.
        """
        ...


START_SAMPLES = 32
"""A capture that a timer starts begins this late at most, in samples."""


@dataclass(frozen=True)
class LinkBudget:
    """What turns ADC units into a channel, and a channel into a rate.

    transmit_power_dbm: mean power P at the transmit antenna's port while sounding.
    noise_density_dbm_hz: N0 at the receive antenna's port.
    bandwidth_hz: B.
    scale: channel, antenna port to antenna port, of a received amplitude of 1 (ADC full scale) on a subcarrier.
    calibrated: False where P/N0 is declared for reference only; rates are then labelled so.
    """

    transmit_power_dbm: float
    noise_density_dbm_hz: float
    bandwidth_hz: float
    scale: float
    calibrated: bool

    @property
    def snr_scale(self) -> float:
        """P / (B N0), so that snr_scale * |h|^2 is the SNR of a subcarrier (paper, eq. 4)."""
        noise_dbm = self.noise_density_dbm_hz + 10 * np.log10(self.bandwidth_hz)
        return float(10 ** ((self.transmit_power_dbm - noise_dbm) / 10))


@runtime_checkable
class Truth(Protocol):
    """What only a simulation knows. For reports and tests; no experiment may act on it."""

    def response(self, pattern: Pattern, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """True channel of a settled pattern, antenna port to antenna port, on each of the K subcarriers.

        time_s: when, of the testbed's clock, for users and people who move; where None users stand at their first
        place and nobody else is there.
        """
        ...

    def no_surface(self, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        """The same as if the surface were not there."""
        ...

    def channel(self, time_s: float | None = None) -> "TrueChannel":
        """What every pattern's response follows from at that time, for the optimum that nobody can reach but see."""
        ...


@dataclass(frozen=True)
class TrueChannel:
    """The true channel at one time, antenna port to antenna port, on each of the K subcarriers.

    A surface without coupling between elements whose element n reflects Gamma_n(f) has the response
    direct + sum over n of Gamma_n cascade_n.
    """

    direct: Complex[np.ndarray, "subcarrier"]
    cascade: Complex[np.ndarray, "element subcarrier"]


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """For callers who do not watch."""


_Closing = TypeVar("_Closing", bound="Closing")


class Closing:
    """Mixin: `with thing:` closes it."""

    def close(self) -> None:
        raise TypeError(f"{type(self).__name__} has no close()")

    def __enter__(self: _Closing) -> _Closing:  # not typing.Self: the tests' type checker refuses it here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class SystemClock:
    """Wall time, monotonic, starting at zero."""

    _origin_s: float = field(default_factory=time.monotonic)

    def now_s(self) -> float:
        return time.monotonic() - self._origin_s

    def sleep(self, duration_s: float) -> None:
        if duration_s > 0:
            time.sleep(duration_s)
