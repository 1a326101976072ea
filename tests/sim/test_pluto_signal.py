"""What the simulated Pluto sends and hears over a cable: levels, phases, imperfections, beginnings and ends."""

import errno
import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hil.sim.fir_text import fir_text
from hil.sim.pluto import SimulatedPluto
from hil.sim.pluto_rx import START_JITTER_S

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
RX_LO = {"channel": "altvoltage0", "output": True}
TX_LO = {"channel": "altvoltage1", "output": True}
RX_PATH = {"channel": "voltage0", "output": False}
TX_PATH = {"channel": "voltage0", "output": True}
RATE_HZ = 10_000_000
FRAME = 1024

some_examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def one_frequency(pluto: SimulatedPluto, *, gain_db: int = 0) -> SimulatedPluto:
    """Both LOs at one frequency, 10 MS/s, manual gain, no attenuation."""
    pluto.write_attr(PHY, "sampling_frequency", str(RATE_HZ), **RX_PATH)
    for oscillator in (RX_LO, TX_LO):
        pluto.write_attr(PHY, "frequency", "2400000000", **oscillator)
    pluto.write_attr(PHY, "gain_control_mode", "manual", **RX_PATH)
    pluto.write_attr(PHY, "hardwaregain", str(gain_db), **RX_PATH)
    pluto.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    return pluto


@pytest.fixture
def make_radio(make_pluto):
    return lambda world=None, gain_db=0, **options: one_frequency(make_pluto(world, **options), gain_db=gain_db)


def words_of(wave):
    """Bytes of a transmit buffer; full scale = 1."""
    codes = np.stack([wave.real, wave.imag], axis=-1) * 32767
    return np.rint(codes).astype("<i2").tobytes()


def send(pluto, wave, cyclic=True):
    buffer = pluto.open_buffer(TX, len(wave), cyclic=cyclic)
    buffer.write(words_of(wave))
    return buffer


def iq(data):
    words = np.frombuffer(data, dtype="<i2").reshape(-1, 2)
    return words[:, 0] + 1j * words[:, 1]


def capture(pluto, num_samples=FRAME):
    buffer = pluto.open_buffer(RX, num_samples)
    try:
        return iq(buffer.read(4 * num_samples))
    finally:
        buffer.close()


def tone(frequency_hz=RATE_HZ / 64, num_samples=FRAME, rate_hz=RATE_HZ):
    return np.exp(2j * np.pi * frequency_hz * np.arange(num_samples) / rate_hz)


def power_dbm(transmission):
    return 10 * np.log10(np.mean(np.abs(transmission.frame) ** 2))


def phase_between(pluto):
    """Phase of a received constant (DC) frame; the noise-free cable turns nothing."""
    buffer = send(pluto, np.ones(16, complex))
    phase = np.angle(capture(pluto).mean())
    buffer.close()
    return phase


def differs(a, b):
    return abs(np.exp(1j * a) - np.exp(1j * b)) > 1e-2


# ------------------------------------------------------------------------------------------------------------- levels


def test_a_full_scale_sine_without_attenuation_has_the_declared_power(make_radio):
    pluto = make_radio(power={"tx_full_scale_dbm": 7.5})
    send(pluto, tone())
    assert power_dbm(pluto._radio.world.on_air) == pytest.approx(7.5, abs=0.01)


@given(st.integers(0, 359).map(lambda quarters: quarters / 4))
@some_examples
def test_each_db_of_attenuation_takes_a_db(make_radio, attenuation_db):
    pluto = make_radio()
    pluto.write_attr(PHY, "hardwaregain", str(-attenuation_db), **TX_PATH)
    send(pluto, tone())
    assert power_dbm(pluto._radio.world.on_air) == pytest.approx(-attenuation_db, abs=0.01)


@pytest.mark.parametrize(("plan_rate_hz", "difference_db"), [(None, 0.0), (12.8e6, 0.0), (25e6, -6.02)])
def test_the_filter_of_low_rates_costs_6_db_against_a_plan_for_high_ones(make_radio, plan_rate_hz, difference_db):
    pluto = make_radio(plan_rate_hz=plan_rate_hz)
    pluto.write_attr(PHY, "filter_fir_config", fir_text(RATE_HZ))
    pluto.write_attr(PHY, "voltage_filter_fir_en", "1", channel="out")
    pluto.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    send(pluto, tone())
    assert power_dbm(pluto._radio.world.on_air) == pytest.approx(difference_db, abs=0.01)


@pytest.mark.parametrize("gain_db", [-3, 0, 30, 71])
def test_the_adc_is_full_at_the_declared_level_less_the_gain(make_radio, make_cable, gain_db):
    world = make_cable(level_dbm=-2.0 - gain_db - 6.02)
    pluto = make_radio(world, gain_db=gain_db, power={"rx_full_scale_dbm": -2.0})
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    assert np.abs(capture(pluto)).mean() == pytest.approx(1024, rel=2e-3)


def test_the_adc_clips_at_its_12_bits(make_radio, make_cable):
    samples = capture(make_radio(make_cable(level_dbm=20.0)))
    send_loud = make_radio(make_cable(loss_db=-20))
    buffer = send(send_loud, tone())
    loud = capture(send_loud)
    buffer.close()
    assert np.abs(samples).max() > 2047
    assert (loud.real.min(), loud.real.max()) == (-2048, 2047)
    assert (loud.imag.min(), loud.imag.max()) == (-2048, 2047)


def test_lo_leakage_is_as_far_below_full_scale_as_declared_and_falls_with_the_attenuation(make_radio):
    pluto = make_radio(tx_lo_leakage_dbc=-40.0)
    world = pluto._radio.world
    for attenuation_db in (0, 30):
        pluto.write_attr(PHY, "hardwaregain", str(-attenuation_db), **TX_PATH)
        ((offset_hz, amplitude),) = world.on_air.tones
        assert (offset_hz, 20 * math.log10(abs(amplitude))) == (0.0, pytest.approx(-40 - attenuation_db))


def test_the_dc_offset_is_as_declared_and_grows_without_tracking(make_radio):
    pluto = make_radio(rx_dc_offset_dbfs=-50.0)
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    assert abs(capture(pluto).mean()) == pytest.approx(2048 * 10 ** (-50 / 20), abs=0.8)
    pluto.write_attr(PHY, "bb_dc_offset_tracking_en", "0", **RX_PATH)
    assert abs(capture(pluto).mean()) == pytest.approx(2048 * 10 ** (-30 / 20), abs=0.8)


def test_without_quadrature_tracking_there_is_an_image(make_radio):
    pluto = make_radio(gain_db=30)
    send(pluto, tone(RATE_HZ / 16))

    def image_dbc():
        spectrum = np.abs(np.fft.fft(capture(pluto)))
        return 20 * np.log10(spectrum[-FRAME // 16] / spectrum[FRAME // 16])

    assert image_dbc() < -55
    pluto.write_attr(PHY, "quadrature_tracking_en", "0", **RX_PATH)
    assert image_dbc() == pytest.approx(-35, abs=1)


@pytest.mark.parametrize(("mode", "first_is_controlled"), [("slow_attack", False), ("fast_attack", True)])
def test_automatic_gain_brings_a_strong_signal_off_the_limit(make_radio, make_cable, mode, first_is_controlled):
    pluto = make_radio(make_cable(level_dbm=-30.5), gain_db=71)
    pluto.write_attr(PHY, "gain_control_mode", mode, **RX_PATH)
    first, second = (np.abs(capture(pluto)).max() for _ in range(2))
    assert (first < 1000) == first_is_controlled
    assert 200 < second < 1000
    assert pluto.read_attr(PHY, "hardwaregain", **RX_PATH) == "18.000000 dB"


# ------------------------------------------------------------------------------------------------------------- phases


def test_each_pll_has_a_phase_of_its_own_that_changes_when_it_locks_anew(make_radio):
    pluto = make_radio(gain_db=30)
    phases = [phase_between(pluto)]
    for oscillator in (RX_LO, TX_LO):
        for frequency_hz in (2_410_000_000, 2_400_000_000):
            pluto.write_attr(PHY, "frequency", str(frequency_hz), **oscillator)
        phases.append(phase_between(pluto))
    pluto.write_attr(PHY, "sampling_frequency", str(RATE_HZ), **RX_PATH)
    pluto.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    phases.append(phase_between(pluto))
    assert all(differs(a, b) for a, b in itertools.combinations(phases, 2))


def test_the_phase_holds_while_nothing_locks_anew(make_radio):
    pluto = make_radio(gain_db=30)
    before = phase_between(pluto)
    pluto.write_attr(PHY, "frequency", "2400000000", **RX_LO)  # where it is already
    pluto.write_attr(PHY, "hardwaregain", "-3", **TX_PATH)
    pluto._radio.clock.sleep(10.0)
    assert not differs(before, phase_between(pluto))


def test_the_phase_changes_with_the_amplifiers_stage_and_comes_back_with_it(make_radio):
    pluto = make_radio(gain_db=20)
    phases = []
    for gain_db in (20, 40, 20):
        pluto.write_attr(PHY, "hardwaregain", str(gain_db), **RX_PATH)
        phases.append(phase_between(pluto))
    assert differs(phases[0], phases[1])
    assert not differs(phases[0], phases[2])


@pytest.mark.parametrize(("seed", "same"), [(1, True), (2, False)])
def test_hidden_phases_and_starts_are_a_function_of_the_seed(make_radio, seed, same):
    def heard(seed):
        pluto = make_radio(gain_db=30, seed=seed)
        send(pluto, tone())
        return capture(pluto)

    assert np.array_equal(heard(1), heard(seed)) == same


# -------------------------------------------------------------------------------------------- when a capture begins


def test_the_offset_between_transmit_and_receive_is_whole_samples_and_new_for_each_capture(make_radio):
    pluto = make_radio(gain_db=30)
    wave = np.exp(1j * np.pi * np.arange(FRAME) ** 2 / FRAME)  # its periodic autocorrelation is a single peak
    send(pluto, wave)
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, FRAME)
    offsets = []
    for _ in range(20):
        likeness = np.fft.ifft(np.fft.fft(iq(buffer.read(4 * FRAME))) * np.fft.fft(wave).conj())
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
        pluto._radio.clock.sleep(0.1)
        pluto.write_attr(PHY, "hardwaregain", "10", **RX_PATH)
        levels = [np.abs(iq(buffer.read(4 * FRAME))).mean() for _ in range(6)]
        assert [level < 300 for level in levels] == [index < old for index in range(6)]


def test_a_capture_takes_the_turnaround_and_its_own_duration(make_radio):
    pluto = make_radio(usb_turnaround_s=5e-3)
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, 10_000)
    buffer.read(40_000)
    before_s = pluto._radio.clock.now_s()
    buffer.read(40_000)
    assert pluto._radio.clock.now_s() - before_s == pytest.approx(5e-3 + 1e-3, abs=101e-6)


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
    pluto._radio.clock.sleep(0.1)
    buffer.read(80_000)
    assert status() == "0x4"
    pluto.write_attr(RX, "direct_reg_access", "0x80000088 0x4", kind="debug")
    assert status() == "0x0"


def test_the_mask_selects_i_and_q(make_radio, make_cable):
    both = capture(make_radio(make_cable(level_dbm=-20.0)))
    for mask, part in ((1, both.real), (2, both.imag)):
        pluto = make_radio(make_cable(level_dbm=-20.0))
        words = np.frombuffer(pluto.open_buffer(RX, FRAME, mask).read(4 * FRAME), dtype="<i2")
        assert np.array_equal(words, part)


# ----------------------------------------------------------------------------------------------------- what is on air


def test_with_the_tx_lo_down_nothing_at_all_leaves_and_no_error_says_so(make_radio):
    pluto = make_radio(tx_lo_leakage_dbc=-40.0)
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    send(pluto, tone())
    pluto.write_attr(PHY, "frequency", "2500000000", **TX_LO)
    assert pluto._radio.world.on_air is None
    pluto.write_attr(PHY, "powerdown", "0", **TX_LO)
    assert pluto._radio.world.on_air.frame.size == FRAME


@pytest.mark.parametrize("mode", ["sleep", "alert"])
def test_a_chip_that_is_not_running_neither_sends_nor_hears(make_radio, make_cable, mode):
    pluto = make_radio(make_cable(level_dbm=-10.0))
    pluto.write_attr(PHY, "ensm_mode", mode)
    assert pluto._radio.world.on_air is None
    assert not capture(pluto).any()
    pluto.write_attr(PHY, "ensm_mode", "fdd")
    assert capture(pluto).any()


def test_a_cyclic_frame_is_sent_until_its_buffer_is_closed_and_takes_no_second(make_radio):
    pluto = make_radio()
    world = pluto._radio.world
    buffer = send(pluto, tone())
    pluto._radio.clock.sleep(3600.0)
    assert world.on_air.cyclic
    with pytest.raises(OSError) as caught:
        buffer.write(words_of(tone()))
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
    spectrum = np.abs(np.fft.fft(capture(pluto, 1000)))
    assert np.fft.fftfreq(1000, 1 / RATE_HZ)[spectrum.argmax()] == frequency_hz
    ((_, amplitude), *_) = [line for line in pluto._radio.world.on_air.tones if line[0] != 0]
    assert abs(amplitude) == pytest.approx(0.5, abs=1e-3)


def test_a_closed_buffer_gives_way_to_the_tones_even_where_raw_said_zero(make_radio):
    pluto = make_radio()
    world = pluto._radio.world
    pluto.write_attr(TX, "scale", "0.25", channel="altvoltage0", output=True)
    tones = dict(world.on_air.tones)
    assert len(tones) == 3  # a real tone has two lines, and there is the carrier
    pluto.write_attr(TX, "raw", "0", channel="altvoltage0", output=True)
    assert set(dict(world.on_air.tones)) == {0.0}
    buffer = send(pluto, tone())
    assert set(dict(world.on_air.tones)) == {0.0}
    buffer.close()
    assert set(dict(world.on_air.tones)) == set(tones)


@pytest.mark.parametrize("raw", ["0", "1"])
def test_any_write_to_raw_ends_what_a_buffer_sends(make_radio, raw):
    pluto = make_radio()
    send(pluto, tone())
    pluto.write_attr(TX, "raw", raw, channel="altvoltage3", output=True)
    assert pluto._radio.world.on_air.frame.size == 0


def test_blocks_that_are_sent_once_follow_one_another_without_a_gap_and_then_there_is_silence(make_radio, make_cable):
    pluto = make_radio(make_cable(loss_db=0.0), usb_turnaround_s=0.0)
    levels = [0.2, 0.4, 0.6]
    receiver = pluto.open_buffer(RX, 8 * FRAME)
    pluto._radio.clock.sleep(START_JITTER_S)
    buffer = pluto.open_buffer(TX, FRAME)
    for level in levels:
        buffer.write(words_of(np.full(FRAME, level, complex)))
    heard = np.abs(iq(receiver.read(32 * FRAME))) / 2048
    lengths = [(round(float(value), 1), len(list(run))) for value, run in itertools.groupby(np.round(heard, 1))]
    assert lengths[-4:-1] == [(level, FRAME) for level in levels]
    assert lengths[-1][0] == 0


def test_a_full_transmit_queue_makes_the_writer_wait(make_radio):
    pluto = make_radio()
    clock = pluto._radio.clock
    buffer = pluto.open_buffer(TX, 100_000)  # 10 ms
    started_s = clock.now_s()
    for _ in range(4):
        buffer.write(words_of(tone(num_samples=100_000)))
    assert clock.now_s() - started_s < 1e-6
    buffer.write(words_of(tone(num_samples=100_000)))
    assert clock.now_s() - started_s == pytest.approx(10e-3, abs=1e-6)
    with pytest.raises(TimeoutError):
        buffer.write(words_of(tone(num_samples=100_000)), timeout_s=1e-3)


def test_what_is_sent_follows_a_change_of_attenuation_and_keeps_its_place_in_the_frame(make_radio):
    pluto = make_radio(gain_db=30, usb_turnaround_s=0.0)
    send(pluto, tone())
    pluto.set_kernel_buffers_count(RX, 1)
    buffer = pluto.open_buffer(RX, 8 * FRAME)
    pluto._radio.clock.sleep(4 * FRAME / RATE_HZ)
    pluto.write_attr(PHY, "hardwaregain", "-6", **TX_PATH)
    heard = iq(buffer.read(32 * FRAME))
    loud, soft = heard[:FRAME], heard[-FRAME:]
    assert np.abs(loud).mean() / np.abs(soft).mean() == pytest.approx(10 ** (6 / 20), rel=0.02)
    turns = heard[1:] * heard[:-1].conj()
    assert np.abs(np.angle(turns * np.exp(-2j * np.pi / 64))).max() < 0.1  # no jump of phase anywhere


# --------------------------------------------------------------------------------------------------- digital loopback


@given(arrays(np.int16, (64, 2)))
@some_examples
def test_digital_loopback_brings_back_the_upper_12_bits(make_pluto, words):
    pluto = one_frequency(make_pluto())
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
    heard = capture(pluto)
    assert heard.real.max() == pytest.approx(1024, abs=2)
    assert not heard.imag.any()
    assert len(pluto._radio.world.on_air.tones) == 3


# -------------------------------------------------------------------------------------------------------- calibration


def emitted_tones(world):
    return [sent.tones[0] for _, sent in world.history if sent is not None and sent.tones[0][0] != 0]


def test_a_large_step_of_the_tx_lo_starts_a_calibration_that_is_heard_outside(make_radio):
    pluto = make_radio()
    world = pluto._radio.world
    world.history = world.history[-1:]
    pluto.write_attr(PHY, "frequency", "2450000000", **TX_LO)
    assert not emitted_tones(world)
    pluto.write_attr(PHY, "frequency", "2600000000", **TX_LO)
    assert len(emitted_tones(world)) == 1
    assert world.on_air.tones[0][0] == 0  # it is over


def test_no_calibration_is_heard_with_the_lo_down_or_in_manual_mode(make_radio):
    for attribute, value, path in (("powerdown", "1", TX_LO), ("calib_mode", "manual", {})):
        pluto = make_radio()
        world = pluto._radio.world
        pluto.write_attr(PHY, attribute, value, **path)
        world.history = world.history[-1:]
        pluto.write_attr(PHY, "frequency", "3000000000", **TX_LO)
        pluto.write_attr(PHY, "sampling_frequency", "20000000", **RX_PATH)
        assert not emitted_tones(world)


def test_a_calibration_interrupts_the_samples(make_radio, make_cable):
    pluto = make_radio(make_cable(level_dbm=-10.0), usb_turnaround_s=0.0)
    buffer = pluto.open_buffer(RX, 50_000)  # 5 ms
    pluto._radio.clock.sleep(START_JITTER_S)
    pluto.write_attr(PHY, "calib_mode", "tx_quad")
    heard = np.abs(iq(buffer.read(200_000)))
    assert np.count_nonzero(heard == 0) == pytest.approx(20_000, abs=20)
    assert pluto.read_attr(PHY, "calib_mode") == "auto"


# ------------------------------------------------------------------------------------------------- owners and absence


@pytest.mark.parametrize(("first", "second", "busy"), [(0, 0, False), (0, 1, True), (1, 0, True), (1, 1, True)])
def test_a_second_buffer_is_refused_only_where_either_is_cyclic(make_radio, first, second, busy):
    pluto = make_radio()
    pluto.open_buffer(TX, FRAME, cyclic=bool(first))
    if busy:
        with pytest.raises(OSError) as caught:
            pluto.open_buffer(TX, FRAME, cyclic=bool(second))
        assert caught.value.errno == errno.EBUSY
    else:
        pluto.open_buffer(TX, FRAME, cyclic=bool(second))


def test_two_receivers_share_the_device(make_radio, make_cable):
    pluto = make_radio(make_cable(level_dbm=-20.0))
    buffers = [pluto.open_buffer(RX, FRAME) for _ in range(2)]
    assert all(iq(buffer.read(4 * FRAME)).any() for buffer in buffers)


def test_the_number_of_kernel_blocks_cannot_change_under_an_open_buffer_and_outlives_it(make_radio):
    pluto = make_radio()
    buffer = pluto.open_buffer(RX, FRAME)
    with pytest.raises(OSError) as caught:
        pluto.set_kernel_buffers_count(RX, 1)
    assert caught.value.errno == errno.EBUSY
    buffer.close()
    pluto.set_kernel_buffers_count(RX, 1)
    pluto.open_buffer(RX, FRAME).close()
    assert pluto._radio.kernel_blocks[RX] == 1


@pytest.mark.parametrize(
    ("device", "num_samples", "mask", "cyclic", "code"),
    [
        (RX, 0, 3, False, errno.EINVAL),
        (RX, FRAME, 0, False, errno.EINVAL),
        (RX, FRAME, 4, False, errno.EINVAL),
        (RX, FRAME, 3, True, errno.EINVAL),
        (RX, 1 << 28, 3, False, errno.ENOMEM),
        (PHY, FRAME, 3, False, errno.EINVAL),
        ("dac", FRAME, 3, False, errno.ENODEV),
    ],
)
def test_a_buffer_that_cannot_be_is_refused(make_radio, device, num_samples, mask, cyclic, code):
    with pytest.raises(OSError) as caught:
        make_radio().open_buffer(device, num_samples, mask, cyclic)
    assert caught.value.errno == code


def test_an_input_takes_nothing_and_an_output_gives_nothing_and_a_closed_one_neither(make_radio):
    pluto = make_radio()
    receiver, transmitter = pluto.open_buffer(RX, FRAME), pluto.open_buffer(TX, FRAME)
    refused = [(lambda: receiver.write(b"1234"), errno.ENOSYS), (lambda: transmitter.read(4), errno.ENOSYS)]
    refused += [(lambda: transmitter.write(bytes(4 * FRAME + 4)), errno.EINVAL)]
    refused += [(lambda: transmitter.write(b"123"), errno.EINVAL)]
    for action, code in refused:
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == code
    for buffer, action in ((receiver, lambda: receiver.read(4)), (transmitter, lambda: transmitter.write(bytes(4)))):
        buffer.close()
        buffer.close()
        with pytest.raises(OSError) as caught:
            action()
        assert caught.value.errno == errno.EBADF


def test_pulling_the_cable_ends_the_transmission_and_every_call_until_it_boots_afresh(make_radio):
    pluto = make_radio()
    buffer = send(pluto, tone())
    pluto.unplug()
    assert pluto._radio.world.on_air is None
    calls = [lambda: pluto.read_attr(PHY, "calib_mode"), lambda: pluto.open_buffer(RX, 8), pluto.describe]
    for call in calls:
        with pytest.raises(BrokenPipeError):
            call()
    pluto.plug_in()
    with pytest.raises(OSError):
        buffer.write(words_of(tone()))
    buffer.close()
    assert pluto.read_attr(PHY, "gain_control_mode", **RX_PATH) == "slow_attack"
    assert pluto._radio.world.on_air.frame.size == 0
