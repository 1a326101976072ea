"""One connection to a Pluto: each call bounded in time, each setting read back, quiet and letting go complete."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from hil.arrays import Complex
from hil.drivers.bounded import BoundedCaller
from hil.drivers.pluto_device import REFUSALS, Connect, PlutoDevice, has_two_channels
from hil.drivers.pluto_tdd import FrameEngine
from hil.drivers.pluto_tracking import TrackingLoops
from hil.errors import RadioError
from hil.interfaces import FrameTrain

T = TypeVar("T")

MAX_ATTENUATION_DB = 89.75
KERNEL_BUFFERS = 1  # for each block of a capture
DEFAULT_KERNEL_BUFFERS = 4
SAMPLE_BYTES = 4  # of one receiver
MAX_BLOCK_BYTES = 16 << 20  # the kernel's `industrialio_buffer_dma.max_block_size`; the DMA counts no further either
SMALL_BLOCK_BYTES = 1 << 20  # the first ones travel while the next are filled, at a turn-around each
MOST_BLOCKS = 64  # that the kernel queues ("ought to be enough for anybody", industrialio-buffer-dma.c)
MAX_BLOCKS = 8  # of that size: half of the 256 MiB that a Pluto's kernel keeps for its DMAs (CMA)
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
        self._name = name
        self._frames = frames or FrameEngine(name)
        self._loops = loops or TrackingLoops(name)
        self._caller = BoundedCaller(f"radio {name}", timeout_s + _HANG_S)
        self._rx_size, self._num_blocks = 0, 1
        self._taken, self._num_listening = False, 1
        self._device: PlutoDevice = None
        self._stuck: set[str] = set()  # buffers that could not be destroyed
        try:
            self._caller.call(lambda: self._open(connect))
        except BaseException:
            self.close()
            raise

    def take(self) -> None:
        """Make the receiver ours. Raises OSError EBUSY where another program is capturing."""
        self._caller.call(self._take_receiver)

    @property
    def attrs(self) -> dict[str, str]:
        """What the device says about itself: `hw_serial`, `hw_model`, `fw_version`."""
        return dict(self._pluto.ctx.attrs)

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
        return self._caller.call(self._read_temperature)

    def set_manual_gain(self, receiver: int = 0) -> None:
        """Leave the automatic gain control, in which a written gain is ignored without a word."""
        taken = self._exchange(f"gain_control_mode_chan{receiver}", "manual")
        if taken != "manual":
            raise RadioError(f"radio {self._name}: gain control stays in mode {taken!r}, a sweep needs manual")

    def set_lo_power(self, on: bool) -> None:
        """Power of the TX LO. Setting its frequency does not power it up: nothing is radiated, and no error says so."""
        self._caller.call(lambda: self._switch_lo(on))

    @property
    def tracking_found(self) -> dict[str, str]:
        """The receiver's tracking loops as `quiet` restores them."""
        return self._caller.call(lambda: self._loops.find(self._pluto))

    def set_tracking(self, on: bool) -> None:
        """Let the receiver's loops run, or hold what they have learnt; `quiet` restores them."""
        self._caller.call(lambda: self._loops.switch(self._pluto, on))

    def play(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """Send over and over; real and imaginary part are DAC values within int16."""
        self._caller.call(lambda: self._start_tx(samples))

    def start_receiving(self, num_samples: int, *, in_pieces: bool = False) -> None:
        """Let the device fill new blocks from now on, which the next `receive` of that size returns.

        in_pieces: many small ones rather than as few as the kernel allows.
        """
        self._caller.call(lambda: self._start_rx(num_samples, in_pieces=in_pieces))

    @property
    def num_receivers(self) -> int:
        """Two on a board that brings out both channels."""
        return 1 + self._caller.call(lambda: has_two_channels(self._pluto))

    def listen_with(self, num_receivers: int) -> None:
        """From the next capture on."""
        self._caller.call(lambda: self._enable_receivers(num_receivers))

    def receive(self, num_samples: int) -> Complex[np.ndarray, "receiver sample"]:
        """Contiguous samples in ADC units, none older than this call, of each receiver that listens.

        What exceeds one block comes in several: see `blocks`.
        """
        return np.concatenate(list(self.blocks(num_samples)), axis=1)

    def blocks(self, num_samples: int) -> Iterator[Complex[np.ndarray, "receiver sample"]]:
        """The same block by block; while the reader works on one, the next is on its way. All of them must be read.

        All are queued before the first sample: so none lies between them however long USB takes. They are given back
        at once, as a second round would be old.
        """
        if num_samples != self._rx_size:
            self._caller.call(lambda: self._resize_rx(num_samples))
        count, size = self._num_blocks, self._block_samples
        coming = self._caller.begin(self._next_block)
        for start in range(0, count * size, size):
            block = self._caller.wait(coming)
            if block.shape != (self._num_listening, size):
                raise RadioError(f"radio {self._name}: asked for {size} samples, got {block.shape}")
            if start + size < count * size:
                coming = self._caller.begin(self._next_block)
            yield block[:, : num_samples - start]
        if count > 1:
            self._caller.call(self._destroy_rx)

    def _next_block(self) -> Complex[np.ndarray, "receiver sample"]:
        """Single precision holds an ADC's integers exactly."""
        return np.atleast_2d(np.asarray(self._pluto.rx(), dtype=np.complex64))

    @property
    def has_frames(self) -> bool:
        """Whether the device has a TDD engine."""
        return self._caller.call(lambda: self._frames.is_in(self._pluto))

    def receive_frames(
        self, train: FrameTrain, playing: Complex[np.ndarray, "sample"] | None, sample_rate_hz: float
    ) -> Complex[np.ndarray, "receiver sample"]:
        """One capture of a train of frames, with which `playing` starts anew; the engine as before afterwards.

        playing: None where this radio does not send.
        """
        sends = playing is not None
        self._caller.call(lambda: self._frames.arm(self._pluto, train, sample_rate_hz, sends=sends))
        if playing is not None:
            self.play(playing)
        self.start_receiving(train.num_samples)
        self._caller.call(lambda: self._frames.start(self._pluto))
        samples = self.receive(train.num_samples)
        self._caller.call(self._release_frames)
        return samples

    def quiet(self) -> list[BaseException]:
        """Run all steps that end radiation, first those that end it at once; the failures (none: it is quiet).

        Taking the buffer away is not enough: the core falls back to its tones, and the carrier leaks.
        """
        return self._run_all(
            (
                lambda: self.set_lo_power(False),
                lambda: self.set("tx_hardwaregain_chan0", -MAX_ATTENUATION_DB, 0.1),
                lambda: self._caller.call(self._mute_tones),
                lambda: self._caller.call(self._restore_tracking),
                lambda: self._caller.call(self._destroy_tx),
                lambda: self._caller.call(self._destroy_rx),  # it may hold a block that was filled long ago
                lambda: self._caller.call(self._release_frames),
            )
        )

    def close(self) -> None:
        """Let go: buffers, then the context; a hanging one is abandoned. Silent on failures, raises interrupts."""
        steps = (self._destroy_tx, self._destroy_rx, self._restore, self._forget)
        failures = self._run_all([partial(self._caller.call, step) for step in steps])
        self._caller.close()
        raise_interrupt(failures)

    # ------------------------------------------------------------------------------- steps, on the caller's thread

    @property
    def _pluto(self) -> PlutoDevice:
        if self._device is None:
            raise RadioError(f"radio {self._name}: the connection is closed")
        return self._device

    def _open(self, connect: Connect) -> None:
        self._device = connect()

    def _exchange(self, key: str, value: float | str) -> Any:
        def write_and_read() -> Any:
            setattr(self._pluto, key, value)
            return getattr(self._pluto, key)

        try:
            return self._caller.call(write_and_read)
        except (OSError, ValueError) as error:  # pyadi-iio refuses some values by itself
            if isinstance(error, OSError) and error.errno not in REFUSALS:
                raise
            raise RadioError(
                f"radio {self._name}: {key} = {value} refused ({error}); {_ADVICE.get(key, '')}"
            ) from error

    def _switch_lo(self, on: bool) -> None:
        channel = self._pluto._ctrl.find_channel("altvoltage1", True)
        if channel is None:
            raise RadioError(f"radio {self._name}: has no TX LO (altvoltage1), so it is no Pluto")
        powerdown = channel.attrs["powerdown"]
        powerdown.value = "0" if on else "1"
        if int(powerdown.value) != (not on):
            raise RadioError(f"radio {self._name}: TX LO powerdown reads {powerdown.value} after writing {int(not on)}")

    def _read_temperature(self) -> float | None:
        sensor = self._pluto._ctrl.find_channel("temp0")
        return float(sensor.attrs["input"].value) / 1e3 if sensor is not None and "input" in sensor.attrs else None

    def _mute_tones(self) -> None:
        self._pluto.dds_scales = [0.0] * len(self._pluto.dds_scales)
        if any(float(scale) for scale in self._pluto.dds_scales):
            raise RadioError(f"radio {self._name}: tones stay on, scales read {self._pluto.dds_scales}")

    def _start_tx(self, samples: Complex[np.ndarray, "sample"]) -> None:
        self._destroy_tx()  # a second cyclic frame is refused while the first one lives
        self._mute_tones()
        self._pluto.tx_cyclic_buffer = True
        self._pluto.tx(samples)

    def _start_rx(self, num_samples: int, *, in_pieces: bool) -> None:
        self._resize_rx(num_samples, in_pieces=in_pieces)
        self._pluto._rx_init_channels()  # opens the buffer, as `rx` would first: the DMA fills its block from then on

    def _resize_rx(self, num_samples: int, *, in_pieces: bool = False) -> None:
        self._destroy_rx()  # a new size is ignored while the buffer lives
        num_bytes = num_samples * SAMPLE_BYTES * self._num_listening
        wanted = min(SMALL_BLOCK_BYTES, MAX_BLOCK_BYTES) if in_pieces else MAX_BLOCK_BYTES
        self._num_blocks = min(math.ceil(num_bytes / wanted), MOST_BLOCKS)
        self._rx_size = num_samples
        self._take_receiver()
        self._pluto.rx_buffer_size = self._block_samples

    def _destroy_tx(self) -> None:
        device = self._pluto
        self._stuck.add("tx")
        device.tx_destroy_buffer()
        self._stuck.discard("tx")

    @property
    def _block_samples(self) -> int:
        return -(-self._rx_size // self._num_blocks)

    def _destroy_rx(self) -> None:
        self._rx_size, self._num_blocks = 0, 1
        device = self._pluto
        self._stuck.add("rx")
        device.rx_destroy_buffer()
        self._stuck.discard("rx")

    def _take_receiver(self) -> None:
        """No more kernel blocks than a capture has, so that none is filled before it is asked for.

        Of two channels the first alone.
        """
        if not self._taken and has_two_channels(self._pluto):
            self._pluto.rx_enabled_channels = self._pluto.tx_enabled_channels = [0]
        self._pluto._rxadc.set_kernel_buffers_count(KERNEL_BUFFERS * self._num_blocks)
        self._taken = True

    def _restore_tracking(self) -> None:
        self._loops.restore(self._pluto)

    def _release_frames(self) -> None:
        self._frames.release(self._pluto)

    def _enable_receivers(self, count: int) -> None:
        self._destroy_rx()  # channels belong to a buffer
        self._pluto.rx_enabled_channels = list(range(count))
        self._num_listening = count

    def _restore(self) -> None:
        if self._taken:
            self._pluto._rxadc.set_kernel_buffers_count(DEFAULT_KERNEL_BUFFERS)  # the device keeps the number

    def _forget(self) -> None:
        """Drop the device; one with a buffer that could not be destroyed is kept: freed before it, it would crash."""
        if self._stuck:
            _KEPT.append(self._device)
        self._device = None

    def _run_all(self, steps: Sequence[Callable[[], object]]) -> list[BaseException]:
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
