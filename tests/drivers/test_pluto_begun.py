"""A capture in two halves: samples are taken while the program does something else."""

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
from hil.interfaces import RadioSettings, StreamingSdr
from hil.sim.adi_pluto import Pluto
from hil.sim.world import World
from hil.testbed.station import make_pluto, make_world

TESTBED = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
SETTINGS = RadioSettings(sample_rate_hz=25e6, lo_hz=5.53e9, bandwidth_hz=20e6, tx_attenuation_db=10.0, rx_gain_db=40.0)
TONE = 0.9 * np.exp(2j * np.pi * np.arange(320) / 10)


@pytest.fixture
def radio() -> Iterator[tuple[PlutoSdr, World]]:
    with opened({}) as made:
        yield made


@contextmanager
def opened(overrides: dict[str, object]) -> Iterator[tuple[PlutoSdr, World]]:
    config = load_testbed(TESTBED, overrides)
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


def test_a_capture_in_the_midst_of_another_is_fresh_and_ends_that(radio: tuple[PlutoSdr, World]) -> None:
    """Its size is that of the one under way, whose blocks are full already."""
    sdr, world = radio
    sdr.begin_capture(1000)
    world.clock.sleep(0.01)
    world.radiate(None, world.clock.now_s())
    world.clock.sleep(0.01)
    assert np.mean(np.abs(sdr.capture(1000).samples) ** 2) < 1e-4
    with pytest.raises(RadioError, match="no capture was begun"):
        sdr.end_capture()


def phase_steps(samples: np.ndarray) -> np.ndarray:
    """Phase of the tone from one of its periods to the next, in radians."""
    periods = samples[: samples.size // 10 * 10].reshape(-1, 10) @ TONE[:10].conj()
    return np.angle(periods[1:] / periods[:-1])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 4000 bytes at the most: 1000 samples."""
    monkeypatch.setattr("hil.drivers.pluto_receiver.MAX_BLOCK_BYTES", 4000)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("begun", [True, False])
def test_a_capture_of_several_blocks_misses_nothing_however_slow_usb_is(begun: bool) -> None:
    with opened({"simulation.usb_bytes_per_s": 1e6}) as (sdr, _):
        for num_samples in (6003, 6003, 1000, 2001):
            if begun:
                sdr.begin_capture(num_samples)
            samples = (sdr.end_capture() if begun else sdr.capture(num_samples)).samples
            assert samples.size == num_samples
            assert np.abs(phase_steps(samples)).max() < 0.5


@pytest.mark.parametrize("piece_samples", [1000, None])
def test_a_capture_is_heard_in_growing_parts_of_what_it_will_be(piece_samples: int | None) -> None:
    with opened({}) as (sdr, _):
        heard: list[np.ndarray] = []
        sdr.begin_capture(6003, piece_samples=piece_samples)
        capture = sdr.end_capture(lambda samples: heard.append(samples.copy()))
    assert len(heard) == (7 if piece_samples else 1)
    assert np.all(np.diff([part.size for part in heard]) > 0)
    assert all(np.array_equal(part, capture.samples[: part.size]) for part in heard)
    assert heard[-1].size == capture.samples.size == 6003


def test_no_more_pieces_are_asked_for_than_the_kernel_queues() -> None:
    with opened({}) as (sdr, _):
        heard: list[int] = []
        sdr.begin_capture(10_000, piece_samples=100)
        assert sdr.end_capture(lambda samples: heard.append(samples.size)).samples.size == 10_000
    assert len(heard) == 64


@pytest.mark.usefixtures("small_blocks")
def test_a_driver_that_queues_one_block_of_several_loses_samples_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    count = "hil.sim.iio_face.FaceDevice.set_kernel_buffers_count"
    monkeypatch.setattr(count, lambda self, number: self._pluto.set_kernel_buffers_count(self.id, 1))
    with opened({"simulation.usb_bytes_per_s": 1e6}) as (sdr, _):
        assert np.abs(phase_steps(sdr.capture(6003).samples)).max() > 0.5


@pytest.mark.usefixtures("small_blocks")
def test_a_long_capture_after_a_long_one_is_fresh_and_the_device_gets_its_number_of_blocks_back() -> None:
    with opened({}) as (sdr, world):
        sdr.capture(5000)
        world.clock.sleep(0.01)
        world.radiate(None, world.clock.now_s())
        assert np.mean(np.abs(sdr.capture(5000).samples) ** 2) < 1e-4
        pluto = sdr._connection.session._pluto._pluto  # type: ignore[union-attr]
        sdr.close()
        assert pluto._radio.kernel_blocks["cf-ad9361-lpc"] == 4


@pytest.mark.usefixtures("small_blocks")
def test_a_capture_that_does_not_fit_in_the_radio_is_refused_with_its_limits(radio: tuple[PlutoSdr, World]) -> None:
    sdr, _ = radio
    assert sdr.max_samples == sdr.max_train_samples == 8000
    assert sdr.capture(8000).samples.size == 8000
    with pytest.raises(RadioError, match="8001 samples does not fit in its memory, 8000 do"):
        sdr.begin_capture(8001)


def test_the_blocks_are_those_of_the_kernel() -> None:
    """16 MiB a block (`industrialio_buffer_dma.max_block_size`), and half of 256 MiB of contiguous memory."""
    with opened({}) as (sdr, _):
        assert sdr.max_samples == sdr.max_train_samples == 32 << 20
