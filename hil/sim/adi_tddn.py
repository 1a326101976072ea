"""`adi.tddn` and `adi.one_bit_adc_dac` on a simulated Pluto in the same process."""

from typing import Any

from hil.sim.iio_face import FaceAttribute, FaceChannel, FaceContext, FaceDevice
from hil.sim.pluto import SimulatedPluto


def _found(pluto: SimulatedPluto, uri: str, name: str) -> FaceDevice:
    device = FaceContext(pluto, uri).find_device(name)
    if device is None:
        raise RuntimeError(f"no device found with name {name}")
    return device


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


class _Numbers:
    """Attributes as numbers under their own names; raises AttributeError for others, OSError as libiio does."""

    _attributes: dict[str, FaceAttribute]

    def __getattr__(self, name: str) -> float:
        attributes = self.__dict__.get("_attributes", {})
        if name not in attributes:
            raise AttributeError(name)
        return _number(attributes[name].value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__.get("_attributes", {}):
            object.__setattr__(self, name, value)
            return
        self._attributes[name].value = str(int(value) if isinstance(value, bool) else value)


class TddnChannel(_Numbers):
    """enable, polarity, on_ms, on_raw, off_ms, off_raw."""

    def __init__(self, channel: FaceChannel) -> None:
        self.name = channel.id
        self._attributes = channel.attrs


class Tddn(_Numbers):
    """frame_length_ms and _raw, startup_delay_.., internal_sync_period_.., burst_count, sync_.., enable, state.

    channel: the pin's, the receive DMA's and the transmit DMA's.
    """

    def __init__(self, pluto: SimulatedPluto, uri: str = "sim:") -> None:
        device = _found(pluto, uri, "iio-axi-tdd-0")
        self.channel = [TddnChannel(channel) for channel in device.channels]
        self._attributes = device.attrs


class OneBitAdcDac(_Numbers):
    """gpio_phaser_enable, gpio_tdd_ext_sync."""

    def __init__(self, pluto: SimulatedPluto, uri: str = "sim:") -> None:
        channels = _found(pluto, uri, "one-bit-adc-dac").channels
        self._attributes = {f"gpio_{channel.attrs['label'].value}": channel.attrs["raw"] for channel in channels}
