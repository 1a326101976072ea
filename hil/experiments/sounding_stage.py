"""What a stage sounds, and in which durable steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hil.arrays import Int, Patterns
from hil.config import SweepConfig
from hil.experiments.step_intake import Arriving
from hil.interfaces import SweepMode
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import BoardRows

BY_ITSELF: tuple[SweepMode, ...] = ("sequence", "triggered")
"""Modes in which the board goes from pattern to pattern without the host."""


@dataclass(frozen=True)
class SoundingStage:
    """Patterns that are sounded in durable steps `name/00000`, ...

    patterns: of a slice of their numbers, of which there are num_patterns. config: its mode may be "auto"; `mode` is
    the one that is used. facts: for the step that begins the stage.
    rows: how a board that steps by itself makes some of the patterns; None where they must be stored on it first.
    in_doubt: which soundings must be taken once more, in a last step, before the radio's phases are lost; it is given
    them all. arriving: told of the responses of a long capture while it arrives. arrived: of each step's soundings.
    """

    name: str
    patterns: Callable[[slice], Patterns]
    num_patterns: int
    config: SweepConfig
    mode: SweepMode = "stepped"
    facts: dict[str, Any] = field(default_factory=dict)
    rows: Callable[[slice], BoardRows | None] = lambda which: None
    in_doubt: Callable[[SoundingBlock], Int[np.ndarray, "again"]] | None = None
    arriving: Arriving | None = None
    arrived: Callable[[SoundingBlock], object] = lambda block: None

    @property
    def blocks(self) -> dict[str, slice]:
        """The steps, and which patterns are in each."""
        return blocks_of(self.name, self.num_patterns, self.config.block)


def blocks_of(stage: str, num_patterns: int, block: int) -> dict[str, slice]:
    """The steps of so many patterns, and which of these are in each."""
    starts = range(0, num_patterns, block)
    return {f"{stage}/{i:05d}": slice(start, min(start + block, num_patterns)) for i, start in enumerate(starts)}
