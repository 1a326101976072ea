"""How a station sounds the patterns of a round, whatever its board can do, while the surface goes on serving.

Where the board steps by its own timer, patterns stand in its codebook between the complement of the serving pattern and
that pattern itself: so the capture sees a clear first and last step, and the surface serves before the first and from
the last on. Only patterns that changed travel. Elsewhere patterns are sent one by one, the serving one last; that one
was sounded as the round's reference, so it is not sounded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Pattern, Patterns
from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.experiments.policies import Ask, Heard
from hil.interfaces import SweepMode
from hil.measure.self_stepping import CaptureTerms, complement
from hil.measure.sequence import SequencePlan, sound_sequence
from hil.measure.sounder import Sounder, Sounding
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.sweep import BoardRows, choose_mode
from hil.testbed import Testbed

PROBED: tuple[SweepMode, ...] = ("sequence", "pipelined", "stepped")
SWEPT_SYMBOLS = 8  # of a sounding of the first sweep: of fewer, weak users' first and last change cannot be told


@dataclass(frozen=True, eq=False)
class Probed:
    """Soundings of a round, and when the surface did not serve for them.

    listening: share of that time in which pilots are on the air or captured, so that no data can flow.
    """

    heard: Heard
    away_from_s: float
    away_until_s: float
    listening: float


@runtime_checkable
class Prober(Protocol):
    """Sounds patterns; the serving pattern is on the surface before and after."""

    stored: bool
    """Whether each new pattern must be stored on the board first."""

    def sound(self, serving: Pattern, ask: Ask, reference: Sounding) -> Probed:
        """reference: of the serving pattern, just before; told with the others where captures are alike."""
        ...


def suited(config: SweepConfig, testbed: Testbed) -> SweepConfig:
    """The configuration with what it leaves open: a mode for board and radio, and symbols of a sounding.

    Where the board steps by its own timer, `SWEPT_SYMBOLS`; else the station's. Raises ConfigError for a mode that is
    not possible here, and for two radios: a round's few soundings do not tell their phases from the user's steps.
    """
    if testbed.apart_lo_hz is not None:
        raise ConfigError("receiver: a user is followed with one radio, whose phases hold from round to round")
    fast = config.repetitions or SWEPT_SYMBOLS
    slow = config.repetitions or testbed.config.ofdm.repetitions
    mode = choose_mode(config.mode, [each for each in testbed.sweep_modes(fast) if each in PROBED])
    return config.model_copy(update={"mode": mode, "repetitions": fast if mode == "sequence" else max(2, slow)})


def make_prober(testbed: Testbed, config: SweepConfig, symbols: int | None) -> Prober:
    """For a configuration that is `suited`.

    symbols: of a sounding; where None one for patterns in a sequence that a policy chose, else as in the sweep.
    """
    assert config.repetitions is not None, "see `suited`"
    if config.mode == "sequence":
        return _Sequence(testbed, symbols or 1, symbols or config.repetitions, config.max_retakes)
    return _Stepped(
        testbed, max(2, symbols or config.repetitions), config.max_retakes, pipelined=config.mode == "pipelined"
    )


def reference_sounder(testbed: Testbed, config: SweepConfig) -> Sounder:
    """Sounds what is on the surface, as it is."""
    repetitions = max(2, config.repetitions or testbed.config.ofdm.repetitions)
    return testbed.sounder(repetitions, config.max_retakes)


def as_block(soundings: Sequence[Sounding]) -> SoundingBlock:
    """Soundings that no restart of the board made void."""
    return SoundingBlock.gather(soundings, [0] * len(soundings))


class _Sequence:
    stored = True

    def __init__(self, testbed: Testbed, symbols: int, swept_symbols: int, max_retakes: int) -> None:
        self._testbed, self._max_retakes = testbed, max_retakes
        self._sdr, self._surface, plan = testbed.sequencer(symbols)
        self._plan = replace(plan, arming_s=plan.arming_s - self._surface.timing.frame_s)  # no pattern travels to arm
        self._sweep_plan = testbed.sequencer(swept_symbols)[2]

    def sound(self, serving: Pattern, ask: Ask, reference: Sounding) -> Probed:
        if ask.rows is not None and (rows := self._made_by_board(ask)) is not None:
            return self._sweep(serving, ask, rows)
        patterns = np.concatenate([complement(serving, self._surface.states)[None], ask.patterns, serving[None]])
        self._surface.load_codebook(patterns)
        block = self._capture(self._plan, patterns, None)
        heard = Heard(patterns, block, slice(1, 1 + len(ask.patterns)), (slice(0, len(patterns)),))
        return Probed(heard, float(block.time_s[0]), float(block.time_s[-1]), 1.0)

    def _made_by_board(self, ask: Ask) -> dict[tuple[int, int], BoardRows] | None:
        """Rows that the board makes itself, one capture's at a time; None where it cannot make them all."""
        count, size = len(ask.patterns), self._sweep_plan.num_patterns
        parts = [(start, min(start + size, count)) for start in range(0, count, size)]
        rows = {part: ask.rows(slice(*part)) if ask.rows else None for part in parts}
        made = {part: each for part, each in rows.items() if each is not None}
        return made if len(made) == len(parts) and self._plan.ability.hadamard else None

    def _sweep(self, serving: Pattern, ask: Ask, rows: dict[tuple[int, int], BoardRows]) -> Probed:
        """Many patterns that need not be stored; between captures the surface shows the last of them."""
        blocks = [self._capture(self._sweep_plan, ask.patterns[slice(*part)], each) for part, each in rows.items()]
        self._surface.apply(serving)
        block, captures = SoundingBlock.join(blocks), tuple(slice(*part) for part in rows)
        heard = Heard(ask.patterns, block, slice(0, len(ask.patterns)), captures)
        return Probed(heard, float(block.time_s[0]), self._testbed.clock.now_s(), 1.0)

    def _capture(self, plan: SequencePlan, patterns: Patterns, rows: BoardRows | None) -> SoundingBlock:
        return sound_sequence(
            self._sdr,
            self._surface,
            self._testbed.clock,
            self._testbed.grid,
            plan,
            patterns,
            CaptureTerms(max_retakes=self._max_retakes),
            rows,
        )


class _Stepped:
    stored = False

    def __init__(self, testbed: Testbed, repetitions: int, max_retakes: int, *, pipelined: bool) -> None:
        self._testbed, self._max_retakes, self._pipelined = testbed, max_retakes, pipelined
        self._sounder = testbed.sounder(repetitions, max_retakes)

    def sound(self, serving: Pattern, ask: Ask, reference: Sounding) -> Probed:
        """As `Prober.sound`; each pattern is told to the board and has a capture of its own."""
        clock, began_s = self._testbed.clock, self._testbed.clock.now_s()
        block = sound_patterns(
            self._sounder,
            self._testbed.surface,
            ask.patterns,
            mode="pipelined" if self._pipelined else "stepped",
            max_retakes=self._max_retakes,
        )
        self._testbed.surface.apply(serving)
        until_s = clock.now_s()
        busy_s = len(ask.patterns) * (self._testbed.turnaround_s + self._sounder.capture_s)
        listening = min(1.0, busy_s / max(until_s - began_s, busy_s))
        patterns: Patterns = np.concatenate([serving[None], ask.patterns])
        told_apart = replace(reference, retakes=0, overloaded=False)  # the round counts what it cost by itself
        block = SoundingBlock.join([as_block([told_apart]), block])
        return Probed(Heard(patterns, block, slice(1, None), ()), began_s, until_s, listening)
