"""The seam of a software-defined radio: settings and captures, and what only some radios can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex

PIECE_SAMPLES = 1 << 17
"""Of a long capture that is heard while it arrives. Each piece is a request: assumed to be 0.5 ms over a Pluto's USB,
on which the samples take 19 ms. With smaller pieces that would be more than what the last one leaves less to do."""


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


Hear = Callable[[Complex[np.ndarray, "sample"]], object]
"""Called with all samples of a capture that are there so far, as they will stand in it. It must not raise."""


@runtime_checkable
class StreamingSdr(Sdr, Protocol):
    """A radio that takes samples while its user does something else."""

    @property
    def max_samples(self) -> int:
        """Of one capture."""
        ...

    def begin_capture(self, num_samples: int, *, piece_samples: int | None = None) -> None:
        """Start to take contiguous samples; the first is taken before this returns.

        piece_samples: let it arrive in pieces of about that size, so that it can be heard meanwhile; each costs a
        turn-around.
        """
        ...

    def end_capture(self, hear: Hear | None = None) -> Capture:
        """The samples since `begin_capture`, once all are taken; `time_s` is when that was called.

        hear: called with each longer part of them while the rest is still on its way.
        """
        ...


@runtime_checkable
class TrackingSdr(Sdr, Protocol):
    """A radio whose receiver corrects itself as it goes: quadrature and DC."""

    def set_tracking(self, on: bool) -> None:
        """Let the corrections follow, or hold them where they are; `quiet` restores what was found."""
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
"""Called with what the ADCs gave, integers in both parts, and the testbed's time when the capture was asked for.

Spare samples of frames that were not taken are not among them.
"""


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
    spare_samples: at the end of each frame, that nobody needs; none where the capture must be without a gap.
    """

    frame_samples: int
    num_frames: int
    lead_samples: int
    num_samples: int
    spare_samples: int = 0


@runtime_checkable
class TriggeringSdr(StreamingSdr, Protocol):
    """A radio whose own timer starts a capture and pulses a board."""

    @property
    def max_train_samples(self) -> int:
        """Of one capture of frames."""
        ...

    @property
    def triggers(self) -> bool:
        """Whether this radio has such a timer."""
        ...

    def capture_frames(self, train: FrameTrain, hear: Hear | None = None) -> Capture:
        """One capture from the start of the first frame on, what is on the air started with it too.

        Its first sample comes late by less than `START_SAMPLES`, by the same number in each capture of a setting.
        hear: as of `end_capture`. Spare samples at the end of some frames may be zero: they were not taken.
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
