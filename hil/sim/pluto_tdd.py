"""The devices `iio-axi-tdd-0` and `one-bit-adc-dac` of the simulated Pluto, as `adi.tddn` and `adi.one_bit_adc_dac`
use them.
"""

from collections.abc import Callable
from functools import partial

from hil.sim.attribute_text import constant, decimal, flag, integer
from hil.sim.iio_context import Attribute, Attributes, Channel, Device
from hil.sim.pluto_chip import within
from hil.sim.tdd import TddChannel, TddEngine

MAX_COUNT = (1 << 32) - 1
MS_PER_S = 1e3
TIMES = {
    "frame_length": "frame_length",
    "startup_delay": "startup_delay",
    "internal_sync_period": "sync_period",
}
SWITCHES = ("sync_internal", "sync_external", "sync_reset")


def describe_tdd(engine: TddEngine) -> Device:
    """The engine: its times both in milliseconds and in counts."""
    attributes: dict[str, Attribute] = {}
    for name, place in TIMES.items():
        attributes |= _time(engine, name, engine, place, lowest=1 if place == "frame_length" else 0)
    attributes |= {name: flag(partial(getattr, engine, name), partial(setattr, engine, name)) for name in SWITCHES}
    attributes["sync_soft"] = flag(lambda: False, lambda on: engine.sync() if on else None)
    attributes["burst_count"] = integer(lambda: engine.burst_count, _count(engine, "burst_count", 0))
    attributes["enable"] = flag(lambda: engine.enabled, engine.enable)
    attributes["state"] = integer(lambda: engine.state)
    channels = tuple(
        Channel(f"voltage{index}", True, _channel(engine, channel)) for index, channel in enumerate(engine.channels)
    )
    return Device("iio:device4", "iio-axi-tdd-0", channels, attributes)


def describe_pins(engine: TddEngine) -> Device:
    """One-bit outputs: one lets channel 0 of the engine out, one lets pin L12N in as its external sync."""
    pins = (("phaser_enable", "pin_connected"), ("tdd_ext_sync", "ext_pin_connected"))
    channels = (
        Channel(
            f"voltage{index}",
            True,
            {"raw": flag(partial(getattr, engine, place), partial(setattr, engine, place)), "label": constant(label)},
        )
        for index, (label, place) in enumerate(pins)
    )
    return Device("iio:device5", "one-bit-adc-dac", tuple(channels), {"label": constant("one-bit-adc-dac")})


def _channel(engine: TddEngine, channel: TddChannel) -> Attributes:
    return {
        "enable": flag(lambda: channel.enabled, partial(setattr, channel, "enabled")),
        "polarity": flag(lambda: channel.inverted, partial(setattr, channel, "inverted")),
        **_time(engine, "on", channel, "on", lowest=0),
        **_time(engine, "off", channel, "off", lowest=0),
    }


def _time(engine: TddEngine, name: str, owner: object, place: str, *, lowest: int) -> dict[str, Attribute]:
    write = _count(owner, place, lowest)
    return {
        f"{name}_raw": integer(lambda: getattr(owner, place), write),
        f"{name}_ms": decimal(
            lambda: getattr(owner, place) * MS_PER_S / engine.rate_hz,
            lambda ms: write(round(ms / MS_PER_S * engine.rate_hz)),
        ),
    }


def _count(owner: object, place: str, lowest: int) -> Callable[[int], None]:
    def write(count: int) -> None:
        within(count, lowest, MAX_COUNT, place)
        setattr(owner, place, count)

    return write
