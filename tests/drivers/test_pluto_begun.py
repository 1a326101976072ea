"""A capture in two halves: samples are taken while the program does something else."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr
from hil.errors import RadioError
from hil.firmware.profile import load_profile
from hil.interfaces import RadioSettings, StreamingSdr
from hil.sim.adi_pluto import Pluto
from hil.sim.world import World
from hil.testbed.station import make_pluto, make_world

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
TONE = 0.9 * np.exp(2j * np.pi * np.arange(320) / 10)


@pytest.fixture
def radio() -> Iterator[tuple[PlutoSdr, World]]:
    config = load_testbed(TESTBED)
    assert config.simulation is not None
    world = make_world(config, load_profile(config.surface.profile), config.users[0])
    pluto = make_pluto(config, config.simulation, world)
    gate = TransmitGate(config.safety, config.power, world.clock)
    with PlutoSdr(partial(Pluto, pluto), gate, world.clock, name="sim", exclusive=False) as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        yield sdr, world


def level_jump(samples: np.ndarray) -> int:
    """Where the samples are cut best into two levels."""
    power = np.abs(samples.reshape(-1, 100)) ** 2
    mean = power.mean(axis=1)
    return int(np.argmax(np.abs(np.diff(mean)))) * 100


def test_what_happens_after_the_beginning_is_within_the_capture(radio: tuple[PlutoSdr, World]) -> None:
    sdr, world = radio
    assert isinstance(sdr, StreamingSdr)
    sdr.capture(1000)
    begun_s = world.clock.now_s()
    sdr.begin_capture(250_000)
    world.clock.sleep(4e-3)
    changed_s = world.clock.now_s()
    world.radiate(None, changed_s)
    capture = sdr.end_capture()
    assert capture.samples.size == 250_000
    assert capture.time_s == begun_s
    jump_s = level_jump(capture.samples) / 25e6
    assert 3.7e-3 < jump_s < 4.1e-3
    assert changed_s - begun_s == pytest.approx(4e-3)


def test_a_capture_ends_once_and_only_where_it_was_begun(radio: tuple[PlutoSdr, World]) -> None:
    sdr, _ = radio
    with pytest.raises(RadioError, match="no capture was begun"):
        sdr.end_capture()
    sdr.begin_capture(1000)
    sdr.begin_capture(2000)
    assert sdr.end_capture().samples.size == 2000
    with pytest.raises(RadioError, match="no capture was begun"):
        sdr.end_capture()


def test_a_radio_that_was_made_quiet_has_no_capture_under_way(radio: tuple[PlutoSdr, World]) -> None:
    sdr, _ = radio
    sdr.begin_capture(1000)
    sdr.quiet()
    with pytest.raises(RadioError, match="no capture was begun"):
        sdr.end_capture()


def test_a_capture_after_a_begun_one_is_fresh(radio: tuple[PlutoSdr, World]) -> None:
    sdr, world = radio
    sdr.begin_capture(1000)
    world.clock.sleep(0.01)
    world.radiate(None, world.clock.now_s())
    world.clock.sleep(0.01)
    sdr.end_capture()
    fresh = sdr.capture(1000)
    assert np.mean(np.abs(fresh.samples) ** 2) < 1e-4
