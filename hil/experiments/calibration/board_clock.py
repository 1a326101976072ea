"""The board's clock against the radio's (of two radios, the sender's), where the board steps by a timer of its own."""

import math

import numpy as np

from hil.errors import ConfigError, MeasurementError
from hil.experiments.begin import next_step
from hil.interfaces import SequencedSurface, StreamingSdr
from hil.measure.clocks import tune
from hil.measure.recording import Facts, Recording, Step
from hil.measure.steps import find_steps
from hil.testbed import Testbed

MOST_PATTERNS = 512
STILL_DWELLS = 6  # of the capture on either side


def measure_board_clock(testbed: Testbed, recording: Recording) -> None:
    """Let the board step through rows and their complements by its timer, and see how long its dwells are.

    Recorded as `ppm`, positive where the board's dwells are too long; None where the board has no timer, or, with the
    reason as `why`, where its steps are too faint.
    """

    def measure() -> Step:
        try:
            facts: Facts = {"ppm": _measure(testbed)}
        except MeasurementError as error:
            facts = {"ppm": None, "why": str(error)}
        return Step(np.empty(0), testbed.clock.now_s(), facts)

    next_step(testbed, recording, "board_clock", measure)


def _measure(testbed: Testbed) -> float | None:
    try:
        sdr, surface, plan = testbed.sequencer(1)
    except ConfigError:
        return None
    if not plan.ability.hadamard:
        return None
    rows = surface.geometry.num_elements  # that the board can make
    return _timed(testbed, sdr, surface, plan.dwell_s, min(plan.num_patterns, MOST_PATTERNS, 2 * rows))


def _timed(testbed: Testbed, sdr: StreamingSdr, surface: SequencedSurface, dwell_s: float, count: int) -> float:
    grid, states = testbed.grid, surface.states
    plain = np.full(surface.geometry.num_elements, states.plus, dtype=np.uint8)
    command_s = surface.timing.frame_s + surface.timing.reply_s + 3e-3
    duration_s = command_s + (count + 2 * STILL_DWELLS) * dwell_s
    with testbed.on_air():
        surface.apply(np.full_like(plain, states.minus))
        sdr.begin_capture(math.ceil(duration_s * grid.sample_rate_hz))
        testbed.clock.sleep(STILL_DWELLS * dwell_s)
        surface.arm_hadamard(0, count // 2, dwell_s, "timer", complement=True, mask=plain)
        capture = sdr.end_capture()
    if testbed.apart_lo_hz is not None:
        capture = tune(capture, grid, testbed.apart_lo_hz).capture
    dwell = dwell_s * grid.sample_rate_hz
    return (find_steps(capture.samples, count=count, dwell=dwell, period=grid.fft_size).pitch / dwell - 1) * 1e6
