"""What the simulated Pluto sends: levels, imperfections, tones and buffers, and what a calibration lets out."""

import errno
import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.sim.fir_text import fir_text
from hil.sim.pluto_rx import START_JITTER_S

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
TX_LO = {"channel": "altvoltage1", "output": True}
RX_PATH = {"channel": "voltage0", "output": False}
TX_PATH = {"channel": "voltage0", "output": True}
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1024

some_examples = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tone(frequency_hz=RATE_HZ / 64, num_samples=FRAME):
    return np.exp(2j * np.pi * frequency_hz * np.arange(num_samples) / RATE_HZ)


def power_dbm(transmission):
    return 10 * np.log10(np.mean(np.abs(transmission.frame) ** 2))


def test_a_full_scale_sine_without_attenuation_has_the_declared_power(make_radio):
    pluto = make_radio(power={"tx_full_scale_dbm": 7.5})
    pluto.send(tone())
    assert power_dbm(pluto.world.on_air) == pytest.approx(7.5, abs=0.01)


@given(st.integers(0, 359).map(lambda quarters: quarters / 4))
@some_examples
def test_each_db_of_attenuation_takes_a_db(make_radio, attenuation_db):
    pluto = make_radio()
    pluto.write_attr(PHY, "hardwaregain", str(-attenuation_db), **TX_PATH)
    pluto.send(tone())
    assert power_dbm(pluto.world.on_air) == pytest.approx(-attenuation_db, abs=0.01)


@pytest.mark.parametrize(("plan_rate_hz", "difference_db"), [(None, 0.0), (12.8e6, 0.0), (25e6, -6.02)])
def test_the_filter_of_low_rates_costs_6_db_against_a_plan_for_high_ones(make_radio, plan_rate_hz, difference_db):
    pluto = make_radio(plan_rate_hz=plan_rate_hz)
    pluto.write_attr(PHY, "filter_fir_config", fir_text(RATE_HZ))
    pluto.write_attr(PHY, "voltage_filter_fir_en", "1", channel="out")
    pluto.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    pluto.send(tone())
    assert power_dbm(pluto.world.on_air) == pytest.approx(difference_db, abs=0.01)


def test_lo_leakage_is_as_far_below_full_scale_as_declared_and_falls_with_the_attenuation(make_radio):
    pluto = make_radio(tx_lo_leakage_dbc=-40.0)
    world = pluto.world
    for attenuation_db in (0, 30):
        pluto.write_attr(PHY, "hardwaregain", str(-attenuation_db), **TX_PATH)
        ((offset_hz, amplitude),) = world.on_air.tones
        assert (offset_hz, 20 * math.log10(abs(amplitude))) == (0.0, pytest.approx(-40 - attenuation_db))


def test_with_the_tx_lo_down_nothing_at_all_leaves_and_no_error_says_so(make_radio):
    pluto = make_radio(tx_lo_leakage_dbc=-40.0)
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    pluto.send(tone())
    pluto.write_attr(PHY, "frequency", "2500000000", **TX_LO)
    assert pluto.world.on_air is None
    pluto.write_attr(PHY, "powerdown", "0", **TX_LO)
    assert pluto.world.on_air.frame.size == FRAME


def test_a_cyclic_frame_is_sent_until_its_buffer_is_closed_and_takes_no_second(make_radio):
    pluto = make_radio()
    world = pluto.world
    buffer = pluto.send(tone())
    pluto.clock.sleep(3600.0)
    assert world.on_air.cyclic
    with pytest.raises(OSError) as caught:
        buffer.write(pluto.words(tone()))
    assert caught.value.errno == errno.EBUSY
    buffer.close()
    assert world.on_air.frame.size == 0


@pytest.mark.parametrize("frequency_hz", [1_000_000, -1_000_000])
def test_dds_tones_are_heard_at_their_frequency_on_their_side(make_radio, frequency_hz):
    pluto = make_radio(gain_db=30)
    i_leads = frequency_hz > 0
    for channel, phase in (("TX1_I_F1", 90000 * i_leads), ("TX1_Q_F1", 90000 * (not i_leads))):
        for name, value in (("frequency", abs(frequency_hz)), ("phase", phase), ("scale", 0.5)):
            pluto.write_attr(TX, name, str(value), channel=channel, output=True)
    spectrum = np.abs(np.fft.fft(pluto.capture(1000)))
    assert np.fft.fftfreq(1000, 1 / RATE_HZ)[spectrum.argmax()] == frequency_hz
    ((_, amplitude), *_) = [line for line in pluto.world.on_air.tones if line[0] != 0]
    assert abs(amplitude) == pytest.approx(0.5, abs=1e-3)


def test_a_closed_buffer_gives_way_to_the_tones_even_where_raw_said_zero(make_radio):
    pluto = make_radio()
    world = pluto.world
    pluto.write_attr(TX, "scale", "0.25", channel="altvoltage0", output=True)
    tones = dict(world.on_air.tones)
    assert len(tones) == 3  # a real tone has two lines, and there is the carrier
    pluto.write_attr(TX, "raw", "0", channel="altvoltage0", output=True)
    assert set(dict(world.on_air.tones)) == {0.0}
    buffer = pluto.send(tone())
    assert set(dict(world.on_air.tones)) == {0.0}
    buffer.close()
    assert set(dict(world.on_air.tones)) == set(tones)


@pytest.mark.parametrize("raw", ["0", "1"])
def test_any_write_to_raw_ends_what_a_buffer_sends(make_radio, raw):
    pluto = make_radio()
    pluto.send(tone())
    pluto.write_attr(TX, "raw", raw, channel="altvoltage3", output=True)
    assert pluto.world.on_air.frame.size == 0


def test_blocks_that_are_sent_once_follow_one_another_without_a_gap_and_then_there_is_silence(make_radio, make_cable):
    pluto = make_radio(make_cable(loss_db=0.0), usb_turnaround_s=0.0)
    levels = [0.2, 0.4, 0.6]
    receiver = pluto.open_buffer(RX, 8 * FRAME)
    pluto.clock.sleep(START_JITTER_S)
    buffer = pluto.open_buffer(TX, FRAME)
    for level in levels:
        buffer.write(pluto.words(np.full(FRAME, level, complex)))
    heard = np.abs(pluto.iq(receiver.read(32 * FRAME))) / 2048
    lengths = [(round(float(value), 1), len(list(run))) for value, run in itertools.groupby(np.round(heard, 1))]
    assert lengths[-4:-1] == [(level, FRAME) for level in levels]
    assert lengths[-1][0] == 0


def test_a_full_transmit_queue_makes_the_writer_wait(make_radio):
    pluto = make_radio()
    clock = pluto.clock
    buffer = pluto.open_buffer(TX, 100_000)  # 10 ms
    started_s = clock.now_s()
    for _ in range(4):
        buffer.write(pluto.words(tone(num_samples=100_000)))
    assert clock.now_s() - started_s < 1e-6
    buffer.write(pluto.words(tone(num_samples=100_000)))
    assert clock.now_s() - started_s == pytest.approx(10e-3, abs=1e-6)
    with pytest.raises(TimeoutError):
        buffer.write(pluto.words(tone(num_samples=100_000)), timeout_s=1e-3)


def test_what_is_sent_follows_a_change_of_attenuation_and_keeps_its_place_in_the_frame(make_radio):
    pluto = make_radio(gain_db=30, usb_turnaround_s=0.0)
    pluto.send(tone())
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, 8 * FRAME)
    pluto.clock.sleep(4 * FRAME / RATE_HZ)
    pluto.write_attr(PHY, "hardwaregain", "-6", **TX_PATH)
    heard = pluto.iq(buffer.read(32 * FRAME))
    loud, soft = heard[:FRAME], heard[-FRAME:]
    assert np.abs(loud).mean() / np.abs(soft).mean() == pytest.approx(10 ** (6 / 20), rel=0.02)
    turns = heard[1:] * heard[:-1].conj()
    assert np.abs(np.angle(turns * np.exp(-2j * np.pi / 64))).max() < 0.1  # no jump of phase anywhere


def emitted_tones(world):
    return [sent.tones[0] for _, sent in world.history if sent is not None and sent.tones[0][0] != 0]


def test_a_large_step_of_the_tx_lo_starts_a_calibration_that_is_heard_outside(make_radio):
    pluto = make_radio()
    world = pluto.world
    world.history = world.history[-1:]
    pluto.write_attr(PHY, "frequency", "2450000000", **TX_LO)
    assert not emitted_tones(world)
    pluto.write_attr(PHY, "frequency", "2600000000", **TX_LO)
    assert len(emitted_tones(world)) == 1
    assert world.on_air.tones[0][0] == 0  # it is over


def test_no_calibration_is_heard_with_the_lo_down_or_in_manual_mode(make_radio):
    for attribute, value, path in (("powerdown", "1", TX_LO), ("calib_mode", "manual", {})):
        pluto = make_radio()
        world = pluto.world
        pluto.write_attr(PHY, attribute, value, **path)
        world.history = world.history[-1:]
        pluto.write_attr(PHY, "frequency", "3000000000", **TX_LO)
        pluto.write_attr(PHY, "sampling_frequency", "20000000", **RX_PATH)
        assert not emitted_tones(world)
