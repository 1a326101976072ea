"""The order in which a Pluto's settings take, each read back."""

import math

from hil.drivers.pluto_session import MAX_ATTENUATION_DB, PlutoSession
from hil.interfaces import RadioSettings

ATTENUATION_STEP_DB = 0.25
RATE_TOLERANCE = 1e-5
LO_TOLERANCE_HZ = 10.0  # the LO's step is 2.4 Hz
BANDWIDTH_TOLERANCE = 0.05
WIDEST_RX_HZ, WIDEST_TX_HZ = 56e6, 40e6  # of the analog filters, whose corners lie beyond (AD9361 reference manual)
RX_GAIN_TOLERANCE_DB = 0.5


def apply_settings(session: PlutoSession, wanted: RadioSettings) -> RadioSettings:
    """Bring the settings to the device; full attenuation again at the end. What the hardware took.

    A bandwidth beyond what its analog filters can becomes the widest that they can.
    Raises RadioError where one is refused or reads back as another.
    """
    session.set_manual_gain()
    rate_hz = session.set("sample_rate", round(wanted.sample_rate_hz), RATE_TOLERANCE * wanted.sample_rate_hz)
    lo_hz = session.set("rx_lo", round(wanted.lo_hz), LO_TOLERANCE_HZ)
    session.set("tx_lo", round(wanted.lo_hz), LO_TOLERANCE_HZ)
    width_hz = _set_width(session, "rx_rf_bandwidth", min(wanted.bandwidth_hz, WIDEST_RX_HZ))
    _set_width(session, "tx_rf_bandwidth", min(wanted.bandwidth_hz, WIDEST_TX_HZ))
    gain_db = session.set("rx_hardwaregain_chan0", float(wanted.rx_gain_db), RX_GAIN_TOLERANCE_DB)
    attenuation_db = math.ceil(round(wanted.tx_attenuation_db / ATTENUATION_STEP_DB, 6)) * ATTENUATION_STEP_DB
    tx_gain_db = session.set("tx_hardwaregain_chan0", -attenuation_db, ATTENUATION_STEP_DB / 2)
    session.set("tx_hardwaregain_chan0", -MAX_ATTENUATION_DB, ATTENUATION_STEP_DB / 2)
    return RadioSettings(rate_hz, lo_hz, width_hz, -tx_gain_db, gain_db)


def _set_width(session: PlutoSession, name: str, width_hz: float) -> float:
    return session.set(name, round(width_hz), BANDWIDTH_TOLERANCE * width_hz)
