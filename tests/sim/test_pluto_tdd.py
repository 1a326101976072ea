"""The TDD engine in the simulated Pluto: aligned captures, frames that step the board, the faces of pyadi-iio."""

import errno
from itertools import pairwise

import numpy as np
import pytest

from hil.channel import Paths, Scene
from hil.drivers.board import SurfaceBoard
from hil.firmware.profile import load_profile
from hil.interfaces import Geometry, StateSet
from hil.sim.adi_tddn import OneBitAdcDac, Tddn
from hil.sim.board import build_board
from hil.sim.serial_link import SimulatedLink
from hil.sim.world import World

PHY, RX = "ad9361-phy", "cf-ad9361-lpc"
CARRIER_HZ = 2.4e9
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1024
WAVE = np.exp(1j * np.pi * np.arange(FRAME) ** 2 / FRAME)


def frames(radio, length=4 * FRAME, burst_count=0, **settings):
    """The engine set up as in pyadi-iio's example, armed."""
    tdd, pins = Tddn(radio), OneBitAdcDac(radio)
    tdd.frame_length_raw, tdd.burst_count, tdd.startup_delay_ms = length, burst_count, 0.0
    for channel in tdd.channel:
        channel.enable, channel.polarity, channel.on_raw, channel.off_raw = True, False, 0, 10
    for name, value in settings.items():
        setattr(tdd, name, value)
    pins.gpio_phaser_enable = True
    tdd.enable = True
    return tdd


def lag(samples):
    """How far a capture lies behind the start of the wave."""
    return int(np.abs(np.fft.ifft(np.fft.fft(samples[:FRAME]) * np.fft.fft(WAVE).conj())).argmax())


def test_captures_begin_with_a_frame_so_that_their_lag_behind_the_transmitter_stays(make_radio):
    radio = make_radio(gain_db=30)
    radio.set_kernel_buffers_count(RX, 1)
    tdd = frames(radio)
    radio.send(WAVE)
    tdd.sync_soft = True
    buffer = radio.open_buffer(RX, FRAME)
    heard = [radio.iq(buffer.read(4 * FRAME)) for _ in range(6)]
    assert len({lag(samples) for samples in heard}) == 1
    turns = [abs(np.angle(np.vdot(a, b))) for a, b in pairwise(heard)]
    assert max(turns) < 0.01
    tdd.enable = False
    free = [lag(radio.capture(FRAME)) for _ in range(6)]
    assert len(set(free)) > 3


def test_nothing_is_sent_and_nothing_received_before_the_sync(make_radio):
    radio = make_radio(gain_db=30)
    tdd = frames(radio)
    radio.send(WAVE)
    assert radio.world.on_air.frame.size == 0
    buffer = radio.open_buffer(RX, FRAME)
    with pytest.raises(OSError) as caught:
        buffer.read(4 * FRAME, timeout_s=0.5)
    assert caught.value.errno == errno.ETIMEDOUT
    assert tdd.state == 1
    tdd.sync_soft = True
    assert radio.world.on_air.frame.size == FRAME
    assert tdd.state == 3
    assert np.abs(radio.iq(buffer.read(4 * FRAME))).mean() > 100


def test_blocks_longer_than_a_frame_go_on_and_the_next_waits_for_a_frame_without_a_flag(make_radio):
    radio = make_radio(gain_db=30)
    radio.set_kernel_buffers_count(RX, 1)
    tdd = frames(radio, length=3000)
    radio.send(WAVE)
    tdd.sync_soft = True
    buffer = radio.open_buffer(RX, 7000)
    lags = [lag(radio.iq(buffer.read(4 * 7000))) for _ in range(4)]
    register = {"kind": "debug"}
    assert all((b - a) % FRAME % np.gcd(3000, FRAME) == 0 for a, b in pairwise(lags))
    assert len(set(lags)) > 1  # 3000 is no multiple of the wave's length
    assert radio.read_attr(RX, "direct_reg_access", **register) == "0x0"


def test_a_change_of_rate_ends_the_frames(make_radio):
    radio = make_radio()
    tdd = frames(radio)
    tdd.sync_soft = True
    radio.write_attr(PHY, "sampling_frequency", "5000000", channel="voltage0")
    assert tdd.state == 1


def test_counts_and_milliseconds_are_one(make_radio):
    tdd = Tddn(make_radio())
    tdd.frame_length_ms = 2.5
    assert tdd.frame_length_raw == 25_000
    tdd.channel[1].on_raw = 1000
    assert tdd.channel[1].on_ms == pytest.approx(0.1)
    with pytest.raises(OSError, match="frame_length"):
        tdd.frame_length_raw = 0


def surface_alone():
    """A scene in which all elements add in phase."""
    ahead = np.array([[0.0, 0.0, 1.0]])
    hop, none = Paths(np.ones(1, complex), np.zeros(1), ahead), Paths(np.zeros(1, complex), np.zeros(1), 0 * ahead)
    return Scene(none, hop, hop, CARRIER_HZ)


def test_the_pulse_of_each_frame_steps_the_board_and_one_capture_meets_all_patterns(make_radio, make_station):
    profile, num_patterns, frame = load_profile("reference-64x64"), 12, 2000
    reflection = StateSet(np.array([CARRIER_HZ]), np.array([[0, 1]], complex))
    world = World(make_station(), Geometry(64, 64, 1e-6, 1e-6), reflection, 5e-6, scene=surface_alone())
    link = SimulatedLink(build_board(profile, world), world.clock)
    surface = SurfaceBoard(link, profile, world.clock)
    surface.open()
    patterns = (np.arange(4096) < 300 * (1 + np.arange(num_patterns))[:, None]).astype(np.uint8)
    surface.load_codebook(patterns)
    surface.arm_sequence(0, num_patterns, 1e-4, "trigger")
    radio = make_radio(world, power={"tx_full_scale_dbm": -80.0})
    for oscillator in ("altvoltage0", "altvoltage1"):
        radio.write_attr(PHY, "frequency", f"{CARRIER_HZ:.0f}", channel=oscillator, output=True)
    radio.connect_pulse(link.line.trigger)
    tdd = frames(radio, length=frame, burst_count=num_patterns)
    radio.send(np.ones(16, complex))
    buffer = radio.open_buffer(RX, num_patterns * frame)
    tdd.sync_soft = True
    heard = np.abs(radio.iq(buffer.read(4 * num_patterns * frame))).reshape(num_patterns, frame)
    settled = heard[:, 500:-50]  # the board takes 10 us, the surface 5 us, the capture begins up to 32 samples late
    assert np.allclose(settled / settled.mean(axis=1, keepdims=True), 1, atol=0.02)
    assert np.allclose(settled.mean(axis=1) / settled[0].mean(), 1 + np.arange(num_patterns), rtol=0.02)
    assert surface.sequence_status()["overruns"] == 0
