"""A device with the attributes of pyadi-iio's `adi.Pluto` whose ADCs give what another one's gave before.

Settings are taken and read back as they are written: what they did is in the samples. It has no transmitter.
"""

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

    def take(self, num_samples: int) -> Int[np.ndarray, "sample receiver 2"]:
        """The next block. Raises RuntimeError where it has another size, or there is none."""
        if not self.left:
            raise RuntimeError(f"the recording ends after {self._next} captures, one more is asked for")
        samples = self._blocks[self._next].samples
        if len(samples) != num_samples:
            raise RuntimeError(f"capture {self._next}: recorded are {len(samples)} samples, asked for {num_samples}")
        self._next += 1
        return samples


class RecordedPluto:
    """`adi.Pluto` on a tape."""

    def __init__(self, tape: Tape, identity: str) -> None:
        self._tape = tape
        about = {"hw_serial": identity, "hw_model": "recorded", "fw_version": "as then"}
        self.ctx = SimpleNamespace(attrs=about, find_device=lambda name: None)
        lo = SimpleNamespace(attrs={"powerdown": SimpleNamespace(value="1")})
        receiver = SimpleNamespace(attrs={loop: SimpleNamespace(value="1") for loop in TRACKING_LOOPS})
        paths = {("altvoltage1", True): lo, ("voltage0", False): receiver}
        self._ctrl = SimpleNamespace(find_channel=lambda name, output=False: paths.get((name, output)))
        self._rxadc = SimpleNamespace(set_kernel_buffers_count=lambda count: None)
        self.rx_enabled_channels, self.tx_enabled_channels = [0], [0]
        self.rx_buffer_size = 1024
        self.sample_rate = self.rx_lo = self.tx_lo = self.rx_rf_bandwidth = self.tx_rf_bandwidth = 0
        self.gain_control_mode_chan0 = "slow_attack"
        self.rx_hardwaregain_chan0 = self.tx_hardwaregain_chan0 = 0.0
        self.dds_scales = [0.0] * 4

    def rx(self) -> Any:
        """complex128[sample] in ADC units, of several receivers a list of these."""
        parts = self._tape.take(self.rx_buffer_size)[:, self.rx_enabled_channels].astype(float)
        samples = (parts[..., 0] + 1j * parts[..., 1]).T
        return list(samples) if len(samples) > 1 else samples[0]

    def _rx_init_channels(self) -> None:
        """Nothing needs to be opened."""

    def rx_destroy_buffer(self) -> None:
        """As little."""

    def tx_destroy_buffer(self) -> None:
        """As little."""


class RecordedAd9361(RecordedPluto):
    """`adi.ad9361`: a second receiver beside the first."""

    rx_hardwaregain_chan1 = 0.0
    gain_control_mode_chan1 = "slow_attack"
