"""Soundings of a sweep whose start stays in doubt, sounded once more before the radio is quiet: never guessed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from hil.arrays import Complex, Int, Patterns
from hil.errors import MeasurementError
from hil.estimation.align import Together, align_sweep
from hil.estimation.alignment import Alignment
from hil.estimation.captures import Captures
from hil.interfaces import SweepMode
from hil.measure.recording import Step
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.sweep import SweepPlan
from hil.testbed import Testbed

SYMBOLS = 4  # times as many as before: what noise hid once it should not hide again
APART: tuple[SweepMode, ...] = ("stepped", "pipelined", "codebook")
"""Modes with a capture, and a start, a sounding: each of which may be in doubt."""


class Doubt:
    """Which soundings of a sweep cannot be placed, asked before the radio's phases are lost.

    alignment: how all of them lie, once that was asked and none is in doubt; else None. Those of a long capture are not
    in doubt, as all of them decide on their start; each capture is aligned when it has come, the first one while it
    comes.
    """

    def __init__(self, testbed: Testbed, plan: SweepPlan) -> None:
        ofdm = testbed.config.ofdm
        self.alignment: Alignment | None = None
        self._plan, self._num_there = plan, 0
        self._frame: dict[str, Any] = {"used": testbed.grid.used, "fft_size": ofdm.fft_size, "num_taps": ofdm.num_taps}
        self._together: Together | None = None
        self._captures: Captures | None = Captures(
            plan.num_patterns, one_crystal=testbed.config.receiver is None, **self._frame
        )

    def arriving(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> Callable[[int], object]:
        """Aligns the responses of a sweep's first long capture while they arrive: `Arriving`."""
        if self._num_there:
            return lambda count: None
        self._together = Together(responses, **self._frame)
        return self._together.there

    def arrived(self, block: SoundingBlock) -> None:
        """The soundings of the next step. Where each is one large capture, these are aligned now; else by the estimate,
        as of a recording."""
        captures, count = self._captures, len(block.response)
        self._captures, which = None, slice(self._num_there, self._num_there + count)
        self._num_there += count
        if captures is None or not captures.takes(block.reference):
            return
        ours, self._together = self._together, None
        if ours is not None and not np.may_share_memory(ours.responses, block.response):
            ours = None  # they were put together anew
        with suppress(MeasurementError):  # no pilot: the estimate says so
            captures.add(which, block.response, block.noise_var, ours)
            self._captures, self.alignment = captures, captures.alignment

    def __call__(self, soundings: SoundingBlock) -> Int[np.ndarray, "again"]:
        """Numbers of the soundings in doubt, each with its complement, which must see the same room.

        There are none where a second receiver knows every start, and where the sweep holds no pilot at all: its
        estimate says so.
        """
        none, partner = np.empty(0, dtype=int), self._plan.partner
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
