"""The second receiver of a board with two channels: listened to while that is asked for, and only then."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.drivers.gate import TransmitGate
from hil.drivers.pluto import PlutoSdr
from hil.errors import RadioError
from hil.firmware.profile import load_profile
from hil.interfaces import RadioSettings, ReferencedSdr
from hil.sim.adi_ad9361 import Ad9361
from hil.sim.adi_pluto import Pluto
from hil.testbed.station import make_pluto, make_world

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
TONE = 0.9 * np.exp(2j * np.pi * np.arange(320) / 10)


@contextmanager
def opened(num_channels: int) -> Iterator[PlutoSdr]:
    """A board on the air, a coupler between its transmitter and its second receiver."""
    config = load_testbed(TESTBED, {"simulation.num_channels": num_channels, "simulation.reference_db": -40.0})
    assert config.simulation is not None
    world = make_world(config, load_profile(config.surface.profile), config.users[0])
    face = partial({1: Pluto, 2: Ad9361}[num_channels], make_pluto(config, config.simulation, world))
    gate = TransmitGate(config.safety, config.power, world.clock)
    with PlutoSdr(face, gate, world.clock, name="sim", exclusive=False) as sdr:
        sdr.open()
        sdr.configure(SETTINGS)
        sdr.transmit(TONE)
        yield sdr


@pytest.fixture
def board() -> Iterator[PlutoSdr]:
    with opened(2) as sdr:
        yield sdr


def tone(samples: np.ndarray) -> float:
    return float(np.abs(np.mean(samples * np.exp(-2j * np.pi * np.arange(samples.size) / 10))))


def test_captures_of_the_same_size_have_a_reference_from_when_it_is_asked_for_until_it_no_longer_is(
    board: PlutoSdr,
) -> None:
    assert isinstance(board, ReferencedSdr)
    assert board.num_receivers == 2
    assert board.capture(4000).reference is None
    assert board.use_reference(20.0) == 20.0
    for size in (4000, 4000, 2000):
        capture = board.capture(size)
        assert capture.reference is not None
        assert capture.reference.shape == capture.samples.shape == (size,)
    assert board.use_reference(None) is None
    assert board.capture(2000).reference is None


def test_the_reference_has_a_gain_of_its_own(board: PlutoSdr) -> None:
    levels = []
    for gain_db in (10.0, 20.0):
        board.use_reference(gain_db)
        capture = board.capture(4000)
        assert capture.reference is not None
        levels.append((tone(capture.samples), tone(capture.reference)))
    (here, low), (still, high) = levels
    assert here == pytest.approx(still, rel=0.05)
    assert 20 * np.log10(high / low) == pytest.approx(10, abs=0.2)


def test_both_are_whole_in_a_capture_of_several_blocks(board: PlutoSdr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.drivers.pluto_receiver.MAX_BLOCK_BYTES", 8000)
    assert board.max_samples == 8000
    board.use_reference(20.0)
    capture = board.capture(6003)
    assert capture.reference is not None
    for samples in (capture.samples, capture.reference):
        periods = samples[:6000].reshape(-1, 10) @ TONE[:10].conj()
        assert np.abs(np.angle(periods[1:] / periods[:-1])).max() < 0.5


def test_a_begun_capture_is_dropped_where_another_receiver_shall_listen(board: PlutoSdr) -> None:
    board.begin_capture(1000)
    board.use_reference(20.0)
    with pytest.raises(RadioError, match="no capture was begun"):
        board.end_capture()


def test_a_radio_with_one_receiver_has_no_reference() -> None:
    with opened(1) as sdr, pytest.raises(RadioError, match="one receiver only"):
        sdr.use_reference(20.0)
