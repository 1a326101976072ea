"""Soundings of a sweep whose start stays in doubt, sounded once more before the radio is quiet: never guessed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.arrays import Complex, Int, Patterns
from hil.errors import MeasurementError
from hil.estimation.align import Together, align_sweep
from hil.estimation.alignment import Alignment
from hil.estimation.reference import one_capture
from hil.interfaces import SweepMode
from hil.measure.recording import Step
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.sweep import SweepPlan
from hil.testbed import Testbed

SYMBOLS = 4  # times as many as before: what noise hid once it should not hide again
APART: tuple[SweepMode, ...] = ("stepped", "pipelined", "codebook")
"""Modes with a capture, and a start, a sounding: each of which may be in doubt."""


@dataclass
class Doubt:
    """Which soundings of a sweep cannot be placed, asked before the radio's phases are lost.

    alignment: how all of them lie, once that was asked and none is in doubt; else None. Those of a long capture are not
    in doubt, as all of them decide on their start; they are aligned while they come.
    """

    testbed: Testbed
    plan: SweepPlan
    alignment: Alignment | None = None
    _together: Together | None = None

    def arriving(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> Callable[[int], object]:
        """Aligns the responses of a capture that holds the whole sweep while they arrive: `Arriving`."""
        if len(responses) != self.plan.num_patterns:
            return lambda count: None
        self._together = Together(responses, **self._frame)
        return self._together.there

    def arrived(self, soundings: SoundingBlock | None) -> None:
        """Asks how they lie, where they are those that were aligned while they arrived, and share one start."""
        ours = self._together
        if ours is None or soundings is None or not one_capture(soundings.reference):
            return
        if np.may_share_memory(ours.responses, soundings.response):
            with suppress(MeasurementError):  # no pilot: the estimate says so
                self.alignment = ours.alignment(soundings.noise_var)

    @property
    def _frame(self) -> dict[str, Any]:
        ofdm = self.testbed.config.ofdm
        return {"used": self.testbed.grid.used, "fft_size": ofdm.fft_size, "num_taps": ofdm.num_taps}

    def __call__(self, soundings: SoundingBlock) -> Int[np.ndarray, "again"]:
        """Numbers of the soundings in doubt, each with its complement, which must see the same room.

        There are none where a second receiver knows every start, and where the sweep holds no pilot at all: its
        estimate says so.
        """
        none, partner = np.empty(0, dtype=int), self.plan.partner
        if soundings.reference is not None:
            return none
        with suppress(MeasurementError):
            alignment = align_sweep(soundings.response, soundings.noise_var, partner=partner, **self._frame)
            found = np.flatnonzero(alignment.ambiguous)
            self.alignment = None if found.size else alignment
            return np.union1d(found, partner[found][partner[found] >= 0])
        return none


def sound_again(
    testbed: Testbed, sounder: Sounder, patterns: Patterns, which: Int[np.ndarray, "again"], max_retakes: int
) -> Step:
    """One durable step, pattern by pattern: these are few. `facts["which"]` says where they belong in the sweep."""
    started_s = testbed.clock.now_s()
    facts: dict[str, Any] = {"which": which.tolist(), "resets": 0, "radio_time_s": 0.0}
    if not which.size:
        return Step(np.empty(0), started_s, facts)
    block = sound_patterns(sounder.longer(SYMBOLS), testbed.surface, patterns, max_retakes=max_retakes)
    ended_s = testbed.clock.now_s()
    return Step(block.records(), ended_s, facts | {"resets": block.resets, "radio_time_s": ended_s - started_s})


def put_in_place(soundings: SoundingBlock, again: Step) -> SoundingBlock:
    """The sweep's soundings with those that were sounded again in place of the first ones, which count as retaken.

    Simplification: the noise on each subcarrier stays that of the first ones; these are few.
    """
    which = again.facts["which"]
    if not which:
        return soundings
    records = soundings.records()
    retakes = records["retakes"][which] + again.data["retakes"] + 1
    for name in records.dtype.names or ():
        records[name][which] = again.data[name]
    records["retakes"][which] = retakes
    resets = soundings.resets + again.facts["resets"]
    return replace(SoundingBlock.from_records(records, resets), noise_by_subcarrier=soundings.noise_by_subcarrier)
