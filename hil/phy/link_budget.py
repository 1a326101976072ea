"""The power plan at work: the attenuation that radiates P, and what a response in ADC units is at the antennas."""

from hil.config import PowerConfig
from hil.errors import ConfigError
from hil.interfaces import LinkBudget, RadioSettings
from hil.units import THERMAL_NOISE_DBM_HZ, amplitude_from_db

MAX_ATTENUATION_DB = 89.75
ATTENUATION_STEP_DB = 0.25


def attenuation_db(power: PowerConfig, frame_rms_dbfs: float) -> float:
    """TX attenuation, on the Pluto's grid, with which a frame of that level radiates `power.radiated_power_dbm`.

    frame_rms_dbfs: mean power of the frame relative to a full-scale sine. Never rounds towards more power.
    Raises ConfigError where the plan cannot be met.
    """
    strongest_dbm = power.tx_full_scale_dbm + frame_rms_dbfs + power.tx_chain_gain_db
    needed_db = strongest_dbm - power.radiated_power_dbm
    if not 0 <= needed_db <= MAX_ATTENUATION_DB:
        raise ConfigError(
            f"power.radiated_power_dbm: {power.radiated_power_dbm:g} dBm cannot be reached: with this pilot "
            f"the station radiates {strongest_dbm - MAX_ATTENUATION_DB:.1f} to {strongest_dbm:.1f} dBm mean"
        )
    return -(-needed_db // ATTENUATION_STEP_DB) * ATTENUATION_STEP_DB


def link_budget(
    power: PowerConfig, bandwidth_hz: float, settings: RadioSettings, *, pilot_amplitude: float
) -> LinkBudget:
    """What turns ADC units into a channel and a channel into a rate, for the settings that the hardware took.

    pilot_amplitude: of one pilot in the transmitted frame, DAC full scale = 1.
    A received amplitude of 1 (ADC full scale) on a subcarrier is the channel `scale`, antenna port to antenna port.
    """
    gain_db = (
        power.tx_full_scale_dbm
        - settings.tx_attenuation_db
        + power.tx_chain_gain_db
        + power.rx_chain_gain_db
        + settings.rx_gain_db
        - power.rx_full_scale_dbm
    )
    return LinkBudget(
        transmit_power_dbm=power.radiated_power_dbm,
        noise_density_dbm_hz=THERMAL_NOISE_DBM_HZ + power.noise_figure_db,
        bandwidth_hz=bandwidth_hz,
        scale=amplitude_from_db(-gain_db) / pilot_amplitude,
        calibrated=power.calibrated,
    )
