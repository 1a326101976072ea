"""A device with the attributes of pyadi-iio's `adi.Pluto` whose ADCs give what another one's gave before.

Settings are taken and read back as they are written, those of the TDD engine too: what they did is in the samples. What
it is told to send goes nowhere.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from hil.arrays import Int

TRACKING_LOOPS = ("quadrature_tracking_en", "rf_dc_offset_tracking_en", "bb_dc_offset_tracking_en")


@dataclass(frozen=True)
class Block:
    """int16, I and Q of each receiver, and the time of the testbed's clock when they were asked for."""

    samples: Int[np.ndarray, "sample receiver 2"]
    time_s: float


class Tape:
    """Blocks in their order; a `Clock` that stands at the time of the next one."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._next = 0

    @property
    def left(self) -> int:
        """Blocks that nobody asked for."""
        return len(self._blocks) - self._next

    def now_s(self) -> float:
        """Of the last block where there is none left."""
        return self._blocks[min(self._next, len(self._blocks) - 1)].time_s

    def sleep(self, duration_s: float) -> None:
        """Time goes on with the blocks alone."""

    def take(self, num_samples: int, num_parts: int) -> list[Int[np.ndarray, "sample receiver 2"]]:
        """The next block in as many parts of that size, zeros behind its end.

        Raises RuntimeError where it has another size, or there is none.
        """
        if not self.left:
            raise RuntimeError(f"the recording ends after {self._next} captures, one more is asked for")
        samples, asked = self._blocks[self._next].samples, num_parts * num_samples
        if not asked - num_parts < len(samples) <= asked:
            raise RuntimeError(f"capture {self._next}: recorded are {len(samples)} samples, asked for {asked}")
        self._next += 1
        whole = np.zeros((asked, *samples.shape[1:]), dtype=samples.dtype)
        whole[: len(samples)] = samples
        return np.split(whole, num_parts)


@dataclass
class _Attribute:
    """Text that was written, from then on."""

    value: str = "0"


class _FrameLength:
    """`frame_length_ms` of the TDD engine; it counts samples, so what is written tells their number."""

    def __init__(self, raw: _Attribute, device: "RecordedPluto") -> None:
        self._raw, self._device = raw, device

    @property
    def value(self) -> str:
        return str(float(self._raw.value) * 1e3 / self._device.sample_rate)

    @value.setter
    def value(self, text: str) -> None:
        self._raw.value = str(float(text) / 1e3 * self._device.sample_rate)


class _Engine:
    """The TDD engine, or its pins: takes all that is written."""

    def __init__(self, device: "RecordedPluto", labels: Sequence[str]) -> None:
        self.attrs: defaultdict[str, Any] = defaultdict(_Attribute)
        self.attrs["frame_length_ms"] = _FrameLength(self.attrs["frame_length_raw"], device)
        self.attrs["state"].value = "1"  # armed
        self.channels = [_EngineChannel(f"voltage{number}", label) for number, label in enumerate(labels)]

    def find_channel(self, name: str, _output: bool = False) -> Any:
        return next(channel for channel in self.channels if channel.id == name)


class _EngineChannel:
    def __init__(self, name: str, label: str) -> None:
        self.id = name
        self.attrs: defaultdict[str, Any] = defaultdict(_Attribute)
        self.attrs["label"].value = label


class RecordedPluto:
    """`adi.Pluto` on a tape."""

    def __init__(self, tape: Tape, identity: str) -> None:
        self._tape = tape
        about = {"hw_serial": identity, "hw_model": "recorded", "fw_version": "as then"}
        engines = {
            "iio-axi-tdd-0": _Engine(self, ("pulse", "receive", "transmit")),
            "one-bit-adc-dac": _Engine(self, ("phaser_enable",)),
        }
        self.ctx = SimpleNamespace(attrs=about, find_device=engines.get)
        lo = SimpleNamespace(attrs={"powerdown": SimpleNamespace(value="1")})
        receiver = SimpleNamespace(attrs={loop: SimpleNamespace(value="1") for loop in TRACKING_LOOPS})
        paths = {("altvoltage1", True): lo, ("voltage0", False): receiver}
        self._ctrl = SimpleNamespace(find_channel=lambda name, output=False: paths.get((name, output)))
        self._rxadc = SimpleNamespace(set_kernel_buffers_count=self._set_blocks)
        self._num_blocks, self._parts = 1, list[Any]()
        self.rx_enabled_channels, self.tx_enabled_channels = [0], [0]
        self.rx_buffer_size = 1024
        self.sample_rate = self.rx_lo = self.tx_lo = self.rx_rf_bandwidth = self.tx_rf_bandwidth = 0
        self.gain_control_mode_chan0 = "slow_attack"
        self.rx_hardwaregain_chan0 = self.tx_hardwaregain_chan0 = 0.0
        self.dds_scales, self.tx_cyclic_buffer = [0.0] * 4, False

    def rx(self) -> Any:
        """complex128[sample] in ADC units, of several receivers a list of these."""
        if not self._parts:
            self._parts = self._tape.take(self.rx_buffer_size, self._num_blocks)
        parts = self._parts.pop(0)[:, self.rx_enabled_channels].astype(float)
        samples = (parts[..., 0] + 1j * parts[..., 1]).T
        return list(samples) if len(samples) > 1 else samples[0]

    def _rx_init_channels(self) -> None:
        """Nothing needs to be opened."""

    def tx(self, samples: Any) -> None:
        """Nothing hears it."""

    def rx_destroy_buffer(self) -> None:
        """Raises RuntimeError where a part of a capture was not fetched."""
        if self._parts:
            raise RuntimeError(f"{len(self._parts)} blocks of a recorded capture were not asked for")

    def tx_destroy_buffer(self) -> None:
        """As little."""

    def _set_blocks(self, count: int) -> None:
        self._num_blocks = count


class RecordedAd9361(RecordedPluto):
    """`adi.ad9361`: a second receiver beside the first."""

    rx_hardwaregain_chan1 = 0.0
    gain_control_mode_chan1 = "slow_attack"
