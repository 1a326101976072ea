"""A simulated Pluto with the attributes and methods of pyadi-iio's `adi.Pluto`, for use in the same process.

What pyadi-iio does is done here too, its traps included: a buffer size that is ignored while a buffer is open, a gain
that is not sent outside manual mode, samples that wrap beyond int16, tones switched off by `tx`, a filter loaded with
each sample rate. Where pyadi-iio raises a bare Exception this raises RuntimeError. Only raw samples of one channel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hil.arrays import Int
from hil.interfaces import Closing
from hil.sim.effort import door, handover
from hil.sim.fir_text import fir_text
from hil.sim.iio_face import FaceAttribute, FaceChannel, FaceContext, FaceDevice
from hil.sim.pluto import SimulatedPluto
from hil.sim.pluto_buffers import Buffer
from hil.sim.pluto_radio import PHY, RX, TX

LOWEST_RATE_HZ = 521_000
LOWEST_RATE_WITHOUT_FIR_HZ = 25_000_000 // 12
SAFE_RATE_HZ = 3_000_000
IQ_BYTES = 4


def _number(text: str) -> float:
    """The number that a text starts with; an int where it is whole."""
    value = float(text.split()[0])
    return int(value) if value.is_integer() else value


class Pluto(Closing):
    """`adi.Pluto` on a SimulatedPluto. Raises OSError as libiio does."""

    def __init__(self, pluto: SimulatedPluto, uri: str = "sim:") -> None:
        self.uri, self._pluto = uri, pluto
        self.ctx = self._ctx = FaceContext(pluto, uri)
        self._ctrl, self._rxadc, self._txdac = (self._device(name) for name in (PHY, RX, TX))
        self._rxbuf: Buffer | None = None
        self._txbuf: Buffer | None = None
        self._tx_cyclic_buffer = False
        self._rx_enabled_channels = [0]
        self._tx_enabled_channels: list[int] = [0]
        self.rx_buffer_size = 1024

    def close(self) -> None:
        """Destroy the buffers, as the end of the process would; a cyclic transmission gives way to the tones."""
        self.rx_destroy_buffer()
        self.tx_destroy_buffer()

    # -------------------------------------------------------------------------------------------------- attributes

    @property
    def rx_lo(self) -> float:
        return self._get("altvoltage0", "frequency", True)

    @rx_lo.setter
    def rx_lo(self, frequency_hz: float) -> None:
        self._set_int("altvoltage0", "frequency", True, frequency_hz)

    @property
    def tx_lo(self) -> float:
        return self._get("altvoltage1", "frequency", True)

    @tx_lo.setter
    def tx_lo(self, frequency_hz: float) -> None:
        self._set_int("altvoltage1", "frequency", True, frequency_hz)

    @property
    def rx_rf_bandwidth(self) -> float:
        return self._get("voltage0", "rf_bandwidth", False)

    @rx_rf_bandwidth.setter
    def rx_rf_bandwidth(self, bandwidth_hz: float) -> None:
        self._set_int("voltage0", "rf_bandwidth", False, bandwidth_hz)

    @property
    def tx_rf_bandwidth(self) -> float:
        return self._get("voltage0", "rf_bandwidth", True)

    @tx_rf_bandwidth.setter
    def tx_rf_bandwidth(self, bandwidth_hz: float) -> None:
        self._set_int("voltage0", "rf_bandwidth", True, bandwidth_hz)

    @property
    def gain_control_mode_chan0(self) -> str:
        return self._attribute("voltage0", "gain_control_mode", False).value

    @gain_control_mode_chan0.setter
    def gain_control_mode_chan0(self, mode: str) -> None:
        self._attribute("voltage0", "gain_control_mode", False).value = mode

    @property
    def rx_hardwaregain_chan0(self) -> float:
        return self._get("voltage0", "hardwaregain", False)

    @rx_hardwaregain_chan0.setter
    def rx_hardwaregain_chan0(self, gain_db: float) -> None:
        if self.gain_control_mode_chan0 == "manual":
            self._set_float("voltage0", "hardwaregain", False, gain_db)

    @property
    def tx_hardwaregain_chan0(self) -> float:
        return self._get("voltage0", "hardwaregain", True)

    @tx_hardwaregain_chan0.setter
    def tx_hardwaregain_chan0(self, gain_db: float) -> None:
        self._set_float("voltage0", "hardwaregain", True, gain_db)

    @property
    def loopback(self) -> float:
        return _number(self._ctrl.debug_attrs["loopback"].value)

    @loopback.setter
    def loopback(self, mode: int) -> None:
        self._ctrl.debug_attrs["loopback"].value = str(mode)

    @property
    def sample_rate(self) -> float:
        return self._get("voltage0", "sampling_frequency", False)

    @sample_rate.setter
    def sample_rate(self, rate_hz: float) -> None:
        """Loads a filter for the rate and enables it, before the new rate where that needs it, else after."""
        if rate_hz < LOWEST_RATE_HZ:
            raise ValueError(f"sample rates below {LOWEST_RATE_HZ} are not supported, got {rate_hz}")
        rate = self._attribute("voltage0", "sampling_frequency", False)
        enable = self._attribute("out", "voltage_filter_fir_en", False)
        if enable.value == "1":
            if self.sample_rate <= LOWEST_RATE_WITHOUT_FIR_HZ:
                rate.value = str(SAFE_RATE_HZ)
            enable.value = "0"
        self._ctrl.attrs["filter_fir_config"].value = fir_text(rate_hz)
        low = rate_hz <= LOWEST_RATE_WITHOUT_FIR_HZ
        if low:
            rate.value = str(SAFE_RATE_HZ)
        steps = [(rate, str(rate_hz)), (enable, "1")]
        for attribute, text in reversed(steps) if low else steps:
            attribute.value = text

    # --------------------------------------------------------------------------------------------------- reception

    @property
    def rx_enabled_channels(self) -> list[int]:
        return self._rx_enabled_channels

    @rx_enabled_channels.setter
    def rx_enabled_channels(self, channels: list[int]) -> None:
        if channels != [0]:
            raise RuntimeError(f"RX mapping exceeds available channels: {channels}, allowed: [0]")

    @handover
    def rx(self) -> Any:
        """complex128[sample], the next block in ADC units; the first call opens the buffer."""
        if self._rxbuf is None:
            self._rx_init_channels()
        assert self._rxbuf is not None
        try:
            data = self._rxbuf.read(self._rxbuf.num_bytes, self.ctx.block_timeout_s)
        except OSError:
            self.rx_destroy_buffer()
            raise
        return self._decoded(np.frombuffer(data, dtype=np.int16))

    def _decoded(self, words: Int[np.ndarray, "word"]) -> Any:
        return words[0::2] + 1j * words[1::2]

    @door
    def _rx_init_channels(self) -> None:
        """Opens the buffer; a program calls it so that samples are taken before it asks for them."""
        self._rxbuf = self._pluto.open_buffer(RX, self.rx_buffer_size, _mask(self._rx_enabled_channels))

    def rx_destroy_buffer(self) -> None:
        if self._rxbuf is not None:
            self._rxbuf.close()
        self._rxbuf = None

    # ------------------------------------------------------------------------------------------------ transmission

    @property
    def tx_cyclic_buffer(self) -> bool:
        return self._tx_cyclic_buffer

    @tx_cyclic_buffer.setter
    def tx_cyclic_buffer(self, cyclic: bool) -> None:
        if self._txbuf is not None:
            raise RuntimeError("TX buffer already created, destroy it to modify tx_cyclic_buffer")
        self._tx_cyclic_buffer = cyclic

    @property
    def tx_enabled_channels(self) -> list[int]:
        return self._tx_enabled_channels

    @tx_enabled_channels.setter
    def tx_enabled_channels(self, channels: list[int]) -> None:
        if channels not in ([0], []):
            raise RuntimeError(f"TX mapping exceeds available channels: {channels}, allowed: [0]")
        self._tx_enabled_channels = channels

    @door
    def tx(self, data_np: Any = None) -> None:
        """Send complex[sample] in DAC units, int16 without clipping; with no channel enabled, zeros."""
        if not self._tx_enabled_channels:
            self._tone_attribute(0, "raw").value = "0"
            return
        if self._txbuf is not None and self._tx_cyclic_buffer:
            raise RuntimeError("TX buffer has been submitted in cyclic mode: destroy it first")
        waves = self._waves(data_np)
        parts = [part(wave).astype(np.int16) for wave in waves for part in (np.real, np.imag)]
        words = np.stack(parts, axis=-1)
        if self._txbuf is None:
            self.disable_dds()
            mask = _mask(self._tx_enabled_channels)
            self._txbuf = self._pluto.open_buffer(TX, len(words), mask, cyclic=self._tx_cyclic_buffer)
        if words.size * 2 != self._txbuf.num_bytes:
            there = self._txbuf.num_bytes // (IQ_BYTES * len(waves))
            raise RuntimeError(f"{len(words)} samples, the buffer has {there}")
        self._txbuf.write(words.astype("<i2", copy=False).tobytes(), self.ctx.block_timeout_s)

    def _waves(self, data: Any) -> list[Any]:
        """One for each enabled channel."""
        return [data]

    def tx_destroy_buffer(self) -> None:
        if self._txbuf is not None:
            self._txbuf.close()
        self._txbuf = None

    # ------------------------------------------------------------------------------------------------------- tones

    @property
    def dds_frequencies(self) -> list[str]:
        return self._get_tones("frequency")

    @dds_frequencies.setter
    def dds_frequencies(self, values: Sequence[int]) -> None:
        self._set_tones("frequency", values)

    @property
    def dds_scales(self) -> list[str]:
        return self._get_tones("scale")

    @dds_scales.setter
    def dds_scales(self, values: Sequence[float]) -> None:
        self._set_tones("scale", values)

    @property
    def dds_phases(self) -> list[str]:
        return self._get_tones("phase")

    @dds_phases.setter
    def dds_phases(self, values: Sequence[int]) -> None:
        self._set_tones("phase", values)

    @property
    def dds_enabled(self) -> list[str]:
        return self._get_tones("raw")

    @dds_enabled.setter
    def dds_enabled(self, values: Sequence[int]) -> None:
        self._set_tones("raw", [int(value) for value in values])

    def disable_dds(self) -> None:
        self.dds_enabled = [0] * len(self.dds_enabled)

    def dds_single_tone(self, frequency: float, scale: float, channel: int = 0) -> None:
        """One complex tone, negative frequencies included; all other tones off."""
        if channel != 0:
            raise RuntimeError(f"channel {channel}: a Pluto has one")
        self._clear_tones()
        self._set_complex_tone(0, frequency, scale)

    def dds_dual_tone(
        self, frequency1: float, scale1: float, frequency2: float, scale2: float, channel: int = 0
    ) -> None:
        """Two complex tones at a time."""
        self.dds_single_tone(frequency1, scale1, channel)
        self._set_complex_tone(1, frequency2, scale2)

    def _clear_tones(self) -> None:
        self.dds_scales = self.dds_phases = [0] * 4
        self.dds_enabled = [1] * 4

    def _set_complex_tone(self, place: int, frequency_hz: float, scale: float) -> None:
        """On the generators `place` of I and of Q, a quarter turn apart: which one leads is the sign."""
        on_i, on_q = place, place + 2
        for index, phase_mdeg in ((on_i, 90000 * (frequency_hz >= 0)), (on_q, 90000 * (frequency_hz < 0))):
            for name, value in (("frequency", abs(frequency_hz)), ("phase", phase_mdeg), ("scale", scale)):
                self._tone_attribute(index, name).value = str(value)

    def _get_tones(self, name: str) -> list[str]:
        return [self._tone_attribute(index, name).value for index in range(4)]

    def _set_tones(self, name: str, values: Sequence[float]) -> None:
        for index, value in enumerate(values[:4]):
            self._tone_attribute(index, name).value = str(value)

    def _tone_attribute(self, index: int, name: str) -> FaceAttribute:
        return _channel(self._txdac, f"altvoltage{index}", True).attrs[name]

    # ---------------------------------------------------------------------------------------------------- plumbing

    def _device(self, name: str) -> FaceDevice:
        device = self.ctx.find_device(name)
        if device is None:
            raise RuntimeError(f"no device found with name {name}")
        return device

    def _attribute(self, channel: str, name: str, output: bool) -> FaceAttribute:
        return _channel(self._ctrl, channel, output).attrs[name]

    def _get(self, channel: str, name: str, output: bool) -> float:
        return _number(self._attribute(channel, name, output).value)

    def _set_int(self, channel: str, name: str, output: bool, value: float) -> None:
        if not isinstance(value, int):
            raise RuntimeError(f"{name} must be an int, got {value!r}")
        self._attribute(channel, name, output).value = str(value)

    def _set_float(self, channel: str, name: str, output: bool, value: float) -> None:
        self._attribute(channel, name, output).value = str(float(value))


def _mask(channels: Sequence[int]) -> int:
    """Of I and Q of each channel."""
    return sum(3 << 2 * channel for channel in channels)


def _channel(device: FaceDevice, name: str, output: bool) -> FaceChannel:
    channel = device.find_channel(name, output)
    if channel is None:
        raise RuntimeError(f"no channel found with name {name}")
    return channel
