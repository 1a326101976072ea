"""Attributes of the simulated Pluto behave as the kernel's drivers make them: ranges, grids, traps."""

import errno
import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.sim.fir_text import fir_text

PHY, RX, TX = "ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc"
RX_LO = {"channel": "altvoltage0", "output": True}
TX_LO = {"channel": "altvoltage1", "output": True}
RX_PATH = {"channel": "voltage0", "output": False}
TX_PATH = {"channel": "voltage0", "output": True}
FIR_SWITCH = {"channel": "out", "output": False}

same_radio_each_time = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def pluto(make_pluto):
    return make_pluto()


def refusal(action):
    with pytest.raises(OSError) as caught:
        action()
    return caught.value.errno


def gain_db(pluto, path):
    return float(pluto.read_attr(PHY, "hardwaregain", **path).removesuffix(" dB"))


# ------------------------------------------------------------------------------------------------------------- ranges


def test_it_starts_with_automatic_gain_at_71_db_and_10_db_of_attenuation(pluto):
    assert pluto.read_attr(PHY, "gain_control_mode", **RX_PATH) == "slow_attack"
    assert pluto.read_attr(PHY, "hardwaregain", **RX_PATH) == "71.000000 dB"
    assert pluto.read_attr(PHY, "hardwaregain", **TX_PATH) == "-10.000000 dB"
    assert pluto.read_attr(PHY, "sampling_frequency", **RX_PATH) == "30720000"


@same_radio_each_time
@given(st.integers(70_000_000, 6_000_000_000))
def test_an_lo_takes_the_nearest_step_and_reads_back_what_it_would_take_again(pluto, frequency_hz):
    pluto.write_attr(PHY, "frequency", str(frequency_hz), **RX_LO)
    taken = pluto.read_attr(PHY, "frequency", **RX_LO)
    assert abs(int(taken) - frequency_hz) <= 2
    pluto.write_attr(PHY, "frequency", taken, **RX_LO)
    assert pluto.read_attr(PHY, "frequency", **RX_LO) == taken


@pytest.mark.parametrize(
    ("ad9364", "frequency_hz", "allowed"),
    [
        (True, 70_000_000, True),
        (True, 69_999_999, False),
        (True, 6_000_000_000, True),
        (True, 6_000_000_001, False),
        (False, 325_000_000, True),
        (False, 324_999_999, False),
        (False, 3_800_000_000, True),
        (False, 5_530_000_000, False),
    ],
)
@pytest.mark.parametrize("oscillator", [RX_LO, TX_LO])
def test_an_lo_outside_the_range_of_the_chip_is_refused(make_pluto, ad9364, frequency_hz, allowed, oscillator):
    pluto = make_pluto(ad9364=ad9364)
    before = pluto.read_attr(PHY, "frequency", **oscillator)
    if allowed:
        pluto.write_attr(PHY, "frequency", str(frequency_hz), **oscillator)
        return
    assert refusal(lambda: pluto.write_attr(PHY, "frequency", str(frequency_hz), **oscillator)) == errno.EINVAL
    assert pluto.read_attr(PHY, "frequency", **oscillator) == before


@same_radio_each_time
@given(st.floats(-89.75, 0).map(lambda gain: round(gain, 6)))
def test_attenuation_drops_the_fraction_below_a_quarter_db(pluto, wanted_db):
    pluto.write_attr(PHY, "hardwaregain", f"{wanted_db:.6f}", **TX_PATH)
    taken_db = gain_db(pluto, TX_PATH)
    assert (taken_db * 4).is_integer()
    assert 0 <= taken_db - wanted_db < 0.25


@pytest.mark.parametrize("text", ["0.25", "-90", "-89.76", "", "loud", "-1e1", "nan"])
def test_a_tx_gain_that_is_no_attenuation_is_refused(pluto, text):
    assert refusal(lambda: pluto.write_attr(PHY, "hardwaregain", text, **TX_PATH)) == errno.EINVAL
    assert gain_db(pluto, TX_PATH) == -10


def test_rx_gain_is_ignored_in_silence_until_the_mode_is_manual(pluto):
    pluto.write_attr(PHY, "hardwaregain", "20", **RX_PATH)
    assert gain_db(pluto, RX_PATH) == 71
    pluto.write_attr(PHY, "gain_control_mode", "manual", **RX_PATH)
    pluto.write_attr(PHY, "hardwaregain", "20.7", **RX_PATH)
    assert gain_db(pluto, RX_PATH) == 20


@pytest.mark.parametrize(
    ("frequency_hz", "low", "high"), [(900_000_000, -1, 73), (2_400_000_000, -3, 71), (5_530_000_000, -10, 62)]
)
def test_the_range_of_rx_gain_depends_on_the_band(pluto, frequency_hz, low, high):
    pluto.write_attr(PHY, "gain_control_mode", "manual", **RX_PATH)
    pluto.write_attr(PHY, "frequency", str(frequency_hz), **RX_LO)
    assert pluto.read_attr(PHY, "hardwaregain_available", **RX_PATH) == f"[{low} 1 {high}]"
    assert low <= gain_db(pluto, RX_PATH) <= high
    for allowed in (low, high):
        pluto.write_attr(PHY, "hardwaregain", str(allowed), **RX_PATH)
    for refused in (low - 1, high + 1):
        action = lambda gain=refused: pluto.write_attr(PHY, "hardwaregain", str(gain), **RX_PATH)  # noqa: E731
        assert refusal(action) == errno.EINVAL


# -------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize(("rate_hz", "allowed"), [(2_083_333, True), (2_083_332, False), (61_440_001, False)])
def test_without_a_filter_the_lowest_rate_is_a_twelfth_of_the_slowest_adc(pluto, rate_hz, allowed):
    if allowed:
        pluto.write_attr(PHY, "sampling_frequency", str(rate_hz), **RX_PATH)
    else:
        action = lambda: pluto.write_attr(PHY, "sampling_frequency", str(rate_hz), **RX_PATH)  # noqa: E731
        assert refusal(action) == errno.EINVAL


def test_a_filter_that_decimates_by_four_allows_a_quarter_of_it_and_cannot_be_taken_away_there(pluto):
    pluto.write_attr(PHY, "sampling_frequency", "3000000", **RX_PATH)
    pluto.write_attr(PHY, "filter_fir_config", fir_text(1e6))
    pluto.write_attr(PHY, "voltage_filter_fir_en", "1", **FIR_SWITCH)
    pluto.write_attr(PHY, "sampling_frequency", "520833", **RX_PATH)
    assert refusal(lambda: pluto.write_attr(PHY, "voltage_filter_fir_en", "0", **FIR_SWITCH)) == errno.EINVAL
    assert refusal(lambda: pluto.write_attr(PHY, "filter_fir_config", fir_text(1e6))) == errno.EBUSY
    assert pluto.read_attr(PHY, "sampling_frequency", **TX_PATH) == "520833"


def test_a_filter_needs_to_be_loaded_and_to_fit_the_rate(pluto):
    assert refusal(lambda: pluto.write_attr(PHY, "voltage_filter_fir_en", "1", **FIR_SWITCH)) == errno.EINVAL
    pluto.write_attr(PHY, "filter_fir_config", fir_text(30e6))  # 128 taps
    pluto.write_attr(PHY, "sampling_frequency", "61440000", **RX_PATH)
    assert refusal(lambda: pluto.write_attr(PHY, "voltage_filter_fir_en", "1", **FIR_SWITCH)) == errno.EINVAL


def test_a_change_of_rate_resets_the_attenuation(pluto):
    pluto.write_attr(PHY, "hardwaregain", "-50", **TX_PATH)
    pluto.write_attr(PHY, "sampling_frequency", "10000000", **RX_PATH)
    assert gain_db(pluto, TX_PATH) == -10


@pytest.mark.parametrize(("core", "output"), [(RX, False), (TX, True)])
def test_the_fpga_offers_the_rate_and_an_eighth_of_it(pluto, core, output):
    path = {"channel": "voltage0", "output": output}
    full, eighth = pluto.read_attr(core, "sampling_frequency_available", **path).split()
    assert (full, eighth) == ("30720000", "3840000")
    pluto.write_attr(core, "sampling_frequency", eighth, **path)
    assert pluto.read_attr(core, "sampling_frequency", **path) == eighth
    assert refusal(lambda: pluto.write_attr(core, "sampling_frequency", "5000000", **path)) == errno.EINVAL


# ------------------------------------------------------------------------------------------------- how they are asked


def test_the_tx_lo_stays_down_when_its_frequency_is_set(pluto):
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    pluto.write_attr(PHY, "frequency", "2500000000", **TX_LO)
    assert pluto.read_attr(PHY, "powerdown", **TX_LO) == "1"


@pytest.mark.parametrize(
    ("attribute", "path"),
    [("rssi", RX_PATH), ("input", {"channel": "temp0"}), ("frequency_available", RX_LO), ("tx_path_rates", {})],
)
def test_a_read_only_attribute_cannot_be_written(pluto, attribute, path):
    assert refusal(lambda: pluto.write_attr(PHY, attribute, "1", **path)) == errno.EACCES


def test_what_does_not_exist_is_named_by_its_errno(pluto):
    assert refusal(lambda: pluto.read_attr("ad9371-phy", "calib_mode")) == errno.ENODEV
    assert refusal(lambda: pluto.read_attr(PHY, "calib_modes")) == errno.ENOENT
    assert refusal(lambda: pluto.read_attr(PHY, "frequency", channel="altvoltage0", output=False)) == errno.ENOENT
    assert refusal(lambda: pluto.read_attr(PHY, "loopback")) == errno.ENOENT  # it is a debug attribute


@pytest.mark.parametrize(
    ("attribute", "text", "path"),
    [
        ("ensm_mode", "asleep", {}),
        ("calib_mode", "always", {}),
        ("gain_control_mode", "automatic", RX_PATH),
        ("rf_bandwidth", "56000001", RX_PATH),
        ("rf_bandwidth", "40000001", TX_PATH),
        ("rf_bandwidth", "1e6", RX_PATH),
        ("powerdown", "2", TX_LO),
        ("xo_correction", "41000000", {}),
        ("filter_fir_config", "RX 3 GAIN -6 DEC 4", {}),
        ("loopback", "2", {"kind": "debug"}),
    ],
)
def test_text_out_of_range_is_refused(pluto, attribute, text, path):
    before = pluto.read_attr(PHY, attribute, **path)
    assert refusal(lambda: pluto.write_attr(PHY, attribute, text, **path)) == errno.EINVAL
    assert pluto.read_attr(PHY, attribute, **path) == before


def test_as_delivered_the_bandwidth_ends_at_20_mhz(make_pluto):
    pluto = make_pluto(ad9364=False)
    pluto.write_attr(PHY, "rf_bandwidth", "20000000", **RX_PATH)
    assert refusal(lambda: pluto.write_attr(PHY, "rf_bandwidth", "20000001", **RX_PATH)) == errno.EINVAL
    assert "Z7010-AD9363A" in pluto.describe().attributes["hw_model"]


def test_every_attribute_can_be_read_or_written(pluto):
    for device in pluto.describe().devices:
        places = [({"channel": c.id, "output": c.output}, c.attributes) for c in device.channels]
        places += [({}, device.attributes), ({"kind": "debug"}, device.debug_attributes)]
        for path, attributes in places:
            for name in attributes:
                text = pluto.read_attr(device.name, name, **path)
                assert text.isprintable(), (device.name, name)


# ------------------------------------------------------------------------------------------------------------- meters


def test_the_chip_warms_up(pluto):
    def degrees():
        return int(pluto.read_attr(PHY, "input", channel="temp0")) / 1000

    cold = degrees()
    pluto.clock.sleep(3600)
    assert 25 < cold < degrees() - 5 < 50


def test_both_thermometers_agree(pluto):
    raw, offset, scale = (float(pluto.read_attr("xadc", name, channel="temp0")) for name in ("raw", "offset", "scale"))
    assert (raw + offset) * scale == pytest.approx(float(pluto.read_attr(PHY, "input", channel="temp0")), abs=150)


@pytest.mark.parametrize("level_dbm", [-80.0, -33.5, -20.25])
def test_rssi_is_the_level_below_one_milliwatt_whatever_the_gain(make_pluto, make_cable, level_dbm):
    pluto = make_pluto(make_cable(level_dbm=level_dbm))
    pluto.write_attr(PHY, "powerdown", "1", **TX_LO)
    pluto.write_attr(PHY, "gain_control_mode", "manual", **RX_PATH)
    for gain in ("0", "60"):
        pluto.write_attr(PHY, "hardwaregain", gain, **RX_PATH)
        assert pluto.read_attr(PHY, "rssi", **RX_PATH) == f"{-level_dbm:.2f} dB"


def test_path_rates_are_multiples_from_the_converter_down_to_the_samples(pluto):
    for attribute, converter in (("rx_path_rates", "ADC"), ("tx_path_rates", "DAC")):
        rates = dict(item.split(":") for item in pluto.read_attr(PHY, attribute).split())
        hz = [int(rate) for rate in rates.values()]
        assert list(rates)[1] == converter
        assert hz[-1] == 30_720_000
        assert all(math.isclose(a / b, round(a / b)) for a, b in itertools.pairwise(hz))
