"""Chapter one: what the receiver hears, with which gain, before anything of the surface is known."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import Complex, Pattern, Patterns
from hil.config import CalibrateConfig
from hil.errors import Overload
from hil.experiments.begin import next_step
from hil.interfaces import Capture
from hil.measure.levels import Quiet, gain_for, highest_gain_db, image_dbc, mean_dbfs, peak_dbfs
from hil.measure.recording import Recording, Step
from hil.phy.ofdm import OfdmGrid
from hil.testbed import Testbed
from hil.units import amplitude_from_db, power_db

SYMBOLS = 8  # of a capture that a level is read from
QUIET_SYMBOLS = 128
LOWER_DB = 6.0  # steps of the gain until nothing clips any more
LINEARITY_DB = 6.0  # by which the frame is lowered, to see whether what is received follows


@dataclass(frozen=True)
class Gain:
    """gain_db: set. strongest: the pattern that it was set on. peak_at_0_db: its peak in dBFS, less the gain.

    patterns: all that were tried; response: of each, less the gain, unaligned.
    """

    gain_db: float
    strongest: Pattern
    peak_at_0_db: float
    patterns: Patterns
    response: Complex[np.ndarray, "pattern subcarrier"]


def candidates(testbed: Testbed, config: CalibrateConfig) -> Patterns:
    """All zero, the first row of a Hadamard matrix, random ones."""
    states, count = testbed.surface.states, testbed.surface.geometry.num_elements
    signs = np.random.default_rng([config.seed, 5]).integers(0, 2, (config.candidates, count))
    random = np.where(signs == 0, states.plus, states.minus)
    return np.concatenate([np.zeros((1, count)), np.full((1, count), states.plus), random]).astype(np.uint8)


def set_gain(testbed: Testbed, recording: Recording, name: str, patterns: Patterns, config: CalibrateConfig) -> Gain:
    """Set the receive gain on the strongest of these patterns. Raises Overload where even the lowest gain clips."""
    step = next_step(testbed, recording, name, lambda: _search(testbed, patterns, config))
    gain = read_gain(recording, name, patterns)
    testbed.sdr.set_rx_gain(gain.gain_db)
    assert step.facts["gain_db"] == gain.gain_db
    return gain


def read_gain(recording: Recording, name: str, patterns: Patterns) -> Gain:
    """What `set_gain` recorded. Raises RecordingError."""
    step = recording.read(name)
    best = step.facts["strongest"]
    return Gain(step.facts["gain_db"], patterns[best], step.facts["peak_at_0_db"], patterns, step.data)


def _search(testbed: Testbed, patterns: Patterns, config: CalibrateConfig) -> Step:
    lo_hz, gain_db = testbed.settings.lo_hz, testbed.settings.rx_gain_db
    peaks, responses = [], []
    with testbed.on_air(tracking=True):  # the gain changes inside
        gain_db = testbed.sdr.set_rx_gain(gain_db)
        for pattern in patterns:
            testbed.surface.apply(pattern)
            capture = _capture(testbed)
            while capture.overloaded:
                gain_db = testbed.sdr.set_rx_gain(_lower(gain_db))
                capture = _capture(testbed)
            peaks.append(peak_dbfs(capture.samples) - gain_db)
            response = testbed.grid.demodulate(capture.samples).mean(axis=0)
            responses.append(response * amplitude_from_db(-gain_db))
    strongest = int(np.argmax(peaks))
    facts = {
        "gain_db": gain_for(peaks[strongest], config.headroom_db, lo_hz),
        "strongest": strongest,
        "peak_at_0_db": peaks[strongest],
    }
    return Step(np.stack(responses).astype(np.complex64), testbed.clock.now_s(), facts)


def _lower(gain_db: float) -> float:
    if gain_db - LOWER_DB < 0:
        raise Overload(
            f"receiver: clips at a gain of {gain_db:g} dB; put attenuators before it, or lower power.radiated_power_dbm"
        )
    return gain_db - LOWER_DB


def _capture(testbed: Testbed, symbols: int = SYMBOLS) -> Capture:
    return testbed.sdr.capture(symbols * testbed.grid.fft_size)


def measure_levels(testbed: Testbed, recording: Recording, gain: Gain) -> dict[str, Any]:
    """Noise, DC, leakage, image, linearity and overload at the gain that is set, the strongest pattern on the surface.

    noise_dbfs: over the sample rate. rx_dc_dbfs: offset of the receiver. lo_leakage_dbfs, _dbc: carrier that comes
    through the air, absolute and relative to the pilots. image_dbc: None below the noise. linearity_db: of a frame 6 dB
    lower, what is received beyond 6 dB lower. overload_gain_db: lowest gain that clips, None where none does.
    received_dbm: pilots at the antenna's port, by the power plan.
    """
    return next_step(testbed, recording, "levels", lambda: _levels(testbed, gain)).facts


def _levels(testbed: Testbed, gain: Gain) -> Step:
    sdr, grid = testbed.sdr, testbed.grid
    sdr.quiet()
    still = _capture(testbed, QUIET_SYMBOLS)
    quiet = Quiet.of(still.samples, grid.fft_size)
    testbed.surface.apply(gain.strongest)
    with testbed.on_air(tracking=True):  # the gain changes inside
        pilots = _capture(testbed, QUIET_SYMBOLS).samples
        leak = abs(complex(pilots.mean()) - quiet.dc)
        overload_db = _overload_gain_db(testbed, gain)
        sdr.set_rx_gain(gain.gain_db)
        with _sent(testbed, grid, -LINEARITY_DB):
            lower = _capture(testbed, QUIET_SYMBOLS).samples
        upper = _one_side(grid)
        with _sent(testbed, upper, grid.mean_power_dbfs - upper.mean_power_dbfs):
            image = image_dbc(_capture(testbed, QUIET_SYMBOLS).samples, grid.fft_size, _bins(upper))
    received, weaker = _pilot_db(pilots, grid), _pilot_db(lower, grid)
    power = testbed.config.power
    facts = {
        "gain_db": gain.gain_db,
        "noise_dbfs": quiet.noise_dbfs,
        "quiet_tone_db": quiet.tone_db,
        "rx_dc_dbfs": _db(abs(quiet.dc)),
        "received_dbfs": received,
        "received_dbm": received + power.rx_full_scale_dbm - gain.gain_db - power.rx_chain_gain_db,
        "lo_leakage_dbfs": _db(leak),
        "lo_leakage_dbc": _db(leak) - received,
        "image_dbc": image,
        "linearity_db": received - weaker - LINEARITY_DB,
        "overload_gain_db": overload_db,
        "strongest_peak_dbfs": gain.peak_at_0_db + gain.gain_db,
    }
    return Step(still.samples, testbed.clock.now_s(), facts)


def _overload_gain_db(testbed: Testbed, gain: Gain) -> float | None:
    """Lowest gain that clips, looked for where the peak should reach full scale."""
    highest = highest_gain_db(testbed.settings.lo_hz)
    first = math.floor(-gain.peak_at_0_db) - 2
    for gain_db in range(first, first + 8):
        if gain_db > highest:
            return None
        testbed.sdr.set_rx_gain(float(gain_db))
        if any(_capture(testbed).overloaded for _ in range(2)):
            return float(gain_db)
    return None


@contextmanager
def _sent(testbed: Testbed, grid: OfdmGrid, relative_db: float) -> Iterator[None]:
    """Another frame on the air, so much stronger than the pilots' peak; then the pilots again."""
    peak_dbfs = min(testbed.config.radio.frame_peak_dbfs + relative_db, 0.0)
    testbed.sdr.transmit(grid.transmit_frame(peak_dbfs))
    yield
    testbed.sdr.transmit(testbed.grid.transmit_frame(testbed.config.radio.frame_peak_dbfs))


def _one_side(grid: OfdmGrid) -> OfdmGrid:
    """The pilots above the carrier alone: their image is below it."""
    above = grid.used & (np.arange(grid.num_subcarriers) > grid.num_subcarriers // 2)
    return OfdmGrid.build(grid.num_subcarriers, grid.fft_size, grid.bandwidth_hz, above, "zadoff_chu")


def _bins(grid: OfdmGrid) -> np.ndarray:
    return np.where(np.abs(np.fft.fft(grid.frame)) ** 2 > 1e-9, 1.0, 0.0)


def _pilot_db(samples: Complex[np.ndarray, "sample"], grid: OfdmGrid) -> float:
    """Mean power of the pilots alone: what repeats with the symbol, DC and noise left out."""
    mean = samples.reshape(-1, grid.fft_size).mean(axis=0)
    return mean_dbfs(mean - mean.mean())


def _db(amplitude: float) -> float:
    return float(power_db(max(amplitude, 1e-9) ** 2))
