"""Chapter two: captures across a change of the surface tell how long it takes to settle."""

import math

import numpy as np

from hil.arrays import Pattern
from hil.config import CalibrateConfig
from hil.errors import ConfigError
from hil.experiments.begin import next_step
from hil.interfaces import SettlingSurface, StreamingSdr
from hil.measure.recording import Recording, Step
from hil.measure.self_stepping import complement
from hil.measure.settling import STILL, Settling, progress_of, settle_time
from hil.testbed import Testbed
from hil.testbed.open import SETTLE_MARGIN

EARLY_S = 3e-3  # of a capture before the command goes out, and for its way


def time_switches(testbed: Testbed, recording: Recording, pattern: Pattern, config: CalibrateConfig) -> Settling | None:
    """Measure the settle time and let the board's driver wait for it from now on; None where nothing is seen.

    pattern: whose change to its complement shows best. Where noise hides the end of the change, the driver waits at the
    least as long as the profile says.
    Raises ConfigError where the radio cannot listen while the board is told something.
    """
    next_step(testbed, recording, "switches", lambda: _switch(testbed, pattern, config))
    settling = read_settling(recording, config)
    if settling is not None and isinstance(testbed.surface, SettlingSurface):
        declared_s = recording.read("surface").facts["settle_s"]
        wait_s = SETTLE_MARGIN * settling.given(declared_s)
        testbed.surface.set_settle_s(max(wait_s, declared_s) if settling.hidden else wait_s)
    return settling


def read_settling(recording: Recording, config: CalibrateConfig) -> Settling | None:
    """From the record. Raises RecordingError where it is missing."""
    step = recording.read("switches")
    noise, symbol_s = np.array(step.facts["noise"]), step.facts["symbol_s"]
    return settle_time(step.data, noise, symbol_s, settled_db=config.settled_db)


def _switch(testbed: Testbed, pattern: Pattern, config: CalibrateConfig) -> Step:
    sdr, surface, grid, timing = testbed.sdr, testbed.surface, testbed.grid, testbed.surface.timing
    if not isinstance(sdr, StreamingSdr):
        raise ConfigError("calibrate: this radio cannot listen while the surface changes")
    asked_s = timing.frame_s + timing.update_s + timing.reply_s + EARLY_S
    duration_s = (asked_s + config.settle_window_s) / (1 - 2 * STILL)
    symbols = math.ceil(duration_s / grid.symbol_s)
    pair = (pattern, complement(pattern, surface.states))
    curves, noises = [], []
    with testbed.on_air():
        surface.apply(pair[0])
        testbed.clock.sleep(config.settle_window_s)
        for number in range(config.switches):
            sdr.begin_capture(symbols * grid.fft_size)
            testbed.clock.sleep(STILL * duration_s)
            surface.apply(pair[1 - number % 2])
            capture = sdr.end_capture()
            curve, noise = progress_of(grid.demodulate(capture.samples)[:, grid.used])
            curves.append(curve)
            noises.append(noise)
    facts = {"noise": noises, "symbol_s": grid.symbol_s}
    return Step(np.stack(curves).astype(np.complex64), testbed.clock.now_s(), facts)
