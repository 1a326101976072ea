"""The order in which a Pluto's settings take, each read back."""

import math

from hil.drivers.pluto_session import MAX_ATTENUATION_DB, PlutoSession
from hil.interfaces import RadioSettings

ATTENUATION_STEP_DB = 0.25
RATE_TOLERANCE = 1e-5
LO_TOLERANCE_HZ = 10.0  # the LO's step is 2.4 Hz
BANDWIDTH_TOLERANCE = 0.05
RX_GAIN_TOLERANCE_DB = 0.5


def apply_settings(session: PlutoSession, wanted: RadioSettings) -> RadioSettings:
    """Bring the settings to the device; full attenuation again at the end. What the hardware took.

    Raises RadioError where one is refused or reads back as another.
    """
    session.set_manual_gain()
    rate_hz = session.set("sample_rate", round(wanted.sample_rate_hz), RATE_TOLERANCE * wanted.sample_rate_hz)
    lo_hz = session.set("rx_lo", round(wanted.lo_hz), LO_TOLERANCE_HZ)
    session.set("tx_lo", round(wanted.lo_hz), LO_TOLERANCE_HZ)
    width_hz = session.set("rx_rf_bandwidth", round(wanted.bandwidth_hz), BANDWIDTH_TOLERANCE * wanted.bandwidth_hz)
    session.set("tx_rf_bandwidth", round(wanted.bandwidth_hz), BANDWIDTH_TOLERANCE * wanted.bandwidth_hz)
    gain_db = session.set("rx_hardwaregain_chan0", float(wanted.rx_gain_db), RX_GAIN_TOLERANCE_DB)
    attenuation_db = math.ceil(round(wanted.tx_attenuation_db / ATTENUATION_STEP_DB, 6)) * ATTENUATION_STEP_DB
    tx_gain_db = session.set("tx_hardwaregain_chan0", -attenuation_db, ATTENUATION_STEP_DB / 2)
    session.set("tx_hardwaregain_chan0", -MAX_ATTENUATION_DB, ATTENUATION_STEP_DB / 2)
    return RadioSettings(rate_hz, lo_hz, width_hz, -tx_gain_db, gain_db)
