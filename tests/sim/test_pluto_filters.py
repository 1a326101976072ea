"""The band's edges, the image of the transmit mixer, and a USB that is too slow."""

from itertools import pairwise

import numpy as np
import pytest

from hil.sim.fir_text import fir_text
from hil.sim.pluto_filters import MEMORY, Filters, filtered
from hil.sim.pluto_fir import parse_fir
from hil.sim.pluto_rx import START_JITTER_S

PHY, RX = "ad9361-phy", "cf-ad9361-lpc"
RATE_HZ = 10_000_000  # of make_radio
FRAME = 1000
RX_PATH, TX_PATH = ({"channel": "voltage0", "output": output} for output in (False, True))
TX_LO = {"channel": "altvoltage1", "output": True}


def tone(frequency_hz):
    return np.exp(2j * np.pi * frequency_hz * np.arange(FRAME) / RATE_HZ)


def heard_db(radio, frequency_hz, sent_hz=None):
    """Level of a line in what is received while another, or the same, is sent."""
    buffer = radio.send(0.9 * tone(frequency_hz if sent_hz is None else sent_hz))
    samples = radio.capture(4 * FRAME).reshape(4, FRAME).mean(axis=0)
    buffer.close()
    return 20 * np.log10(np.abs((samples * tone(frequency_hz).conj()).mean()))


def test_the_analog_filters_lose_3_db_at_their_corner_and_fall_by_18_db_per_octave():
    corner_hz = 1.4 * 2e6 / 2
    filters = Filters(2e6, 1.4, 1e6)
    level_db = 20 * np.log10(np.abs(filters(np.array([0.0, corner_hz, 8 * corner_hz, 16 * corner_hz]))))
    assert level_db[:2] == pytest.approx([0, -3.01], abs=0.01)
    assert level_db[2] - level_db[3] == pytest.approx(18.06, abs=0.1)


def test_the_fir_is_the_sum_of_its_taps_and_its_delay_half_their_length():
    fir = parse_fir(fir_text(RATE_HZ))
    filters = Filters(1e12, 1.4, 2.5, fir.rx_taps, 4 * RATE_HZ)
    in_band, stop_band = filters(np.array([0.0, 1e3])), filters(np.array([0.6, 0.9, 1.5]) * RATE_HZ)
    assert np.abs(in_band) == pytest.approx([1, 1], abs=1e-3)
    delay_s = -np.angle(in_band[1] / in_band[0]) / (2 * np.pi * 1e3)
    assert delay_s * 4 * RATE_HZ == pytest.approx((len(fir.rx_taps) - 1) / 2, rel=1e-3)
    assert np.abs(stop_band).max() < 2e-3


def test_filtering_is_a_convolution_once_the_filter_is_full():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=2000) + 1j * rng.normal(size=2000)
    impulse = np.r_[1.0, -0.5j, np.zeros(50), 0.25]
    expected = np.convolve(samples, impulse)[MEMORY:2000]
    assert np.allclose(filtered(samples, np.fft.fft(impulse, 2000)), expected)


@pytest.mark.parametrize("side", ["rx", "tx"])
def test_a_narrow_bandwidth_takes_the_edges_away(make_radio, side):
    """The cable is flat; of 2 MHz the receiver leaves 1.4 MHz at -3 dB, the transmitter 1.6."""
    radio = make_radio(gain_db=30, filters=True)
    path, corner_hz = (RX_PATH, 0.7e6 * 2) if side == "rx" else (TX_PATH, 0.8e6 * 2)
    for each in (RX_PATH, TX_PATH):
        radio.write_attr(PHY, "rf_bandwidth", "40000000", **each)
    wide = [heard_db(radio, frequency_hz) for frequency_hz in (1e5, corner_hz, -4e6)]
    assert max(wide) - min(wide) < 0.3
    radio.write_attr(PHY, "rf_bandwidth", "2000000", **path)
    low, corner, far = (heard_db(radio, frequency_hz) - wide[0] for frequency_hz in (1e5, corner_hz, -4e6))
    assert low == pytest.approx(0, abs=0.1)
    assert corner == pytest.approx(-3.5, abs=1.0)
    assert far < -20


def test_the_fir_that_pyadi_loads_shapes_the_edge(make_radio):
    radio = make_radio(gain_db=30, filters=True)
    for path in (RX_PATH, TX_PATH):
        radio.write_attr(PHY, "rf_bandwidth", "40000000", **path)
    without = heard_db(radio, 4.9e6) - heard_db(radio, 1e5)
    radio.write_attr(PHY, "filter_fir_config", fir_text(RATE_HZ))
    radio.write_attr(PHY, "voltage_filter_fir_en", "1", channel="out")
    radio.write_attr(PHY, "hardwaregain", "0", **TX_PATH)
    assert abs(without) < 0.5
    assert heard_db(radio, 4.9e6) - heard_db(radio, 1e5) < -5
    assert abs(heard_db(radio, 3.5e6) - heard_db(radio, 1e5)) < 0.5


def test_wide_filters_leave_samples_at_their_time(make_radio):
    """The start of a capture is hidden, but the same for the same seed."""
    captures = []
    for filters in (False, True):
        radio = make_radio(gain_db=30, filters=filters)
        for path in (RX_PATH, TX_PATH):
            radio.write_attr(PHY, "rf_bandwidth", "40000000", **path)
        radio.send(np.exp(1j * np.pi * np.arange(1021) ** 2 / 1021))
        captures.append(radio.capture(1021))
    plain, behind = (np.fft.fft(samples) for samples in captures)
    assert np.abs(np.fft.ifft(behind * plain.conj())).argmax() == 0
    assert np.linalg.norm(behind - plain) < 0.5 * np.linalg.norm(plain)  # a quarter of a sample late


def test_the_lo_leakage_is_at_dc_whatever_the_filters(make_radio, make_cable):
    levels = []
    for filters in (False, True):
        radio = make_radio(make_cable(), filters=filters, tx_lo_leakage_dbc=-40.0)
        levels.append(abs(dict(radio.world.on_air.tones)[0.0]))
    assert levels[0] == pytest.approx(levels[1])


def test_what_is_sent_has_an_image_that_grows_where_the_calibration_is_stale(make_radio):
    radio = make_radio(gain_db=30, tx_image_dbc=-45.0)

    def image_dbc():
        return heard_db(radio, -1e6, sent_hz=1e6) - heard_db(radio, 1e6)

    assert image_dbc() == pytest.approx(-45, abs=1)
    radio.write_attr(PHY, "calib_mode", "manual")
    for name in ("altvoltage0", "altvoltage1"):
        radio.write_attr(PHY, "frequency", "2700000000", channel=name, output=True)
    assert image_dbc() == pytest.approx(-20, abs=1)
    radio.write_attr(PHY, "calib_mode", "tx_quad")
    assert image_dbc() == pytest.approx(-45, abs=1)


def test_tones_of_the_generators_have_their_image_too(make_radio):
    radio = make_radio(tx_image_dbc=-30.0)
    for index, phase in ((0, 90_000), (2, 0)):
        channel = {"channel": f"altvoltage{index}", "output": True}
        for name, value in (("frequency", 1_000_000), ("phase", phase), ("scale", 0.5)):
            radio.write_attr("cf-ad9361-dds-core-lpc", name, str(value), **channel)
    lines = {round(offset_hz / 1e5): abs(amplitude) for offset_hz, amplitude in radio.world.on_air.tones}
    assert 20 * np.log10(lines[-10] / lines[10]) == pytest.approx(-30, abs=0.1)


def test_a_usb_that_is_too_slow_loses_samples_and_one_that_is_not_loses_none(make_radio):
    def flag_after_streaming(usb_bytes_per_s):
        radio = make_radio(usb_bytes_per_s=usb_bytes_per_s, usb_turnaround_s=0.0)
        buffer = radio.open_buffer(RX, 4096)
        for _ in range(20):
            buffer.read(4 * 4096)
        return radio.read_attr(RX, "direct_reg_access", kind="debug")

    assert flag_after_streaming(28e6) == "0x4"  # of the 40 MB/s that 10 MS/s make
    assert flag_after_streaming(200e6) == "0x0"


@pytest.mark.parametrize("num_samples", [4096, 1_000_000])
def test_a_capture_is_drained_after_its_last_sample(make_radio, num_samples):
    radio = make_radio(usb_bytes_per_s=28e6, usb_turnaround_s=0.0)
    radio.set_kernel_buffers_count(RX, 1)
    start_s, buffer = radio.clock.now_s(), radio.open_buffer(RX, num_samples)
    buffer.read(4 * num_samples)
    expected_s = num_samples / RATE_HZ + 4 * num_samples / 28e6
    assert radio.clock.now_s() - start_s == pytest.approx(expected_s, abs=START_JITTER_S)


@pytest.mark.parametrize("usb_bytes_per_s", [1e6, 28e6, 39e6, 41e6, 200e6])
def test_a_stream_is_as_fast_as_the_slower_of_converter_and_usb(make_radio, usb_bytes_per_s):
    """One block is filled while another one is on its way."""
    radio = make_radio(usb_bytes_per_s=usb_bytes_per_s, usb_turnaround_s=0.0)
    start_s, buffer, blocks = radio.clock.now_s(), radio.open_buffer(RX, 4096), 20
    for _ in range(blocks):
        buffer.read(4 * 4096)
    taken_s, sent_s = 4096 / RATE_HZ, 4 * 4096 / usb_bytes_per_s
    expected_s = blocks * max(taken_s, sent_s) + min(taken_s, sent_s)
    assert radio.clock.now_s() - start_s == pytest.approx(expected_s, abs=START_JITTER_S)


@pytest.mark.parametrize(
    ("rate_hz", "blocks", "repeated"), [(10_000_000, 4, True), (2_500_000, 4, False), (10_000_000, 1, False)]
)
def test_a_queue_that_overflows_at_high_rates_may_hand_out_a_block_twice(make_radio, rate_hz, blocks, repeated):
    radio = make_radio(repeats_blocks=True, usb_bytes_per_s=5e6, gain_db=60)
    radio.write_attr(PHY, "sampling_frequency", str(rate_hz), channel="voltage0")
    radio.set_kernel_buffers_count(RX, blocks)
    radio.send(np.exp(1j * np.pi * np.arange(1021) ** 2 / 1021))
    buffer = radio.open_buffer(RX, 500)
    read = [buffer.read(4 * 500) for _ in range(12)]
    twice = any(first == second for first, second in pairwise(read))
    assert twice == repeated
