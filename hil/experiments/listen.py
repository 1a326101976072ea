"""Before a stage goes on the air: listen, wait while others use the band, and give way where they go on."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from hil.config import BandConfig, ListeningConfig
from hil.errors import MeasurementError
from hil.interfaces import Progress, no_progress
from hil.measure.levels import QUANTISATION_DBFS
from hil.measure.occupancy import Occupancy
from hil.measure.recording import Recording, Step
from hil.phy.geometry import straight_direct
from hil.testbed import Testbed
from hil.units import power_db, power_from_db

PAUSE_S = 0.25  # from one look at an occupied band to the next
STEP = "listening/"  # and the stage: the step that holds what was heard before it


def listen_first(testbed: Testbed, recording: Recording, stage: str, progress: Progress = no_progress) -> None:
    """Listen with the transmitter silent, as the step `listening/` and the stage, unless the station is told not to.

    Raises MeasurementError where others are too loud for too much of the time and stay so as long as a free band is
    waited for; what was heard then stays recorded as `occupied/` and the stage, and a resumed run listens anew.
    """
    config = testbed.config.listening
    if config is not None:
        heard = recording.step(f"{STEP}{stage}", lambda: _free(testbed, recording, stage, config, progress))
        testbed.continue_at(heard.time_s)


def heard_before(recording: Recording, stages: Iterable[str]) -> list[dict[str, Any]]:
    """What was heard before each of these stages, as plain values; nothing of a stage that nobody listened before."""
    names = {stage: f"{STEP}{stage}" for stage in stages}
    return [{"stage": stage, **recording.read(name).facts} for stage, name in names.items() if name in recording]


def listened_stages(recording: Recording) -> list[str]:
    """Every stage of a run that was listened before, in the order of recording."""
    return [name.removeprefix(STEP) for name in recording.names if name.startswith(STEP)]


def words(heard: Iterable[dict[str, Any]]) -> str:
    """What was heard before a run's stages, in a line; empty where nobody listened."""
    looks = list(heard)
    if not looks:
        return ""
    before = f"listened before {len(looks)} {'stage' if len(looks) == 1 else 'stages'}"
    worst = max(looks, key=lambda each: (each["loud_duty"], each["duty"]))
    waited_s = sum(each["waited_s"] for each in looks)
    waited = f", waited for {waited_s:.3g} s" if waited_s else ""
    if not worst["duty"]:
        return f"{before}: nobody else on the air{waited}"
    return (
        f"{before}: others on the air for up to {worst['duty']:.0%} of the time, "
        f"{worst['level_dbfs']:.1f} dBFS, {worst['level_db']:+.1f} dB over the signal expected, "
        f"{worst['bursts']} bursts in {1e3 * worst['duration_s']:.3g} ms{waited}"
    )


def _free(testbed: Testbed, recording: Recording, stage: str, config: ListeningConfig, progress: Progress) -> Step:
    """The first look that finds the band free."""
    clock = testbed.clock
    began_s, waited_s = clock.now_s(), 0.0
    while True:
        found = listen(testbed, config)
        step = Step(found.records(), clock.now_s(), {**found.facts(), "waited_s": waited_s})
        if found.loud_duty <= config.max_duty:
            return step
        if waited_s + PAUSE_S > config.wait_s:
            recording.append(f"occupied/{stage}", step)
            raise MeasurementError(_refusal(testbed, config, found, waited_s))
        progress(f"{stage}: the band is occupied, waiting", round(waited_s), round(config.wait_s))
        clock.sleep(PAUSE_S)
        waited_s = clock.now_s() - began_s


def listen(testbed: Testbed, config: ListeningConfig) -> Occupancy:
    """One look. The transmitter is made silent; the expected signal is that of the straight way between antennas."""
    grid = testbed.grid
    testbed.sdr.quiet()
    symbols = int(np.ceil(config.duration_s / grid.symbol_s))
    capture = testbed.sdr.capture(symbols * grid.fft_size)
    return Occupancy.of(
        capture.samples,
        grid,
        noise_dbfs=_noise_dbfs(testbed),
        signal_dbfs=_signal_dbfs(testbed),
        limit_db=config.level_db,
    )


def expected_noise(testbed: Testbed, symbols: int) -> float:
    """Energy of the noise of a sounding of so many symbols over that of the sounding, in the channel's taps.

    By the power plan and the straight way between antennas, as nothing else is known before the first sounding.
    """
    ofdm = testbed.config.ofdm
    return power_from_db(_noise_dbfs(testbed) - _signal_dbfs(testbed)) / symbols * ofdm.num_taps / ofdm.num_subcarriers


def _noise_dbfs(testbed: Testbed) -> float:
    """The receiver's own noise in the band: as it was calibrated, or as noise figure and converter foretell."""
    grid, budget = testbed.grid, testbed.budget
    over_rate_db = float(power_db(grid.bandwidth_hz / grid.sample_rate_hz))
    if testbed.calibration is not None:
        return testbed.calibration.noise_floor_dbfs + over_rate_db
    thermal = budget.noise_density_dbm_hz + float(power_db(grid.bandwidth_hz)) + _gain_to_full_scale_db(testbed)
    return float(power_db(power_from_db(thermal) + power_from_db(QUANTISATION_DBFS + over_rate_db)))


def _signal_dbfs(testbed: Testbed) -> float:
    """Mean power of the pilots over the straight way, walls and surface left out."""
    way_db = float(2 * power_db(straight_direct(testbed.config, testbed.user)))
    return testbed.budget.transmit_power_dbm + way_db + _gain_to_full_scale_db(testbed)


def _gain_to_full_scale_db(testbed: Testbed) -> float:
    """From dBm at the receive antenna's port to dB of a full-scale sine."""
    power = testbed.config.power
    return power.rx_chain_gain_db + testbed.settings.rx_gain_db - power.rx_full_scale_dbm


def _refusal(testbed: Testbed, config: ListeningConfig, found: Occupancy, waited_s: float) -> str:
    lo_hz, half_hz = testbed.settings.lo_hz, testbed.grid.bandwidth_hz / 2
    level = (
        "" if found.level_dbfs is None else f"at {found.level_dbfs:.1f} dBFS, {found.level_db:+.1f} dB over the signal "
    )
    return (
        f"nothing was radiated: {(lo_hz - half_hz) / 1e6:.6g}-{(lo_hz + half_hz) / 1e6:.6g} MHz are occupied: others "
        f"are louder than {config.level_db:g} dB over the expected signal for {found.loud_duty:.0%} of the time "
        f"({config.max_duty:.0%} are allowed), {level}expected ({found.signal_dbfs:.1f} dBFS), most of it about "
        f"{(lo_hz + found.loudest_hz) / 1e6:.6g} MHz; waited for {waited_s:.3g} s. Try {_elsewhere(testbed)}, "
        "a longer listening.wait_s, or a higher listening.level_db or max_duty; `listening: null` does not listen"
    )


def _elsewhere(testbed: Testbed) -> str:
    """Carriers that the allow-list leaves."""
    half_hz = max(testbed.settings.sample_rate_hz, testbed.settings.bandwidth_hz) / 2
    ranges = [_carriers(band, half_hz) for band in testbed.config.safety.bands]
    return f"another radio.lo_hz (safety.bands: {', '.join(each for each in ranges if each) or 'none'})"


def _carriers(band: BandConfig, half_hz: float) -> str:
    low_hz, high_hz = band.low_hz + half_hz, band.high_hz - half_hz
    return f"{low_hz / 1e6:.6g}-{high_hz / 1e6:.6g} MHz" if low_hz <= high_hz else ""
