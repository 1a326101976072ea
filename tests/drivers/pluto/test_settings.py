"""Settings: each is written when it takes, read back, and refused with the remedy."""

from dataclasses import replace

import pytest

from hil.errors import RadioError
from hil.interfaces import RadioSettings


def test_configure_returns_what_the_hardware_took_and_radiates_nothing(sdr, hardware, wanted):
    taken = sdr.configure(replace(wanted, tx_attenuation_db=10.1, rx_gain_db=30.4))
    assert taken == RadioSettings(25e6, 5.53e9, 20e6, 10.25, 30.0)
    assert hardware.quiet
    assert not hardware.emitted


def test_settings_are_written_in_the_order_in_which_they_take(sdr, hardware, wanted):
    hardware.log.clear()
    sdr.configure(wanted)
    written = [name for name in hardware.log if name in hardware.values]
    order = ("gain_control_mode_chan0", "sample_rate", "rx_lo", "tx_lo", "rx_rf_bandwidth", "rx_hardwaregain_chan0")
    assert sorted(order, key=written.index) == list(order)
    assert written.index("sample_rate") < len(written) - 1 - written[::-1].index("tx_hardwaregain_chan0")
    assert all(f"read {name}" in hardware.log for name in set(written))


def test_filters_are_set_no_wider_than_they_go(sdr, hardware, wanted):
    assert sdr.configure(replace(wanted, bandwidth_hz=60e6)).bandwidth_hz == 56e6
    assert hardware.values["tx_rf_bandwidth"] == 40e6


def test_a_radio_that_transmits_is_quiet_while_it_is_configured(on_air, hardware, wanted):
    hardware.emitted.clear()
    on_air.configure(replace(wanted, lo_hz=2.4e9))
    assert hardware.quiet
    assert not hardware.emitted


@pytest.mark.parametrize(
    "name",
    [
        "rx_lo",
        "tx_lo",
        "sample_rate",
        "rx_rf_bandwidth",
        "tx_rf_bandwidth",
        "tx_hardwaregain_chan0",
        "rx_hardwaregain_chan0",
    ],
)
def test_a_setting_that_does_not_take_is_seen(name, sdr, hardware, wanted, tone):
    hardware.ignored = {name}
    with pytest.raises(RadioError, match=f"{name}: "):
        sdr.configure(wanted)
        sdr.transmit(tone)
    assert not hardware.emitted


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("tx_hardwaregain_chan0", 0.25),
        ("tx_hardwaregain_chan0", -0.25),
        ("rx_hardwaregain_chan0", 1.0),
        ("tx_lo", 11.0),
        ("rx_lo", -11.0),
        ("sample_rate", 260.0),
        ("rx_rf_bandwidth", 1.1e6),
        ("tx_rf_bandwidth", -1.1e6),
    ],
)
def test_a_setting_that_takes_but_as_another_value_is_seen(name, off, sdr, hardware, wanted):
    hardware.fault = lambda doing: hardware.off.update({name: off} if doing == "gain_control_mode_chan0" else {})
    with pytest.raises(RadioError, match=f"{name}"):
        sdr.configure(wanted)
    assert hardware.quiet and not hardware.emitted


@pytest.mark.parametrize("off", [0.25, 1.0])
def test_an_attenuation_that_takes_as_a_lower_one_once_the_carrier_is_on_ends_the_transmission(
    off, sdr, hardware, wanted, tone
):
    sdr.configure(wanted)
    hardware.off = {"tx_hardwaregain_chan0": off}
    with pytest.raises(RadioError, match="tx_hardwaregain_chan0"):
        sdr.transmit(tone)
    assert hardware.quiet


def test_gain_control_that_stays_automatic_is_seen(sdr, hardware, wanted):
    hardware.ignored = {"gain_control_mode_chan0"}
    with pytest.raises(RadioError, match="gain control stays in mode 'slow_attack'"):
        sdr.configure(wanted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lo_hz": 6.1e9}, r"rx_lo = 6100000000 refused .*fw_setenv compatible ad9364"),
        ({"sample_rate_hz": 520_900.0}, r"sample_rate = 520900 refused .*0\.521 to 61\.44 MS/s"),
        ({"sample_rate_hz": 70e6}, r"sample_rate = 70000000 refused"),
        ({"bandwidth_hz": 1e5}, r"rx_rf_bandwidth = 100000 refused .*0\.2 to 56 MHz"),
        ({"rx_gain_db": 70.0}, r"rx_hardwaregain_chan0 = 70\.0 refused .*-10 to 62 dB"),
        ({"tx_attenuation_db": -1.0}, r"tx_hardwaregain_chan0 = 1\.0 refused .*-89\.75 to 0 dB"),
        ({"tx_attenuation_db": 90.0}, r"tx_hardwaregain_chan0 = -90\.0 refused"),
    ],
)
def test_a_refused_setting_names_value_and_remedy(change, words, sdr, hardware, wanted, tone):
    sdr.configure(wanted)
    with pytest.raises(RadioError, match=words):
        sdr.configure(replace(wanted, **change))
    assert hardware.quiet
    assert hardware.connections == 1  # a refusal is no reason to reconnect
    with pytest.raises(RadioError, match="not configured"):
        sdr.transmit(tone)


def test_the_receive_gain_can_be_changed_alone(on_air, hardware, wanted):
    hardware.values["gain_control_mode_chan0"] = "slow_attack"  # another program meddled
    assert on_air.set_rx_gain(12.0) == 12.0
    assert hardware.values["rx_hardwaregain_chan0"] == 12.0
    session = on_air._connection.session
    assert session is not None and session.configured == replace(wanted, rx_gain_db=12.0)
    assert hardware.radiating
