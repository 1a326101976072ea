"""A simulated two-channel board with the attributes and methods of pyadi-iio's `adi.ad9361`, in the same process."""

from typing import Any, NoReturn

import numpy as np

from hil.arrays import Int
from hil.sim.adi_pluto import Pluto
from hil.sim.pluto import SimulatedPluto

CHANNELS = (0, 1)


class Ad9361(Pluto):
    """`adi.ad9361` on a SimulatedPluto of two channels; with both enabled `rx` gives a list and `tx` takes one.

    Only the first transmitter's tone generators are reached.
    """

    def __init__(self, pluto: SimulatedPluto, uri: str = "sim:") -> None:
        super().__init__(pluto, uri)
        self._rx_enabled_channels = self._tx_enabled_channels = list(CHANNELS)

    @property
    def gain_control_mode_chan1(self) -> str:
        return self._attribute("voltage1", "gain_control_mode", False).value

    @gain_control_mode_chan1.setter
    def gain_control_mode_chan1(self, mode: str) -> None:
        self._attribute("voltage1", "gain_control_mode", False).value = mode

    @property
    def rx_hardwaregain_chan1(self) -> float:
        return self._get("voltage1", "hardwaregain", False)

    @rx_hardwaregain_chan1.setter
    def rx_hardwaregain_chan1(self, gain_db: float) -> None:
        if self.gain_control_mode_chan1 == "manual":
            self._set_float("voltage1", "hardwaregain", False, gain_db)

    @property
    def tx_hardwaregain_chan1(self) -> float:
        return self._get("voltage1", "hardwaregain", True)

    @tx_hardwaregain_chan1.setter
    def tx_hardwaregain_chan1(self, gain_db: float) -> None:
        self._set_float("voltage1", "hardwaregain", True, gain_db)

    @property
    def rx_enabled_channels(self) -> list[int]:
        return self._rx_enabled_channels

    @rx_enabled_channels.setter
    def rx_enabled_channels(self, channels: list[int]) -> None:
        self._rx_enabled_channels = _checked(channels, "RX") if channels else _refused("rx_enabled_channels is empty")

    @property
    def tx_enabled_channels(self) -> list[int]:
        return self._tx_enabled_channels

    @tx_enabled_channels.setter
    def tx_enabled_channels(self, channels: list[int]) -> None:
        self._tx_enabled_channels = _checked(channels, "TX")

    def _decoded(self, words: Int[np.ndarray, "word"]) -> Any:
        by_column = words.reshape(-1, 2 * len(self._rx_enabled_channels)).T
        waves = [i + 1j * q for i, q in zip(by_column[0::2], by_column[1::2], strict=True)]
        return waves if len(waves) > 1 else waves[0]

    def _waves(self, data: Any) -> list[Any]:
        waves = list(data) if len(self._tx_enabled_channels) > 1 else [data]
        if len(waves) != len(self._tx_enabled_channels):
            _refused(f"{len(waves)} waves for {len(self._tx_enabled_channels)} enabled channels")
        return waves


def _checked(channels: list[int], side: str) -> list[int]:
    if not set(channels) <= set(CHANNELS):
        _refused(f"{side} mapping exceeds available channels: {channels}, allowed: {CHANNELS}")
    return sorted(channels)


def _refused(why: str) -> NoReturn:
    raise RuntimeError(why)
