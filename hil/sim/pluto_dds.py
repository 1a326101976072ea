"""The four tone generators of the transmit core, and the switch that says what the DAC is fed with.

TX1_I_F1, TX1_I_F2, TX1_Q_F1, TX1_Q_F2: two real tones on I and two on Q.
"""

import cmath
import errno
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from hil.sim.iio_context import io_error

Source = Literal["dds", "dma", "zero"]

GENERATORS = ("_I_F1", "_I_F2", "_Q_F1", "_Q_F2")  # behind the transmitter's name, TX1
FULL_TURN_MDEG = 360_000
SCALE_BITS, PHASE_BITS = 14, 16
INCREMENT = (1 << 16) - 1


@dataclass
class Generator:
    """One real tone: scale * sin(2 pi frequency t + phase). A scale of 1 is the DAC's full scale."""

    on_q: bool
    scale: float = 0.0
    frequency_hz: int = 2_000_000
    phase_mdeg: int = 0

    def tones(self, rate_hz: int) -> Iterator[tuple[float, complex]]:
        """Its two lines, frequency and complex amplitude."""
        frequency_hz = self.readback_hz(rate_hz)
        line = self.scale * cmath.exp(2j * math.pi * self.phase_mdeg / FULL_TURN_MDEG) / 2j
        axis = 1j if self.on_q else 1.0
        yield float(frequency_hz), axis * line
        yield float(-frequency_hz), axis * line.conjugate()

    def readback_hz(self, rate_hz: int) -> int:
        """The frequency on the grid of the 16-bit phase increment."""
        return (self.frequency_hz * INCREMENT // rate_hz) * rate_hz // INCREMENT

    def set_scale(self, scale: float) -> None:
        if not -2 < scale < 2:
            raise io_error(errno.EINVAL, f"DDS scale {scale:g}")
        self.scale = round(scale * (1 << SCALE_BITS)) / (1 << SCALE_BITS)

    def set_frequency(self, frequency_hz: int, rate_hz: int) -> None:
        if not 0 <= frequency_hz <= rate_hz // 2:
            raise io_error(errno.EINVAL, f"DDS frequency {frequency_hz} Hz at {rate_hz} samples/s")
        self.frequency_hz = frequency_hz

    def set_phase(self, phase_mdeg: int) -> None:
        if not 0 <= phase_mdeg <= FULL_TURN_MDEG:
            raise io_error(errno.EINVAL, f"DDS phase {phase_mdeg} millidegrees")
        self.phase_mdeg = phase_mdeg % FULL_TURN_MDEG


@dataclass
class Dds:
    """All generators. `source` is one switch for the whole core: any generator's `raw` attribute moves it.

    Closing a transmit buffer moves it to `dds` whatever `raw` last said: tones whose scale is not zero come back.
    """

    generators: tuple[Generator, ...] = field(default_factory=lambda: tuple(Generator("_Q_" in n) for n in GENERATORS))
    source: Source = "dds"
    raw: bool = True
    synced_s: float = 0.0

    def switch(self, on: bool) -> None:
        """A write to `raw`: tones, or zeros; both also end what a buffer was sending."""
        self.raw = on
        self.source = "dds" if on else "zero"

    def tones(self, rate_hz: int) -> dict[float, complex]:
        """Complex amplitude by frequency, DAC full scale = 1; images that cancel are left out."""
        lines: dict[float, complex] = {}
        for generator in self.generators:
            for frequency_hz, amplitude in generator.tones(rate_hz):
                lines[frequency_hz] = lines.get(frequency_hz, 0) + amplitude
        return {frequency_hz: amplitude for frequency_hz, amplitude in lines.items() if abs(amplitude) > 1e-9}
