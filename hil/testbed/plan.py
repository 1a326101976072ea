"""What a run would radiate, where, how strongly and for how long: computed, nothing is opened."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex
from hil.config import TestbedConfig, UserConfig
from hil.drivers.gate import TransmitGate
from hil.firmware.profile import load_profile
from hil.interfaces import Geometry, SurfaceTiming, SweepMode, SystemClock
from hil.measure.clocks import silent_bins
from hil.measure.modes import possible_modes
from hil.measure.repeated import window_of
from hil.phy.ofdm import OfdmGrid
from hil.testbed.open import radio_settings
from hil.testbed.station import make_station, wired


@dataclass(frozen=True)
class RadiationPlan:
    """What the gate would grant, and the timing of the station.

    low_hz, high_hz: occupied band. eirp_dbm: mean. crest_factor_db: of the pilot frame;
    pilot_advice: what is unfortunate about the pilots, None where nothing is.
    modes: of a sweep with so many symbols of each pattern, best first, as far as is known before anything is opened.
    """

    low_hz: float
    high_hz: float
    eirp_dbm: float
    attenuation_db: float
    crest_factor_db: float
    pilot_advice: str | None
    max_duration_s: float
    timing: SurfaceTiming
    modes: Callable[[int], tuple[SweepMode, ...]]
    geometry: Geometry
    states: Complex[np.ndarray, "state"]
    symbol_s: float
    repetitions: int
    turnaround_s: float


def radiation_plan(config: TestbedConfig, user: UserConfig) -> RadiationPlan:
    """The plan of a station.

    Raises ConfigError where power plan or waveform do not do, SafetyError where the gate would refuse.
    """
    grid = OfdmGrid.from_config(config.ofdm)
    settings = radio_settings(config, grid)
    window_of(grid.used, config.ofdm.num_taps)
    if config.receiver is not None:
        silent_bins(grid)
    gate = TransmitGate(config.safety, config.power, SystemClock())
    permit = gate.judge(settings, grid.transmit_frame(config.radio.frame_peak_dbfs))
    station = make_station(config, load_profile(config.surface.profile), user)
    surface = station.surface

    def modes(repetitions: int) -> tuple[SweepMode, ...]:
        return possible_modes(
            surface,
            grid,
            repetitions,
            config.ofdm.num_taps,
            max_samples=station.radio.max_samples,
            max_train_samples=station.radio.max_train_samples if wired(config) else 0,
            apart=config.receiver is not None,
        )

    return RadiationPlan(
        permit.low_hz,
        permit.high_hz,
        permit.eirp_dbm,
        settings.tx_attenuation_db,
        grid.crest_factor_db,
        grid.pilot_advice,
        config.safety.max_duration_s,
        surface.timing,
        modes,
        surface.geometry,
        surface.states.reflection(np.array([config.radio.lo_hz]))[0],
        grid.symbol_s,
        config.ofdm.repetitions,
        station.turnaround_s,
    )
