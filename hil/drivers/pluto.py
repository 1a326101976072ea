"""The ADALM-PLUTO as an `Sdr`, over pyadi-iio or a simulated device with the same attributes.

What the libraries and the device do behind one's back, and what is done about it:

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
- The carrier outlives its buffer, tones take the buffer's place, and all of it outlives the program: `quiet` ends each
  of them; it runs at open, at close and after each exception.
- After a timeout the library takes each answer for the next question's: the whole context is thrown away, a new one is
  opened and made quiet, and the caller is told. The radio then needs `configure` and `transmit` again.
- A context freed before its buffers crashes; a call may hang for ever: buffers go first, each call is bounded in time.
- LO phases are random after `configure`, and may be after `set_rx_gain`: one fixed setting per sweep.
- DC and quadrature tracking run as the device starts; sweeps hold them (`set_tracking`), `quiet` lets them go, over a
  new connection too, and the guard does so for a program that was killed. They act on DC and the image only: keep the
  signal off DC.
  A new rate, or a TX LO step above 100 MHz, starts a calibration that emits: in `configure`, the TX LO powered down.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np

from hil.arrays import Complex
from hil.drivers.gate import TransmitGate
from hil.drivers.guard import Unguarded
from hil.drivers.lock import InstrumentLock
from hil.drivers.pluto_device import REFUSALS, Connect, connect_pluto, failed, not_connected
from hil.drivers.pluto_samples import Arriving, as_capture, largest_part
from hil.drivers.pluto_session import (
    MAX_BLOCK_BYTES,
    MAX_BLOCKS,
    SAMPLE_BYTES,
    PlutoSession,
    is_interrupted,
    raise_interrupt,
)
from hil.drivers.pluto_settings import ATTENUATION_STEP_DB, RX_GAIN_TOLERANCE_DB, apply_settings
from hil.drivers.pluto_tdd import FrameEngine
from hil.drivers.pluto_tracking import TrackingLoops
from hil.errors import HilError, NotConnected, RadioError
from hil.interfaces import Capture, Clock, Closing, FrameTrain, Hear, RadioSettings, RawSink

__all__ = ["PlutoSdr", "connect_pluto"]

T = TypeVar("T")
DacSamples = Complex[np.ndarray, "sample"]
SIMULATED_SERIAL = "hil-sim-"  # how the serial numbers of simulated devices begin, through both of their doors
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
        self._connect = connect
        self._gate = gate
        self._clock = clock
        self._name = name
        self._timeout_s = timeout_s
        self._exclusive = exclusive
        self._guard = guard or Unguarded()
        self._locks = ExitStack()
        self._session: PlutoSession | None = None
        self._settings: RadioSettings | None = None
        self._begun: tuple[int, float] | None = None  # size of a capture under way, and when it was begun
        self._playing: DacSamples | None = None  # DAC values that are on the air
        self._frames, self._triggers = FrameEngine(name), False
        self._loops = TrackingLoops(name)
        self._num_receivers = 1
        self._sink: RawSink | None = None
        self._identity = ""

    @property
    def identity(self) -> str:
        """Serial number, model and firmware; begins with `sim+` where the device is a simulation."""
        return self._identity

    def open(self) -> None:
        """Connect and make the radio quiet. Raises NotConnected where it cannot be reached or is in use."""
        try:
            self._lock(self._name)
            self._guard.begin()
            self._locks.callback(self._guard.close)
            session = self._session = self._new_session()
            about = session.attrs
            serial = about.get("hw_serial", "unknown serial")
            self._lock(f"serial {serial}")  # the same radio may be reached by USB and by network
            prefix = "sim+" if serial.startswith(SIMULATED_SERIAL) else ""
            model, firmware = about.get("hw_model", "Pluto"), about.get("fw_version", "?")
            self._identity = f"{prefix}{serial} ({model}, firmware {firmware})"
            self._foreign(session.take)
            self._triggers = self._foreign(lambda: session.has_frames)
            self._num_receivers = self._foreign(lambda: session.num_receivers)
            self.quiet()
        except BaseException:
            with ExitStack() as whatever_fails:
                whatever_fails.callback(self._locks.close)
                whatever_fails.callback(self._drop)
            raise

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Set rate, LO, bandwidth and gains; return what the hardware took. The radio is quiet until `transmit`.

        tx_attenuation_db is rounded up to the next step of the hardware, never towards more power.
        Raises RadioError where a setting is refused or reads back as another; it names the remedy.
        """
        self._settings = None
        self.quiet()
        with self._guarded("configure") as session:
            self._settings = apply_settings(session, settings)
        return self._settings

    def set_rx_gain(self, gain_db: float) -> float:
        """Change the receive gain alone; return what the hardware took, in steps of 1 dB."""
        with self._guarded("set_rx_gain") as session:
            settings = self._configured()
            session.set_manual_gain()
            taken = session.set("rx_hardwaregain_chan0", float(gain_db), RX_GAIN_TOLERANCE_DB)
            self._settings = replace(settings, rx_gain_db=taken)
        return taken

    def set_tracking(self, on: bool) -> None:
        """Let the receiver's tracking loops run, or hold their corrections; once quiet they run again."""
        with self._guarded("set_tracking") as session:
            self._guard.restore_later(session.tracking_found)
            session.set_tracking(on)

    @property
    def temperature_c(self) -> float | None:
        """Of the transceiver chip; None where the device does not tell it."""
        with self._guarded("temperature_c") as session:
            return session.temperature_c

    def transmit(self, frame: Complex[np.ndarray, "sample"]) -> None:
        """Send `frame` over and over, instead of one that is on the air; 1.0 = full scale of the DAC.

        Raises SafetyError where the gate refuses, RadioError where the device fails: the radio is quiet then.
        Raises ValueError, and changes nothing, where a part of a sample exceeds 1 or is not finite.
        """
        frame = np.asarray(frame)
        if frame.ndim != 1 or frame.size == 0 or not largest_part(frame) <= 1:
            raise ValueError(f"a frame is one row of samples whose parts are at most 1, got shape {frame.shape}")
        with self._guarded("transmit") as session:
            settings = self._configured()
            self._guard.watch(self._gate.admit(settings, frame).duration_s)
            playing = np.round(frame.astype(np.complex128) * DAC_FULL_SCALE)
            session.play(playing)
            session.set_lo_power(True)
            session.set("tx_hardwaregain_chan0", -settings.tx_attenuation_db, ATTENUATION_STEP_DB / 2)
            self._playing = playing

    def capture(self, num_samples: int) -> Capture:
        """Contiguous samples, none older than this call.

        Raises SafetyError where the time on the air is used up, RadioError where the device fails: the radio is quiet
        then.
        """
        time_s = self._clock.now_s()
        with self._guarded("capture") as session:
            self._admit_capture(num_samples, self.max_samples)
            samples = session.receive(num_samples)
        return self._as_capture(samples, time_s)

    def begin_capture(self, num_samples: int, *, in_pieces: bool = False) -> None:
        """Start to take contiguous samples and return; `end_capture` fetches them.

        in_pieces: it shall be heard while it arrives: the first part is on its way before the last one is taken.
        Its first sample is taken before this returns. What is begun again before its end is dropped.
        Raises as `capture`.
        """
        self._begun = None
        time_s = self._clock.now_s()
        with self._guarded("begin_capture") as session:
            self._admit_capture(num_samples, self.max_samples)
            session.start_receiving(num_samples, in_pieces=in_pieces)
        self._begun = (num_samples, time_s)

    def end_capture(self, hear: Hear | None = None) -> Capture:
        """The samples since `begin_capture`, once all of them are taken. Raises as `capture`.

        hear: called with each longer part of them while the rest is on its way; it must not raise.
        """
        if self._begun is None:
            raise RadioError(f"radio {self._name}: no capture was begun, or the radio was made quiet since")
        (num_samples, time_s), self._begun = self._begun, None
        arriving, blocks = Arriving(num_samples, time_s), list[Complex[np.ndarray, "receiver sample"]]()
        with self._guarded("end_capture") as session:
            for block in session.blocks(num_samples):
                arriving.add(block)
                if self._sink is not None:
                    blocks.append(block)
                if hear is not None:
                    hear(arriving.samples)
        if self._sink is not None:
            self._sink(np.concatenate(blocks, axis=1), time_s)
        return arriving.capture()

    @property
    def max_samples(self) -> int:
        """Of one capture, whatever USB sustains: what the radio's memory holds, with all its receivers."""
        return MAX_BLOCKS * self.max_train_samples

    @property
    def max_train_samples(self) -> int:
        """Of one capture of frames: a further block would wait for the next frame, so it must be one block."""
        return MAX_BLOCK_BYTES // (SAMPLE_BYTES * self._num_receivers)

    @property
    def num_receivers(self) -> int:
        """Two on a board that brings out both channels of its AD9361."""
        return self._num_receivers

    def use_reference(self, gain_db: float | None) -> float | None:
        """Listen with the second receiver too, at that gain; return what the hardware took. None: no longer.

        Raises RadioError where there is no second receiver; else as `configure`.
        """
        with self._guarded("use_reference") as session:
            if gain_db is None:
                session.listen_with(1)
                return None
            if self._num_receivers < 2:
                raise RadioError(f"radio {self._name}: has one receiver only")
            session.set_manual_gain(1)
            taken = session.set("rx_hardwaregain_chan1", float(gain_db), RX_GAIN_TOLERANCE_DB)
            session.listen_with(2)
        return taken

    @property
    def triggers(self) -> bool:
        """Whether this radio has a TDD engine: firmware 0.39 and later."""
        return self._triggers

    def capture_frames(self, train: FrameTrain) -> Capture:
        """One capture from the start of the first frame of the TDD engine on; the frame on the air starts with it.

        Each frame pulses pin L10P. The engine is put back as it was, whatever happens.
        Raises RadioError where nothing is on the air, or the engine is missing or stands still; else as `capture`.
        """
        if self._playing is None:
            with self._guarded("capture_frames"):
                raise RadioError(f"radio {self._name}: nothing is on the air; call transmit() first")
        return self._in_frames(train, self._playing)

    def listen_in_frames(self, train: FrameTrain) -> Capture:
        """The same while another radio sends: this one's transmitter, and what is on the air, are not touched."""
        return self._in_frames(train, None)

    def _in_frames(self, train: FrameTrain, playing: DacSamples | None) -> Capture:
        time_s = self._clock.now_s()
        with self._guarded("capture_frames") as session:
            self._admit_capture(train.num_samples, self.max_train_samples)
            samples = session.receive_frames(train, playing, self._configured().sample_rate_hz)
        return self._as_capture(samples, time_s)

    def tap(self, sink: RawSink | None) -> None:
        """From the next capture on hand what the ADCs gave to `sink` too, as it came; None: no longer."""
        self._sink = sink

    def _as_capture(self, samples: Complex[np.ndarray, "receiver sample"], time_s: float) -> Capture:
        if self._sink is not None:
            self._sink(samples, time_s)
        return as_capture(samples, time_s)

    def _admit_capture(self, num_samples: int, most: int) -> None:
        duration_s = num_samples / self._configured().sample_rate_hz
        if duration_s > self._timeout_s / 2:
            raise RadioError(
                f"radio {self._name}: a capture of {duration_s:.3g} s does not fit in half of radio.timeout_s "
                f"({self._timeout_s:g} s)"
            )
        if num_samples > most:
            raise RadioError(
                f"radio {self._name}: a capture of {num_samples} samples does not fit in its memory, {most} do "
                f"({MAX_BLOCKS} blocks of {MAX_BLOCK_BYTES >> 20} MiB; one for frames of the TDD engine); split it"
            )
        left_s = self._gate.renew(duration_s)
        if self._gate.on_air:
            self._guard.watch(left_s)

    def quiet(self) -> None:
        """Nothing radiated any more; without effect on a closed radio.

        Raises RadioError where that could not be reached, also over a new connection: the radio may still radiate.
        """
        self._begun = self._playing = None
        if self._session is None:
            return
        failures = self._session.quiet()
        if failures:
            self._recover(failures[0])
        self._gate.shut()
        self._guard.rest()
        raise_interrupt(failures)

    def close(self) -> None:
        """Make the radio quiet and let it go, whatever fails. Raises RadioError where it may still radiate."""
        with ExitStack() as whatever_fails:
            whatever_fails.callback(self._locks.close)
            whatever_fails.callback(self._drop)
            self.quiet()

    def _configured(self) -> RadioSettings:
        if self._settings is None:
            raise RadioError(f"radio {self._name}: not configured since it was (re)connected; call configure() first")
        return self._settings

    def _lock(self, name: str) -> None:
        if self._exclusive:
            lock = InstrumentLock("radio", name)
            lock.acquire()
            self._locks.callback(lock.close)

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[PlutoSession]:
        """The session, for one operation; after any exception the radio is quiet, and foreign ones are mapped."""
        if self._session is None:
            raise NotConnected(f"radio {self._name}: not open; call open()")
        try:
            yield self._session
        except BaseException as error:
            if isinstance(error, OSError) and error.errno not in REFUSALS:
                self._recover(error)
            else:
                self.quiet()
            if isinstance(error, HilError) or not isinstance(error, Exception):
                raise
            raise failed(self._name, doing, error) from error

    def _new_session(self) -> PlutoSession:
        return self._foreign(
            lambda: PlutoSession(self._connect, self._name, self._timeout_s, self._frames, self._loops)
        )

    def _foreign(self, function: Callable[[], T]) -> T:
        """Result of a step of opening; what fails in it means that the radio is not connected."""
        try:
            return function()
        except HilError:
            raise
        except Exception as error:
            raise not_connected(self._name, error) from error

    def _recover(self, cause: BaseException) -> None:
        """Throw the context away, and make the radio quiet over a new one. Raises RadioError where that fails too."""
        failures = first = self._replace_session()
        if is_interrupted(first):
            failures = self._replace_session()  # first quiet, then end
        if failures:
            self._drop()
            raise RadioError(
                f"{failed(self._name, 'lost', cause)}. It could not be made quiet either ({failures[0]}): "
                "IT MAY STILL RADIATE, unplug it"
            ) from cause
        self._gate.shut()
        self._guard.rest()
        raise_interrupt(first)

    def _replace_session(self) -> list[BaseException]:
        """Drop the session for a new one that is quiet; what failed in that."""
        try:
            self._drop()
            self._session = self._new_session()
            return self._session.quiet()
        except BaseException as error:  # noqa: BLE001  the caller decides
            return [error]

    def _drop(self) -> None:
        session, self._session, self._settings = self._session, None, None
        self._begun = self._playing = None
        if session is not None:
            session.close()
