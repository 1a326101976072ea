"""What the simulated Pluto hears, and when: levels, imperfections, stale blocks, unknown starts, loopback."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays

from hil.sim.pluto_rx import START_JITTER_S

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
TX_LO = {"channel": "altvoltage1", "output": True}
RX_PATH = {"channel": "voltage0", "output": False}
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1024

some_examples = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tone(frequency_hz=RATE_HZ / 64, num_samples=FRAME):
    return np.exp(2j * np.pi * frequency_hz * np.arange(num_samples) / RATE_HZ)


@pytest.mark.parametrize("gain_db", [-3, 0, 30, 71])
def test_the_adc_is_full_at_the_declared_level_less_the_gain(make_radio, make_cable, gain_db):
    world = make_cable(level_dbm=-2.0 - gain_db - 6.02)
    pluto = make_radio(world, gain_db=gain_db, power={"rx_full_scale_dbm": -2.0})
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    assert np.abs(pluto.capture()).mean() == pytest.approx(1024, rel=2e-3)


def test_the_adc_clips_at_its_12_bits(make_radio, make_cable):
    pluto = make_radio(make_cable(loss_db=-20))
    pluto.send(tone())
    loud = pluto.capture()
    assert (loud.real.min(), loud.real.max()) == (-2048, 2047)
    assert (loud.imag.min(), loud.imag.max()) == (-2048, 2047)


RX_LO = {"channel": "altvoltage0", "output": True}


def retune(pluto):
    """Away and back: the LO locks anew."""
    hz = int(pluto.read_attr(PHY, "frequency", **RX_LO))
    for each in (hz + 1_000_000, hz):
        pluto.write_attr(PHY, "frequency", str(each), **RX_LO)


def test_the_dc_offset_is_as_declared_is_held_without_tracking_and_grows_with_a_new_lock(make_radio):
    pluto = make_radio(rx_dc_offset_dbfs=-50.0)
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    assert abs(pluto.capture().mean()) == pytest.approx(2048 * 10 ** (-50 / 20), abs=0.8)
    pluto.write_attr(PHY, "bb_dc_offset_tracking_en", "0", **RX_PATH)
    assert abs(pluto.capture().mean()) == pytest.approx(2048 * 10 ** (-50 / 20), abs=0.8)
    retune(pluto)
    assert abs(pluto.capture().mean()) == pytest.approx(2048 * 10 ** (-30 / 20), abs=0.8)


def test_quadrature_tracking_that_is_stopped_holds_until_the_lo_locks_anew(make_radio):
    pluto = make_radio(gain_db=30)
    pluto.send(tone(RATE_HZ / 16))

    def image_dbc():
        spectrum = np.abs(np.fft.fft(pluto.capture()))
        return 20 * np.log10(spectrum[-FRAME // 16] / spectrum[FRAME // 16])

    assert image_dbc() < -55
    pluto.write_attr(PHY, "quadrature_tracking_en", "0", **RX_PATH)
    assert image_dbc() < -55
    retune(pluto)
    assert image_dbc() == pytest.approx(-35, abs=1)
    pluto.write_attr(PHY, "quadrature_tracking_en", "1", **RX_PATH)
    assert image_dbc() < -55


@pytest.mark.parametrize(("mode", "first_is_controlled"), [("slow_attack", False), ("fast_attack", True)])
def test_automatic_gain_brings_a_strong_signal_off_the_limit(make_radio, make_cable, mode, first_is_controlled):
    pluto = make_radio(make_cable(level_dbm=-30.5), gain_db=71)
    pluto.write_attr(PHY, "gain_control_mode", mode, **RX_PATH)
    first, second = (np.abs(pluto.capture()).max() for _ in range(2))
    assert (first < 1000) == first_is_controlled
    assert 200 < second < 1000
    assert pluto.read_attr(PHY, "hardwaregain", **RX_PATH) == "18.000000 dB"


def test_the_offset_between_transmit_and_receive_is_whole_samples_and_new_for_each_capture(make_radio):
    pluto = make_radio(gain_db=30)
    wave = np.exp(1j * np.pi * np.arange(FRAME) ** 2 / FRAME)  # its periodic autocorrelation is a single peak
    pluto.send(wave)
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, FRAME)
    offsets = []
    for _ in range(20):
        likeness = np.fft.ifft(np.fft.fft(pluto.iq(buffer.read(4 * FRAME))) * np.fft.fft(wave).conj())
        offset = int(np.abs(likeness).argmax())
        assert np.abs(likeness[offset]) > 0.99 * np.linalg.norm(np.abs(likeness))  # one clean peak: no fraction
        offsets.append(offset)
    steps = {(b - a) % FRAME for a, b in itertools.pairwise(offsets)}
    assert len(steps) > 10


def test_of_four_blocks_those_filled_before_a_change_are_old_and_of_one_none(make_radio, make_cable):
    for count, old in ((4, 4), (1, 1)):
        pluto = make_radio(make_cable(level_dbm=-20.0), gain_db=0)
        pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
        pluto.set_kernel_buffers_count(RX, count)
        buffer = pluto.open_buffer(RX, FRAME)
        pluto.clock.sleep(0.1)
        pluto.write_attr(PHY, "hardwaregain", "10", **RX_PATH)
        levels = [np.abs(pluto.iq(buffer.read(4 * FRAME))).mean() for _ in range(6)]
        assert [level < 300 for level in levels] == [index < old for index in range(6)]


def test_a_capture_takes_the_turnaround_and_its_own_duration(make_radio):
    pluto = make_radio(usb_turnaround_s=5e-3)
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, 10_000)
    buffer.read(40_000)
    before_s = pluto.clock.now_s()
    buffer.read(40_000)
    assert pluto.clock.now_s() - before_s == pytest.approx(5e-3 + 1e-3, abs=101e-6)


def test_a_block_that_is_not_full_in_time_is_a_timeout(make_radio):
    pluto = make_radio()
    buffer = pluto.open_buffer(RX, 1 << 20)  # 105 ms
    with pytest.raises(TimeoutError):
        buffer.read(4 << 20, timeout_s=0.05)
    assert len(buffer.read(4 << 20, timeout_s=1.0)) == 4 << 20


def test_lost_samples_set_a_flag_that_stays_until_it_is_cleared(make_radio):
    pluto = make_radio()

    def status():
        return pluto.read_attr(RX, "direct_reg_access", kind="debug")

    pluto.write_attr(RX, "direct_reg_access", "0x80000088", kind="debug")
    buffer = pluto.open_buffer(RX, 20_000)  # 2 ms, longer than the turnaround
    for _ in range(6):
        buffer.read(80_000)
    assert status() == "0x0"
    pluto.clock.sleep(0.1)
    buffer.read(80_000)
    assert status() == "0x4"
    pluto.write_attr(RX, "direct_reg_access", "0x80000088 0x4", kind="debug")
    assert status() == "0x0"


def test_the_mask_selects_i_and_q(make_radio, make_cable):
    both = make_radio(make_cable(level_dbm=-20.0)).capture()
    for mask, part in ((1, both.real), (2, both.imag)):
        pluto = make_radio(make_cable(level_dbm=-20.0))
        words = np.frombuffer(pluto.open_buffer(RX, FRAME, mask).read(4 * FRAME), dtype="<i2")
        assert np.array_equal(words, part)


@given(arrays(np.int16, (64, 2)))
@some_examples
def test_digital_loopback_brings_back_the_upper_12_bits(make_radio, words):
    pluto = make_radio()
    pluto.write_attr(PHY, "loopback", "1", kind="debug")
    pluto.open_buffer(TX, 64, cyclic=True).write(words.tobytes())
    heard = np.frombuffer(pluto.open_buffer(RX, 64).read(256), dtype="<i2").reshape(-1, 2)
    shifts = (np.roll(words >> 4, shift, axis=0) for shift in range(64))
    assert any(np.array_equal(heard, shifted) for shifted in shifts)


def test_digital_loopback_hears_the_tones_and_the_air_hears_them_too(make_radio):
    pluto = make_radio()
    pluto.write_attr(PHY, "loopback", "1", kind="debug")
    pluto.write_attr(TX, "frequency", "100000", channel="TX1_I_F1", output=True)
    pluto.write_attr(TX, "scale", "0.5", channel="TX1_I_F1", output=True)
    heard = pluto.capture()
    assert heard.real.max() == pytest.approx(1024, abs=2)
    assert not heard.imag.any()
    assert len(pluto.world.on_air.tones) == 3


def test_a_calibration_interrupts_the_samples(make_radio, make_cable):
    pluto = make_radio(make_cable(level_dbm=-10.0), usb_turnaround_s=0.0)
    buffer = pluto.open_buffer(RX, 50_000)  # 5 ms
    pluto.clock.sleep(START_JITTER_S)
    pluto.write_attr(PHY, "calib_mode", "tx_quad")
    heard = np.abs(pluto.iq(buffer.read(200_000)))
    assert np.count_nonzero(heard == 0) == pytest.approx(20_000, abs=20)
    assert pluto.read_attr(PHY, "calib_mode") == "auto"
