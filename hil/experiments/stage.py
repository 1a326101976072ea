"""Soundings whose patterns follow from those before: a stage on the air, one durable step at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from hil.arrays import Patterns
from hil.interfaces import SweepMode
from hil.measure.recording import Recording, Step
from hil.measure.sounder import Sounder
from hil.measure.stepping import sound_patterns
from hil.testbed import Testbed


@contextmanager
def on_stage(
    testbed: Testbed, recording: Recording, begin: Step, *, repetitions: int, max_retakes: int
) -> Iterator[Sounder]:
    """On the air, begun in the same way whether anything of the stage is recorded or not; quiet afterwards.

    begin: the stage's first step. Inside, the time of a simulated testbed is that of the last recorded step.
    """
    testbed.continue_at(begin.time_s)
    with testbed.on_air():
        sounder = Sounder(testbed.sdr, testbed.grid, repetitions, max_retakes=max_retakes)
        testbed.surface.apply(np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8))
        sounder.sound()  # finds an overload before the first step, and fills the radio's buffers
        testbed.continue_at(recording.time_s)
        yield sounder


def sound_on_stage(
    testbed: Testbed, sounder: Sounder, patterns: Patterns, mode: SweepMode, *, max_retakes: int
) -> Step:
    """Patterns as one durable step, `stepped` or `pipelined`; depends on the time at which it starts only."""
    started_s = testbed.clock.now_s()
    soundings = sound_patterns(sounder, testbed.surface, patterns, mode=mode, max_retakes=max_retakes)
    ended_s = testbed.clock.now_s()
    return Step(soundings.records(), ended_s, {"resets": soundings.resets, "radio_time_s": ended_s - started_s})


def stage_mode(testbed: Testbed, repetitions: int) -> SweepMode:
    """The fastest for a few patterns that nobody knew before."""
    return "pipelined" if "pipelined" in testbed.sweep_modes(repetitions) else "stepped"
