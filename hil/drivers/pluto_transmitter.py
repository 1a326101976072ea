"""A Pluto's transmitter over one connection: its LO, its tones, its one buffer that is sent over and over.

Methods reach the device through the library, which may hang: they are called on the thread of a `BoundedCaller`.
"""

import numpy as np

from hil.arrays import Complex
from hil.drivers.pluto_device import PlutoDevice
from hil.errors import RadioError

DacSamples = Complex[np.ndarray, "sample"]
"""Real and imaginary part are DAC values within int16."""


class Transmitter:
    """Raises RadioError where the device does not take what it is told."""

    def __init__(self, name: str) -> None:
        """name: of the radio, for messages."""
        self._name = name
        self.playing: DacSamples | None = None  # what is on the air
        self.stuck = False  # its buffer could not be destroyed

    def play(self, device: PlutoDevice, samples: DacSamples) -> None:
        """Instead of what was played before."""
        self.destroy(device)  # a second cyclic frame is refused while the first one lives
        self.mute_tones(device)
        device.tx_cyclic_buffer = True
        device.tx(samples)
        self.playing = samples

    def switch_lo(self, device: PlutoDevice, on: bool) -> None:
        """Power of the LO. Setting its frequency does not power it up: nothing is radiated, and no error says so."""
        channel = device._ctrl.find_channel("altvoltage1", True)
        if channel is None:
            raise RadioError(f"radio {self._name}: has no TX LO (altvoltage1), so it is no Pluto")
        powerdown = channel.attrs["powerdown"]
        powerdown.value = "0" if on else "1"
        if int(powerdown.value) != (not on):
            raise RadioError(f"radio {self._name}: TX LO powerdown reads {powerdown.value} after writing {int(not on)}")

    def mute_tones(self, device: PlutoDevice) -> None:
        """They take the buffer's place as soon as that is gone."""
        device.dds_scales = [0.0] * len(device.dds_scales)
        if any(float(scale) for scale in device.dds_scales):
            raise RadioError(f"radio {self._name}: tones stay on, scales read {device.dds_scales}")

    def destroy(self, device: PlutoDevice) -> None:
        """The buffer; without effect where there is none."""
        self.playing, self.stuck = None, True
        device.tx_destroy_buffer()
        self.stuck = False
