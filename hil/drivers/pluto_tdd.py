"""The Pluto's TDD engine (firmware 0.39 and later): frames that start both DMAs and pulse pin L10P.

Its attributes, and those of the pins, are reached through the radio's one context, so that there is one connection to
lose and to make anew. The engine's state outlives programs, and a receive DMA that waits for a frame which never comes
hangs every other program: what stood there before is kept here, beyond any connection, until it was put back.
"""

from collections.abc import Iterator
from typing import Any

from hil.drivers.pluto_device import PlutoDevice
from hil.errors import RadioError
from hil.interfaces import FrameTrain

ENGINE, PINS = "iio-axi-tdd-0", "one-bit-adc-dac"
PULSE_PIN = "phaser_enable"  # lets channel 0 out at L10P
PULSE, RECEIVE, TRANSMIT = "voltage0", "voltage1", "voltage2"
PULSE_SAMPLES = 64  # width of an edge's pulse
PROBE_MS = 1.0
OFF = 0  # state: the engine does not even wait for a sync
STUCK = "unplug the radio and plug it in again, or sweep in another mode"
SETTINGS = ("frame_length_raw", "startup_delay_raw", "burst_count", "sync_internal", "sync_external", "sync_reset")
CHANNEL_SETTINGS = ("enable", "polarity", "on_raw", "off_raw")

Place = tuple[str, str | None, str]
"""Device, channel, attribute."""


class FrameEngine:
    """Saves what it changes; `release` puts it back, over whatever connection there is by then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._saved: dict[Place, str] = {}

    def is_in(self, device: PlutoDevice) -> bool:
        """Whether this radio has the engine and its pin."""
        return device.ctx.find_device(ENGINE) is not None and device.ctx.find_device(PINS) is not None

    def arm(self, device: PlutoDevice, train: FrameTrain, sample_rate_hz: float, *, sends: bool = True) -> None:
        """Let both DMAs wait for the first frame; the transmit DMA only where this radio `sends`.

        Raises RadioError where a setting does not take.
        """
        if not self.is_in(device):
            raise RadioError(
                f"radio {self._name}: has no TDD engine ({ENGINE}); update the Pluto's firmware to 0.39 or later, or "
                "sweep in another mode"
            )
        if not self._saved:
            self._saved = {place: _attribute(device, place).value for place in self._places(device)}
        self._write(device, (ENGINE, None, "enable"), 0)
        cycles = self._cycles_per_sample(device, sample_rate_hz)
        wanted: dict[Place, int] = {
            (ENGINE, None, "frame_length_raw"): train.frame_samples * cycles,
            (ENGINE, None, "startup_delay_raw"): 0,
            (ENGINE, None, "burst_count"): train.num_frames,
            **{(ENGINE, None, name): 0 for name in SETTINGS if name.startswith("sync")},
            (PINS, self._pin(device), "raw"): 1,
        }
        on = {PULSE: train.lead_samples * cycles, RECEIVE: 0, TRANSMIT: 0}
        for channel, on_raw in on.items():
            edges = {"on_raw": on_raw, "off_raw": on_raw + PULSE_SAMPLES * cycles, "polarity": 0}
            edges["enable"] = int(sends or channel != TRANSMIT)
            wanted |= {(ENGINE, channel, name): value for name, value in edges.items()}
        for place, value in wanted.items():
            self._write(device, place, value)
        self._write(device, (ENGINE, None, "enable"), 1)

    def start(self, device: PlutoDevice) -> None:
        """Begin with frame 0 now. Raises RadioError where the engine is off; where it is stuck no sample ever comes."""
        _attribute(device, (ENGINE, None, "sync_soft")).value = "1"
        if int(_attribute(device, (ENGINE, None, "state")).value) == OFF:
            raise RadioError(f"radio {self._name}: the TDD engine is off after a sync; {STUCK}")

    def release(self, device: PlutoDevice) -> None:
        """Put back all that was changed, the engine switched on again last; without effect where nothing was."""
        if not self._saved:
            return
        running: Place = (ENGINE, None, "enable")
        _attribute(device, running).value = "0"
        for place, text in self._saved.items():
            if place != running:
                _attribute(device, place).value = text
        _attribute(device, running).value = self._saved[running]
        self._saved = {}

    def _places(self, device: PlutoDevice) -> Iterator[Place]:
        yield from ((ENGINE, None, name) for name in (*SETTINGS, "enable"))
        for channel in (PULSE, RECEIVE, TRANSMIT):
            yield from ((ENGINE, channel, name) for name in CHANNEL_SETTINGS)
        yield (PINS, self._pin(device), "raw")

    def _cycles_per_sample(self, device: PlutoDevice, sample_rate_hz: float) -> int:
        """The engine counts cycles of the converters' data clock, which is a multiple of the sample rate."""
        _attribute(device, (ENGINE, None, "frame_length_ms")).value = str(PROBE_MS)
        cycles = float(_attribute(device, (ENGINE, None, "frame_length_raw")).value) / (PROBE_MS / 1e3 * sample_rate_hz)
        if round(cycles) < 1 or abs(cycles - round(cycles)) > 1e-2:
            raise RadioError(
                f"radio {self._name}: the TDD engine counts {cycles:.4g} cycles a sample, a whole number is needed; "
                "choose another sample rate"
            )
        return round(cycles)

    def _pin(self, device: PlutoDevice) -> str:
        for channel in device.ctx.find_device(PINS).channels:
            if channel.attrs["label"].value == PULSE_PIN:
                return str(channel.id)
        raise RadioError(f"radio {self._name}: {PINS} has no pin {PULSE_PIN}; update the Pluto's firmware")

    def _write(self, device: PlutoDevice, place: Place, value: int) -> None:
        attribute = _attribute(device, place)
        attribute.value = str(value)
        taken = attribute.value
        if int(taken) != value:
            raise RadioError(f"radio {self._name}: TDD engine, {place[2]}: sent {value}, it reads {taken}")


def _attribute(device: PlutoDevice, place: Place) -> Any:
    name, channel, attribute = place
    owner = device.ctx.find_device(name)
    return (owner if channel is None else owner.find_channel(channel, True)).attrs[attribute]
