"""One connection to a Pluto: each call bounded in time, each setting read back, quiet and letting go complete."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from hil.arrays import Complex
from hil.drivers.bounded import BoundedCaller
from hil.drivers.pluto_device import REFUSALS, About, Connect, PlutoDevice, describe
from hil.drivers.pluto_receiver import Receiver
from hil.drivers.pluto_samples import Arriving
from hil.drivers.pluto_tdd import FrameEngine
from hil.drivers.pluto_tracking import TrackingLoops
from hil.drivers.pluto_transmitter import DacSamples, Transmitter
from hil.errors import RadioError
from hil.interfaces import FrameTrain, RadioSettings

T = TypeVar("T")

MAX_ATTENUATION_DB = 89.75
_KEPT: list[PlutoDevice] = []
_HANG_S = 1.0  # beyond the library's own timeout: the call itself hangs

_ADVICE = {
    "rx_lo": "as shipped the Pluto tunes 325-3800 MHz; for 70-6000 MHz set on its console (ssh root@192.168.2.1) "
    "`fw_setenv attr_name compatible`, `fw_setenv attr_val ad9364`, `fw_setenv compatible ad9364`, then `reboot`",
    "sample_rate": "0.521 to 61.44 MS/s are allowed",
    "rx_rf_bandwidth": "0.2 to 56 MHz are allowed, 20 MHz as shipped (without the AD9364 setting)",
    "rx_hardwaregain_chan0": "allowed are -3 to 71 dB at 1.3-4 GHz, -10 to 62 dB above, in steps of 1 dB",
    "rx_hardwaregain_chan1": "allowed are -3 to 71 dB at 1.3-4 GHz, -10 to 62 dB above, in steps of 1 dB",
    "tx_hardwaregain_chan0": f"allowed are -{MAX_ATTENUATION_DB} to 0 dB in steps of 0.25 dB",
}
_ADVICE |= {"tx_lo": _ADVICE["rx_lo"], "tx_rf_bandwidth": _ADVICE["rx_rf_bandwidth"]}


class PlutoSession:
    """Calls raise what the library raises, TimeoutError where it hangs, RadioError where a setting does not take."""

    def __init__(
        self,
        connect: Connect,
        name: str,
        timeout_s: float,
        frames: FrameEngine | None = None,
        loops: TrackingLoops | None = None,
    ) -> None:
        """Connects, and changes nothing: see `take`.

        frames, loops: remember what an earlier connection changed of the TDD engine and of the receiver's tracking
        loops; `quiet` puts it back.
        """
        self.settings: RadioSettings | None = None  # as the hardware took them
        self.begun: Arriving | None = None  # a capture under way
        self._name = name
        self._frames = frames or FrameEngine(name)
        self._loops = loops or TrackingLoops(name)
        self._caller = BoundedCaller(f"radio {name}", timeout_s + _HANG_S)
        self._transmitter, self._receiver = Transmitter(name), Receiver()
        self._device: PlutoDevice = None
        try:
            self._caller.call(lambda: self._open(connect))
        except BaseException:
            self.close()
            raise

    def take(self) -> None:
        """Make the receiver ours. Raises OSError EBUSY where another program is capturing."""
        self._on_device(self._receiver.take)

    @property
    def about(self) -> About:
        """What the device tells of itself."""
        return self._on_device(lambda device: describe(device, has_frames=self._frames.is_in(device)))

    @property
    def configured(self) -> RadioSettings:
        """The settings. Raises RadioError where they were not brought to the device over this connection."""
        if self.settings is None:
            raise RadioError(f"radio {self._name}: not configured since it was (re)connected; call configure() first")
        return self.settings

    def set(self, key: str, value: float, tolerance: float) -> float:
        """Write an attribute, read it back, return what the hardware took. Raises RadioError where it is another."""
        taken = self._exchange(key, value)
        try:
            number = float(taken)
        except (TypeError, ValueError):
            number = math.nan
        if not abs(number - value) <= tolerance:
            raise RadioError(f"radio {self._name}: {key}: sent {value}, it reads {taken!r}; {_ADVICE[key]}")
        return number

    @property
    def temperature_c(self) -> float | None:
        """What the chip's own sensor reads; None where the device has none."""
        return self._on_device(_read_temperature)

    def set_manual_gain(self, receiver: int = 0) -> None:
        """Leave the automatic gain control, in which a written gain is ignored without a word."""
        taken = self._exchange(f"gain_control_mode_chan{receiver}", "manual")
        if taken != "manual":
            raise RadioError(f"radio {self._name}: gain control stays in mode {taken!r}, a sweep needs manual")

    def set_lo_power(self, on: bool) -> None:
        """Of the TX LO."""
        self._on_device(lambda device: self._transmitter.switch_lo(device, on))

    @property
    def tracking_found(self) -> dict[str, str]:
        """The receiver's tracking loops as `quiet` restores them."""
        return self._on_device(self._loops.find)

    def set_tracking(self, on: bool) -> None:
        """Let the receiver's loops run, or hold what they have learnt; `quiet` restores them."""
        self._on_device(lambda device: self._loops.switch(device, on))

    @property
    def playing(self) -> DacSamples | None:
        """What is on the air, as far as this connection put it there."""
        return self._transmitter.playing

    def play(self, samples: DacSamples) -> None:
        """Send over and over, instead of what was sent before."""
        self._on_device(lambda device: self._transmitter.play(device, samples))

    def listen_with(self, num_receivers: int) -> None:
        """From the next capture on."""
        self.begun = None
        self._on_device(lambda device: self._receiver.listen_with(device, num_receivers))

    def receive(self, num_samples: int) -> Complex[np.ndarray, "receiver sample"]:
        """Contiguous samples in ADC units, none older than this call, of each receiver that listens.

        What exceeds one block comes in several: see `blocks`.
        """
        if num_samples != self._receiver.num_samples or self.begun:
            self._on_device(lambda device: self._receiver.resize(device, num_samples))
        self.begun = None
        return self._all_blocks()

    def begin_receiving(self, capture: Arriving, *, piece_samples: int | None = None) -> None:
        """Let the device fill new blocks from now on, which `blocks` hands over.

        piece_samples: of about that size rather than as few as the kernel allows.
        """
        self._on_device(lambda device: self._receiver.begin(device, capture.num_samples, piece_samples))
        self.begun = capture

    def blocks(self, *, whole: bool = False) -> Iterator[Complex[np.ndarray, "receiver sample"]]:
        """One capture block by block; while the reader works on one, the next is on its way. All must be read.

        whole: the last one too, whatever of it belongs to the capture.

        All are queued before the first sample: so none lies between them however long USB takes. They are given back
        at once, as a second round would be old.
        """
        receiver, left = self._receiver, self._receiver.num_samples
        count, size = receiver.num_blocks, receiver.block_samples
        coming = self._caller.begin(self._read)
        for remaining in reversed(range(count)):
            block = self._caller.wait(coming)
            if block.shape != (receiver.num_listening, size):
                raise RadioError(f"radio {self._name}: asked for {size} samples, got {block.shape}")
            if remaining:
                coming = self._caller.begin(self._read)
            yield block if whole else block[:, :left]
            left -= size
        if count > 1:
            self._on_device(receiver.destroy)

    def receive_frames(
        self, train: FrameTrain, *, sends: bool
    ) -> tuple[int, Iterator[Complex[np.ndarray, "receiver sample"]]]:
        """One capture of a train of frames: samples from one block's start to the next one's, and the blocks.

        The engine is as before once all were read.
        sends: what is on the air starts anew with the first frame, else this radio's transmitter is not touched.
        """
        rate_hz = self.configured.sample_rate_hz
        self._on_device(lambda device: self._frames.arm(device, train, rate_hz, sends=sends))
        if sends and self.playing is not None:
            self.play(self.playing)
        self.begun = None
        pitch = self._on_device(lambda device: self._receiver.begin_train(device, train))
        self._on_device(self._frames.start)
        return pitch, self._released_after(self.blocks(whole=True))

    def _released_after(
        self, blocks: Iterator[Complex[np.ndarray, "receiver sample"]]
    ) -> Iterator[Complex[np.ndarray, "receiver sample"]]:
        yield from blocks
        self._on_device(self._frames.release)

    def quiet(self) -> list[BaseException]:
        """Run all steps that end radiation, first those that end it at once; the failures (none: it is quiet).

        Taking the buffer away is not enough: the core falls back to its tones, and the carrier leaks.
        """
        self.begun = None
        transmitter, steps = self._transmitter, self._on_device
        return _run_all(
            (
                lambda: self.set_lo_power(False),
                lambda: self.set("tx_hardwaregain_chan0", -MAX_ATTENUATION_DB, 0.1),
                lambda: steps(transmitter.mute_tones),
                lambda: steps(self._loops.restore),
                lambda: steps(transmitter.destroy),
                lambda: steps(self._receiver.destroy),  # it may hold a block that was filled long ago
                lambda: steps(self._frames.release),
            )
        )

    def close(self) -> None:
        """Let go: buffers, then the context; a hanging one is abandoned. Silent on failures, raises interrupts."""
        steps = (self._transmitter.destroy, self._receiver.destroy, self._receiver.give_back, self._forget)
        failures = _run_all([partial(self._on_device, step) for step in steps])
        self._caller.close()
        if self._device is not None:
            _KEPT.append(self._device)  # a call that hangs still uses it, with its buffers, when it returns
        raise_interrupt(failures)

    def _all_blocks(self) -> Complex[np.ndarray, "receiver sample"]:
        return np.concatenate(list(self.blocks()), axis=1)

    def _read(self) -> Complex[np.ndarray, "receiver sample"]:
        return self._receiver.read(self._pluto)

    def _on_device(self, step: Callable[[PlutoDevice], T]) -> T:
        """Result of a step, on the caller's thread, which alone reaches the device."""
        return self._caller.call(lambda: step(self._pluto))

    @property
    def _pluto(self) -> PlutoDevice:
        if self._device is None:
            raise RadioError(f"radio {self._name}: the connection is closed")
        return self._device

    def _open(self, connect: Connect) -> None:
        self._device = connect()

    def _exchange(self, key: str, value: float | str) -> Any:
        def write_and_read(device: PlutoDevice) -> Any:
            setattr(device, key, value)
            return getattr(device, key)

        try:
            return self._on_device(write_and_read)
        except (OSError, ValueError) as error:  # pyadi-iio refuses some values by itself
            if isinstance(error, OSError) and error.errno not in REFUSALS:
                raise
            raise RadioError(
                f"radio {self._name}: {key} = {value} refused ({error}); {_ADVICE.get(key, '')}"
            ) from error

    def _forget(self, device: PlutoDevice) -> None:
        """Drop the device; one with a buffer that could not be destroyed is kept: freed before it, it would crash."""
        if self._transmitter.stuck or self._receiver.stuck:
            _KEPT.append(device)
        self._device = None


def _read_temperature(device: PlutoDevice) -> float | None:
    sensor = device._ctrl.find_channel("temp0")
    return float(sensor.attrs["input"].value) / 1e3 if sensor is not None and "input" in sensor.attrs else None


def _run_all(steps: Sequence[Callable[[], object]]) -> list[BaseException]:
    failures: list[BaseException] = []
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001  the other steps shall run, interrupts included
            failures.append(error)
    return failures


def is_interrupted(failures: Sequence[BaseException]) -> bool:
    """Whether a failure is no Exception: somebody wants the program to end."""
    return any(not isinstance(failure, Exception) for failure in failures)


def raise_interrupt(failures: Sequence[BaseException]) -> None:
    """Raise the first failure that is no Exception."""
    for failure in failures:
        if not isinstance(failure, Exception):
            raise failure
