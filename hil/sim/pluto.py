"""A simulated ADALM-PLUTO on a World, as an IIO device: attributes as text, buffers as bytes, errors as errno.

Both doors, `hil.sim.adi_pluto` in process and `hil.sim.iiod` on the wire, are thin over this and so behave alike. It
mirrors what a Pluto does to its users: stale kernel blocks, an unknown start of each capture, two PLLs with phases of
their own, LO leakage and DC offset, gains that reset or are ignored in silence, tones that come back when a buffer is
closed. With two channels it is a board with an AD9361, as `adi.ad9361` knows it: the second receive connector hears
nothing, or the transmitter through a coupler. Not simulated: RF loopback, fastlock profiles.
"""

import errno
from collections.abc import Callable

from hil.config import PowerConfig, SimulationConfig
from hil.sim.effort import door
from hil.sim.iio_context import Attribute, AttributeKind, Attributes, Context, io_error
from hil.sim.pluto_attributes import describe_pluto
from hil.sim.pluto_buffers import Buffer, BufferShape, ReceiveBuffer, TransmitBuffer
from hil.sim.pluto_radio import RX, TX, Radio
from hil.sim.world import World

_BUFFERS: dict[str, type[ReceiveBuffer] | type[TransmitBuffer]] = {RX: ReceiveBuffer, TX: TransmitBuffer}


class SimulatedPluto:
    """One radio; every call is safe from any thread.

    ad9364: tuned as an AD9364 (70 MHz to 6 GHz, 56 MHz bandwidth), else 325 to 3800 MHz and 20 MHz as delivered.
    plan_rate_hz: sample rate at which `power.tx_full_scale_dbm` holds; at rates on the other side of 20 MS/s the filter
        that pyadi-iio loads then makes 6 dB of difference (pyadi-iio#591). Where None it holds at every rate.
    tx_connected: whether its TX connector has the world's transmit antenna; else it ends in a load, so that one radio
        of two transmits and the other one receives. Two need configurations of their own: seed and crystal.
    """

    def __init__(
        self,
        world: World,
        power: PowerConfig,
        simulation: SimulationConfig,
        *,
        ad9364: bool = True,
        plan_rate_hz: float | None = None,
        tx_connected: bool = True,
    ) -> None:
        self._radio = Radio(
            world, power, simulation, ad9364=ad9364, plan_rate_hz=plan_rate_hz, tx_connected=tx_connected
        )
        self._context = describe_pluto(self._radio)
        self._buffers: list[Buffer] = []

    def describe(self) -> Context:
        """Devices, channels and attributes; the same for as long as the radio has power. Raises OSError EPIPE."""
        with self._radio.using():
            return self._context

    @door
    def read_attr(
        self,
        device: str,
        attribute: str,
        *,
        channel: str | None = None,
        output: bool = False,
        kind: AttributeKind = "device",
    ) -> str:
        """Text of an attribute. Raises OSError ENODEV, ENOENT, EACCES where it cannot be read, EPIPE."""
        with self._radio.using():
            attributes = self._attributes(device, channel, output, kind)
            read = _found(attributes, attribute).read
            if read is None:
                raise io_error(errno.EACCES, f"{attribute} cannot be read")
            return read()

    @door
    def write_attr(
        self,
        device: str,
        attribute: str,
        text: str,
        *,
        channel: str | None = None,
        output: bool = False,
        kind: AttributeKind = "device",
    ) -> None:
        """Raises OSError ENODEV, ENOENT, EACCES for read-only ones, EINVAL for text that is out of range, EPIPE."""
        with self._radio.changing():
            attributes = self._attributes(device, channel, output, kind)
            write = _found(attributes, attribute).write
            if write is None:
                raise io_error(errno.EACCES, f"{attribute} is read-only")
            write(text.strip("\0 \n"))

    def open_buffer(self, device: str, num_samples: int, mask: int = 3, cyclic: bool = False) -> Buffer:
        """Start the DMA. mask: 1 for I, 2 for Q, 3 for both, 4 and 8 for those of the second channel.

        Raises OSError EBUSY where the device has an open buffer and either is cyclic, ENODEV, EINVAL, ENOMEM, EPIPE.
        """
        shape = BufferShape(num_samples, mask, cyclic)
        with self._radio.changing():
            name = self._context.device(device).name
            shape.require_possible(2 * self._radio.simulation.num_channels, self._radio.kernel_blocks.get(name, 1))
            if name not in _BUFFERS or (cyclic and name == RX):
                raise io_error(errno.EINVAL, f"{'cyclic ' if cyclic else ''}buffer of {name}")
            others = self._open_on(name)
            if others and (cyclic or any(buffer.cyclic for buffer in others)):
                raise io_error(errno.EBUSY, f"{name} has an open buffer")
            buffer = _BUFFERS[name](self._radio, shape, self._forget)
            self._buffers.append(buffer)
        return buffer

    def set_kernel_buffers_count(self, device: str, count: int) -> None:
        """For buffers opened from now on, by anybody. Raises OSError EBUSY while one is open, EINVAL, ENODEV, EPIPE."""
        with self._radio.using():
            name = self._context.device(device).name
            if name not in _BUFFERS or count < 1:
                raise io_error(errno.EINVAL, f"{count} kernel buffers for {name}")
            if self._open_on(name):
                raise io_error(errno.EBUSY, f"{name} has an open buffer")
            self._radio.kernel_blocks[name] = count

    def connect_pulse(self, on_pulse: Callable[[], None]) -> None:
        """Wire pin L10P, on which the TDD engine's pulses leave, to what is called at each rising edge."""
        self._radio.on_pulse = on_pulse

    def unplug(self) -> None:
        """Pull the cable: nothing is radiated, every later call fails with EPIPE."""
        self._radio.power_off()

    def plug_in(self) -> None:
        """Boot again, with the settings of a fresh start."""
        for buffer in tuple(self._buffers):
            buffer.close()
        self._radio.power_on()
        self._context = describe_pluto(self._radio)

    def _attributes(self, device: str, channel: str | None, output: bool, kind: AttributeKind) -> Attributes:
        return self._context.device(device).find_attributes(channel, output, kind)

    def _open_on(self, name: str) -> list[Buffer]:
        return [buffer for buffer in self._buffers if buffer.device == name]

    def _forget(self, buffer: Buffer) -> None:
        """A buffer was closed; after the last one of the transmitter the tone generators are heard again."""
        self._buffers.remove(buffer)
        if buffer.device == TX and not self._open_on(TX) and self._radio.present:
            with self._radio.changing():
                self._radio.transmitter.release_dma()


def _found(attributes: Attributes, name: str) -> Attribute:
    if name not in attributes:
        raise io_error(errno.ENOENT, f"attribute {name}")
    return attributes[name]
