"""The ADALM-PLUTO as an `Sdr`, over pyadi-iio or a simulated device with the same attributes.

What the libraries and the device do behind one's back, and what is done about it; of carriers that stay on, answers
that do not come and connections that are lost, see `pluto_connection`:

- Settings that do not take (gain outside manual mode, TX gain reset by a new rate, LO left powered down): set in the
  order gain mode, rate, LO, bandwidth, gains; each read back; all with the transmitter down.
- Old samples (of four kernel blocks, three were filled long ago): one kernel block, asked for before each opening of
  the buffer, as the device keeps the number and anybody may change it. A refill then hands the block to the DMA and
  waits for it, so each capture is filled after it was asked for; so is the first, since asking for it opens the buffer.
  Samples are contiguous within a capture, not between captures; nothing can overflow unseen.
- A block of more than 16 MiB is cut in silence, and none travels before it is full: a longer capture takes several,
  all queued before its first sample, in the memory that the Pluto keeps for its DMAs; what USB sustains does not matter
  to it. What came of it is worked on while the rest is on its way.
- A new buffer size is ignored, and a second cyclic frame refused, while the old buffer lives: destroyed first.
- The DAC wraps beyond int16: frames beyond full scale are refused, and full scale is sent as 32767.
- At 20 MS/s and below, pyadi-iio's TX filter takes 6 dB: `power.tx_full_scale_dbm` is the full scale at the testbed's
  own rate.
- LO phases are random after `configure`, and may be after `set_rx_gain`: one fixed setting per sweep.
- DC and quadrature tracking run as the device starts; sweeps hold them (`set_tracking`), `quiet` lets them go, over a
  new connection too, and the guard does so for a program that was killed. They act on DC and the image only: keep the
  signal off DC.
  A new rate, or a TX LO step above 100 MHz, starts a calibration that emits: in `configure`, the TX LO powered down.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hil.arrays import Complex
from hil.drivers.gate import TransmitGate
from hil.drivers.guard import Unguarded
from hil.drivers.pluto_connection import PlutoConnection
from hil.drivers.pluto_device import Connect, connect_pluto
from hil.drivers.pluto_receiver import MAX_BLOCK_BYTES, MAX_BLOCKS, max_block_samples
from hil.drivers.pluto_samples import Arriving, as_capture, largest_part
from hil.drivers.pluto_settings import ATTENUATION_STEP_DB, RX_GAIN_TOLERANCE_DB, apply_settings
from hil.errors import RadioError
from hil.interfaces import Capture, Clock, Closing, FrameTrain, Hear, RadioSettings, RawSink

__all__ = ["PlutoSdr", "connect_pluto"]

DAC_FULL_SCALE = 32767  # int16, of which the DAC uses the upper 12 bits


class PlutoSdr(Closing):
    """One Pluto: one transmitter, one receiver, one frequency for both. Quiet unless `transmit` was called.

    Foreign exceptions come out as RadioError, after the radio was made quiet.
    """

    def __init__(
        self,
        connect: Connect,
        gate: TransmitGate,
        clock: Clock,
        *,
        name: str,
        timeout_s: float = 5.0,
        exclusive: bool = True,
        guard: Unguarded | None = None,
    ) -> None:
        """connect: opens the device, and again after a failure; see `connect_pluto`.

        name: URI of the radio, for messages and for its lock.
        timeout_s: longest wait for one answer, as `connect` told the library.
        exclusive: let no other program of this computer control the same radio; without use where it is simulated.
        guard: makes the radio quiet where this program is killed; nothing is radiated without it.
        """
        self._connection = PlutoConnection(
            connect, gate, guard or Unguarded(), name=name, timeout_s=timeout_s, exclusive=exclusive
        )
        self._clock, self._name, self._timeout_s = clock, name, timeout_s
        self._sink: RawSink | None = None

    @property
    def identity(self) -> str:
        """Serial number, model and firmware; begins with `sim+` where the device is a simulation."""
        return self._connection.about.identity

    def open(self) -> None:
        """Connect and make the radio quiet. Raises NotConnected where it cannot be reached or is in use."""
        self._connection.open()

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Set rate, LO, bandwidth and gains; return what the hardware took. The radio is quiet until `transmit`.

        tx_attenuation_db is rounded up to the next step of the hardware, never towards more power.
        Raises RadioError where a setting is refused or reads back as another; it names the remedy.
        """
        self.quiet()
        with self._connection.guarded("configure") as session:
            session.settings = None  # whatever fails half way
            session.settings = apply_settings(session, settings)
            return session.settings

    def set_rx_gain(self, gain_db: float) -> float:
        """Change the receive gain alone; return what the hardware took, in steps of 1 dB."""
        with self._connection.guarded("set_rx_gain") as session:
            settings = session.configured
            session.set_manual_gain()
            taken = session.set("rx_hardwaregain_chan0", float(gain_db), RX_GAIN_TOLERANCE_DB)
            session.settings = replace(settings, rx_gain_db=taken)
        return taken

    def set_tracking(self, on: bool) -> None:
        """Let the receiver's tracking loops run, or hold their corrections; once quiet they run again."""
        with self._connection.guarded("set_tracking") as session:
            self._connection.restore_later(session.tracking_found)
            session.set_tracking(on)

    @property
    def temperature_c(self) -> float | None:
        """Of the transceiver chip; None where the device does not tell it."""
        with self._connection.guarded("temperature_c") as session:
            return session.temperature_c

    def transmit(self, frame: Complex[np.ndarray, "sample"]) -> None:
        """Send `frame` over and over, instead of one that is on the air; 1.0 = full scale of the DAC.

        Raises SafetyError where the gate refuses, RadioError where the device fails: the radio is quiet then.
        Raises ValueError, and changes nothing, where a part of a sample exceeds 1 or is not finite.
        """
        frame = np.asarray(frame)
        if frame.ndim != 1 or frame.size == 0 or not largest_part(frame) <= 1:
            raise ValueError(f"a frame is one row of samples whose parts are at most 1, got shape {frame.shape}")
        with self._connection.guarded("transmit") as session:
            settings = session.configured
            self._connection.admit(settings, frame)
            session.play(np.round(frame.astype(np.complex128) * DAC_FULL_SCALE))
            session.set_lo_power(True)
            session.set("tx_hardwaregain_chan0", -settings.tx_attenuation_db, ATTENUATION_STEP_DB / 2)

    def renew(self) -> None:
        """Tell its guard how long what is on the air may go on, where another radio takes the captures.

        Raises SafetyError where the time on the air is used up: the radio is quiet then.
        """
        with self._connection.guarded("renew"):
            self._connection.renew(0.0)

    def capture(self, num_samples: int) -> Capture:
        """Contiguous samples, none older than this call.

        Raises SafetyError where the time on the air is used up, RadioError where the device fails: the radio is quiet
        then.
        """
        time_s = self._clock.now_s()
        with self._connection.guarded("capture") as session:
            self._admit_capture(session.configured, num_samples, self.max_samples)
            samples = session.receive(num_samples)
        return self._as_capture(samples, time_s)

    def begin_capture(self, num_samples: int, *, piece_samples: int | None = None) -> None:
        """Start to take contiguous samples and return; `end_capture` fetches them.

        piece_samples: take it in pieces of about that size, each of which travels while later ones are taken, so that
        it can be heard meanwhile. The first sample is taken before this returns. A capture that was begun and not ended
        is dropped.
        Raises as `capture`.
        """
        time_s = self._clock.now_s()
        with self._connection.guarded("begin_capture") as session:
            self._admit_capture(session.configured, num_samples, self.max_samples)
            session.begin_receiving(Arriving(num_samples, time_s), piece_samples=piece_samples)

    def end_capture(self, hear: Hear | None = None) -> Capture:
        """The samples since `begin_capture`, once all of them are taken. Raises as `capture`.

        hear: called with each longer part of them while the rest is on its way; it must not raise.
        """
        with self._connection.guarded("end_capture") as session:
            if session.begun is None:
                raise RadioError(f"radio {self._name}: no capture was begun, or the radio was made quiet since")
            arriving, session.begun = session.begun, None
            return self._take_in(arriving, session.blocks(), hear)

    @property
    def max_samples(self) -> int:
        """Of one capture, whatever USB sustains: what the radio's memory holds, with all its receivers."""
        return MAX_BLOCKS * max_block_samples(self.num_receivers)

    @property
    def max_train_samples(self) -> int:
        """Of one capture of frames: of two receivers one block, as a further one would wait for the next frame."""
        return self.max_samples if self.num_receivers == 1 else max_block_samples(self.num_receivers)

    @property
    def num_receivers(self) -> int:
        """Two on a board that brings out both channels of its AD9361."""
        return self._connection.about.num_receivers

    def use_reference(self, gain_db: float | None) -> float | None:
        """Listen with the second receiver too, at that gain; return what the hardware took. None: no longer.

        Raises RadioError where there is no second receiver; else as `configure`.
        """
        with self._connection.guarded("use_reference") as session:
            if gain_db is None:
                session.listen_with(1)
                return None
            if self.num_receivers < 2:
                raise RadioError(f"radio {self._name}: has one receiver only")
            session.set_manual_gain(1)
            taken = session.set("rx_hardwaregain_chan1", float(gain_db), RX_GAIN_TOLERANCE_DB)
            session.listen_with(2)
        return taken

    @property
    def triggers(self) -> bool:
        """Whether this radio has a TDD engine: firmware 0.39 and later."""
        return self._connection.about.has_frames

    def capture_frames(self, train: FrameTrain, hear: Hear | None = None) -> Capture:
        """One capture from the start of the first frame of the TDD engine on; the frame on the air starts with it.

        Each frame pulses pin L10P. The engine is put back as it was, whatever happens.
        hear: as of `end_capture`; where frames have spare samples the capture comes in blocks of frames.
        Raises RadioError where nothing is on the air, or the engine is missing or stands still; else as `capture`.
        """
        return self._in_frames(train, hear, sends=True)

    def listen_in_frames(self, train: FrameTrain, hear: Hear | None = None) -> Capture:
        """The same while another radio sends: this one's transmitter, and what is on the air, are not touched."""
        return self._in_frames(train, hear, sends=False)

    def _in_frames(self, train: FrameTrain, hear: Hear | None, *, sends: bool) -> Capture:
        time_s = self._clock.now_s()
        with self._connection.guarded("capture_frames") as session:
            if sends and session.playing is None:
                raise RadioError(f"radio {self._name}: nothing is on the air; call transmit() first")
            most = self.max_train_samples if train.spare_samples else max_block_samples(self.num_receivers)
            self._admit_capture(session.configured, train.num_samples, most)
            pitch, blocks = session.receive_frames(train, sends=sends)
            return self._take_in(Arriving(train.num_samples, time_s), blocks, hear, pitch)

    def tap(self, sink: RawSink | None) -> None:
        """From the next capture on hand what the ADCs gave to `sink` too, as it came; None: no longer."""
        self._sink = sink

    def _take_in(
        self,
        arriving: Arriving,
        blocks: Iterator[Complex[np.ndarray, "receiver sample"]],
        hear: Hear | None,
        pitch: int = 0,
    ) -> Capture:
        """All blocks of a capture; pitch: from the start of one to that of the next, where something lies between."""
        raw = list[Complex[np.ndarray, "receiver sample"]]()
        for block in blocks:
            arriving.add(block, pitch)
            if self._sink is not None:
                raw.append(block)
            if hear is not None:
                hear(arriving.samples)
        capture = arriving.capture()
        if self._sink is not None:
            self._sink(np.concatenate(raw, axis=1), capture.time_s)
        return capture

    def _as_capture(self, samples: Complex[np.ndarray, "receiver sample"], time_s: float) -> Capture:
        if self._sink is not None:
            self._sink(samples, time_s)
        return as_capture(samples, time_s)

    def _admit_capture(self, settings: RadioSettings, num_samples: int, most: int) -> None:
        if num_samples < 1:
            raise RadioError(f"radio {self._name}: a capture of {num_samples} samples; ask for at least one")
        duration_s = num_samples / settings.sample_rate_hz
        if duration_s > self._timeout_s / 2:
            raise RadioError(
                f"radio {self._name}: a capture of {duration_s:.3g} s does not fit in half of radio.timeout_s "
                f"({self._timeout_s:g} s); shorten it, or raise radio.timeout_s"
            )
        if num_samples > most:
            raise RadioError(
                f"radio {self._name}: a capture of {num_samples} samples does not fit in its memory, {most} do "
                f"({MAX_BLOCKS} blocks of {MAX_BLOCK_BYTES >> 20} MiB; one for frames of two receivers or "
                "without spare samples); split it"
            )
        self._connection.renew(duration_s)

    def quiet(self) -> None:
        """Nothing radiated any more; without effect on a closed radio.

        Raises RadioError where that could not be reached, also over a new connection: the radio may still radiate.
        """
        self._connection.quiet()

    def close(self) -> None:
        """Make the radio quiet and let it go, whatever fails. Raises RadioError where it may still radiate."""
        self._connection.close()
