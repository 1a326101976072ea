"""The power plan: what is asked for is what is radiated, and a response in ADC units becomes a channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.config import PowerConfig
from hil.errors import ConfigError
from hil.interfaces import RadioSettings
from hil.phy.link_budget import attenuation_db, link_budget

POWER = PowerConfig(
    tx_full_scale_dbm=7,
    tx_chain_gain_db=-2,
    radiated_power_dbm=-10,
    rx_full_scale_dbm=-3,
    rx_chain_gain_db=-1,
    noise_figure_db=9,
)


@given(wanted=st.floats(-80, 0), rms=st.floats(-4, 0))
def test_the_attenuation_radiates_what_is_asked_and_never_more(wanted: float, rms: float) -> None:
    power = POWER.model_copy(update={"radiated_power_dbm": wanted})
    attenuation = attenuation_db(power, rms)
    radiated = power.tx_full_scale_dbm + rms + power.tx_chain_gain_db - attenuation
    assert wanted - 0.25 <= radiated <= wanted + 1e-9
    assert attenuation % 0.25 == 0  # what the hardware can be set to


@pytest.mark.parametrize("attenuation", [0.0, 0.5, 89.75])
def test_all_that_the_hardware_can_be_set_to_can_be_asked_for(attenuation: float) -> None:
    power = POWER.model_copy(update={"radiated_power_dbm": 7 - 3 - 2 - attenuation})
    assert attenuation_db(power, -3.0) == attenuation


def test_a_plan_that_cannot_be_met_says_what_can() -> None:
    with pytest.raises(ConfigError, match=r"30 dBm cannot be reached.*-87\.8 to 2\.0 dBm"):
        attenuation_db(POWER.model_copy(update={"radiated_power_dbm": 30.0}), -3.0)


def test_a_received_level_is_traced_back_to_the_channel() -> None:
    """A full-scale sine leaves the antenna with 7 - 20 - 2 dBm; through -60 dB and the receive chain it fills
    the ADC to -15 - 60 - 1 + 30 - -3 = -43 dBFS."""
    settings = RadioSettings(1e6, 2.4e9, 1e6, tx_attenuation_db=20, rx_gain_db=30)
    budget = link_budget(POWER, 1e6, settings, pilot_amplitude=0.1)
    assert 0.1 * 10 ** (-43 / 20) * budget.scale == pytest.approx(10 ** (-60 / 20))
    assert budget.snr_scale == pytest.approx(10 ** ((-10 - (-174 + 9 + 60)) / 10))
