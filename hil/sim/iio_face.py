"""The part of the `iio` module's objects that a driver touches, on a simulated Pluto in this process.

`context.find_device(..).find_channel(..).attrs[..].value` and their like; errors are the OSErrors of the device.
"""

import math
from collections.abc import Callable
from functools import partial

from hil.sim.iio_context import AttributeKind, Attributes, Channel, Device
from hil.sim.pluto import SimulatedPluto

DEFAULT_TIMEOUT_MS = 5000
SERVER_SHARE = 0.5  # libiio tells the server half of its own timeout


class FaceAttribute:
    """`.value` reads and writes the attribute's text."""

    def __init__(self, name: str, read: Callable[[], str], write: Callable[[str], None]) -> None:
        self.name, self._read, self._write = name, read, write

    @property
    def value(self) -> str:
        return self._read()

    @value.setter
    def value(self, text: str) -> None:
        self._write(text)


class FaceChannel:
    def __init__(self, pluto: SimulatedPluto, device: Device, channel: Channel) -> None:
        self.id, self.name, self.output = channel.id, channel.name, channel.output
        self.scan_element = channel.scan is not None
        read = partial(pluto.read_attr, device.id, channel=channel.id, output=channel.output)
        write = partial(pluto.write_attr, device.id, channel=channel.id, output=channel.output)
        self.attrs = {
            name: FaceAttribute(name, partial(read, name), partial(write, name)) for name in channel.attributes
        }


class FaceDevice:
    def __init__(self, pluto: SimulatedPluto, device: Device) -> None:
        self._pluto, self._device = pluto, device
        self.id, self.name = device.id, device.name
        self.attrs = self._face(device.attributes, "device")
        self.debug_attrs = self._face(device.debug_attributes, "debug")
        self.buffer_attrs = self._face(device.buffer_attributes, "buffer")

    @property
    def channels(self) -> list[FaceChannel]:
        return [FaceChannel(self._pluto, self._device, channel) for channel in self._device.channels]

    def find_channel(self, name_or_id: str, is_output: bool = False) -> FaceChannel | None:
        channel = self._device.find_channel(name_or_id, is_output)
        return FaceChannel(self._pluto, self._device, channel) if channel else None

    def set_kernel_buffers_count(self, count: int) -> None:
        self._pluto.set_kernel_buffers_count(self.id, count)

    def reg_read(self, register: int) -> int:
        """A register of the device, through its debug attribute."""
        self.debug_attrs["direct_reg_access"].value = hex(register)
        return int(self.debug_attrs["direct_reg_access"].value, 16)

    def reg_write(self, register: int, value: int) -> None:
        self.debug_attrs["direct_reg_access"].value = f"{register:#x} {value:#x}"

    def _face(self, attributes: Attributes, kind: AttributeKind) -> dict[str, FaceAttribute]:
        read, write = partial(self._pluto.read_attr, self.id), partial(self._pluto.write_attr, self.id)
        return {
            name: FaceAttribute(name, partial(read, name, kind=kind), partial(write, name, kind=kind))
            for name in attributes
        }


class FaceContext:
    """A context on the simulated radio. Its attributes are the device's and `uri`."""

    def __init__(self, pluto: SimulatedPluto, uri: str) -> None:
        self._pluto, self._description = pluto, pluto.describe()
        self.name, self.description = self._description.name, self._description.description
        self.attrs = {**self._description.attributes, "uri": uri}
        self.xml = self._description.xml()
        self._timeout_ms = DEFAULT_TIMEOUT_MS

    @property
    def devices(self) -> list[FaceDevice]:
        return [FaceDevice(self._pluto, device) for device in self._description.devices]

    def find_device(self, name_or_id: str) -> FaceDevice | None:
        device = self._description.find_device(name_or_id)
        return FaceDevice(self._pluto, device) if device else None

    def set_timeout(self, timeout: int) -> None:
        """Milliseconds; 0 waits for ever."""
        self._timeout_ms = timeout

    @property
    def block_timeout_s(self) -> float:
        """How long the device may take for a block."""
        return self._timeout_ms * SERVER_SHARE / 1000 or math.inf
