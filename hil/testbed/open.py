"""Opening a testbed: everything connected or every failure told together, and closed again whatever happens."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hil.config import TestbedConfig, UserConfig
from hil.drivers.together import open_together
from hil.errors import ConfigError
from hil.firmware.profile import load_profile
from hil.interfaces import RadioSettings, Sdr, Surface
from hil.measure.calibration import Calibration
from hil.phy.link_budget import attenuation_db, link_budget
from hil.phy.ofdm import OfdmGrid
from hil.testbed.calibrated import calibrated_config, calibrated_profile, load_calibration
from hil.testbed.station import Station, make_station
from hil.testbed.testbed import Testbed
from hil.units import amplitude_from_db
from hil.yamlfile import load_yaml

SETTLE_MARGIN = 1.1  # on a measured settle time


def open_testbed(
    testbed: str | Path | TestbedConfig, *, user: str | None = None, overrides: Mapping[str, object] | None = None
) -> Testbed:
    """Connect, check and configure the instruments of a station; the radio stays quiet.

    user: name of the place where the receive antenna stands; the first of the file where none is given.
    overrides: values that replace the file's, by dotted path (`radio.uri`).
    Raises ConfigError before anything is opened, NotConnected with every instrument that failed and its fix,
    CalibrationError where the calibration that the file names is stale or belongs to other hardware.

    >>> with open_testbed("configs/testbeds/sim-opensource-ris.yaml") as testbed:
    ...     testbed.surface.geometry.num_elements
    256
    """
    config = testbed if isinstance(testbed, TestbedConfig) else load_yaml(testbed, TestbedConfig, overrides)
    calibration = load_calibration(config)
    config = calibrated_config(config, calibration)
    place = find_user(config, user)
    grid = OfdmGrid.from_config(config.ofdm)
    wanted = radio_settings(config, grid)
    profile = load_profile(config.surface.profile)
    station = make_station(config, profile, place, believed=calibrated_profile(profile, calibration))
    with ExitStack() as closing:
        open_together((station.surface, station.radio), closing)
        if calibration is not None:
            _rely_on(calibration, station, wanted)
        settings = station.radio.configure(wanted)
        pilot = grid.amplitude * amplitude_from_db(config.radio.frame_peak_dbfs)
        return Testbed(
            config=config,
            user=place,
            clock=station.clock,
            sdr=station.radio,
            surface=station.surface,
            grid=grid,
            settings=settings,
            budget=link_budget(config.power, config.ofdm.bandwidth_hz, settings, pilot_amplitude=pilot),
            truth=station.truth,
            turnaround_s=station.turnaround_s,
            _closing=closing.pop_all(),
            calibration=calibration,
        )


@contextmanager
def open_radio(config: TestbedConfig) -> Iterator[Sdr]:
    """The radio of a station alone, configured and quiet; its board is not touched.

    Raises ConfigError, NotConnected, RadioError where a setting does not take, CalibrationError where the calibration
    that the file names cannot be read.
    """
    config = calibrated_config(config, load_calibration(config))
    station = make_station(config, load_profile(config.surface.profile), config.users[0])
    station.radio.open()
    with station.radio as radio:
        radio.configure(radio_settings(config, OfdmGrid.from_config(config.ofdm)))
        yield radio


@contextmanager
def open_surface(config: TestbedConfig) -> Iterator[Surface]:
    """The surface of a station alone; its radio is not touched.

    Where the station names a calibration, its element order and settle time hold.
    Raises ConfigError, NotConnected, CalibrationError where the calibration is stale or of another surface.
    """
    calibration, profile = load_calibration(config), load_profile(config.surface.profile)
    station = make_station(config, profile, config.users[0], believed=calibrated_profile(profile, calibration))
    station.surface.open()
    with station.surface as surface:
        if calibration is not None:
            calibration.require_surface(surface.identity)
            if calibration.settle_time_s is not None:
                surface.set_settle_s(SETTLE_MARGIN * calibration.settle_time_s)
        yield surface


def find_user(config: TestbedConfig, name: str | None) -> UserConfig:
    """The user of that name, the first where none is given. Raises ConfigError that names those there are."""
    try:
        return config.user(name)
    except KeyError:
        raise ConfigError(f"--user {name}: {config.name} has {', '.join(user.name for user in config.users)}") from None


def radio_settings(config: TestbedConfig, grid: OfdmGrid) -> RadioSettings:
    """What the radio is asked for: the power plan's attenuation among it. Raises ConfigError where the plan fails."""
    level_dbfs = grid.mean_power_dbfs + config.radio.frame_peak_dbfs
    return RadioSettings(
        sample_rate_hz=grid.sample_rate_hz,
        lo_hz=config.radio.lo_hz,
        bandwidth_hz=grid.sample_rate_hz,
        tx_attenuation_db=attenuation_db(config.power, level_dbfs),
        rx_gain_db=config.radio.rx_gain_db,
    )


def _rely_on(calibration: Calibration, station: Station, wanted: RadioSettings) -> None:
    """Raises CalibrationError where it does not fit what was opened."""
    identity = {"radio": station.radio.identity, "surface": station.surface.identity}
    calibration.require(identity, lo_hz=wanted.lo_hz, sample_rate_hz=wanted.sample_rate_hz)
    if calibration.settle_time_s is not None:
        station.surface.set_settle_s(SETTLE_MARGIN * calibration.settle_time_s)
