"""What a board answered while patterns were sounded one by one, and a board that answers so again.

All that a board tells a sounding loop is whether it restarted. So its answers are the numbers of those calls (of
`apply`, `commit`, `select`, `check` and `read_pattern`, from 0) that met a restart; everything else is in the samples.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hil.arrays import Pattern, Patterns
from hil.errors import BoardReset
from hil.interfaces import Geometry, StateSet, Surface, SurfaceTiming, SweepMode


class WitnessedSurface:
    """A surface, as it is, and the calls in which its board turned out to have restarted, since `listen`."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._shown: Pattern | None = None
        self._ahead: Pattern | None = None
        self._codebook: Patterns | None = None
        self._num_calls = 0
        self.restarts: list[int] = []

    def listen(self) -> None:
        """Count calls from 0 again."""
        self._num_calls, self.restarts = 0, []

    @property
    def identity(self) -> str:
        return self._surface.identity

    @property
    def geometry(self) -> Geometry:
        return self._surface.geometry

    @property
    def states(self) -> StateSet:
        return self._surface.states

    @property
    def timing(self) -> SurfaceTiming:
        return self._surface.timing

    @property
    def modes(self) -> Sequence[SweepMode]:
        return self._surface.modes

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None:
        with _Call(self):
            self._surface.apply(pattern, ahead)
        self._shown, self._ahead = pattern, ahead

    def stage(self, pattern: Pattern) -> None:
        self._surface.stage(pattern)
        self._ahead = pattern

    def commit(self, ahead: Pattern | None = None) -> None:
        with _Call(self):
            self._surface.commit(ahead)
        self._shown, self._ahead = self._ahead, ahead

    def select(self, index: int) -> None:
        with _Call(self):
            self._surface.select(index)
        self._shown = None if self._codebook is None else self._codebook[index]

    def check(self) -> None:
        with _Call(self):
            self._surface.check()

    def read_pattern(self) -> Pattern | None:
        with _Call(self) as call:
            held = self._surface.read_pattern()
            if held is not None and self._shown is not None and not np.array_equal(held, self._shown):
                self.restarts.append(call.number)  # the loop takes it for one
        return held

    def load_codebook(self, patterns: Patterns) -> None:
        self._surface.load_codebook(patterns)
        self._codebook = patterns

    def arm_sequence(
        self, first: int, count: int, dwell_s: float, source: Literal["software", "timer", "trigger"]
    ) -> None:
        self._surface.arm_sequence(first, count, dwell_s, source)

    def close(self) -> None:
        self._surface.close()

    def next_call(self) -> int:
        """Its number."""
        self._num_calls += 1
        return self._num_calls - 1


class _Call:
    """One call to a board; where it raises BoardReset its number is noted."""

    def __init__(self, witness: WitnessedSurface) -> None:
        self._witness, self.number = witness, witness.next_call()

    def __enter__(self) -> "_Call":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        if kind is not None and issubclass(kind, BoardReset):
            self._witness.restarts.append(self.number)


class RecalledSurface:
    """A board that takes any pattern, and restarts where the one that was witnessed did. What it showed is on record.

    It cannot be read back: that the other one held what it was told is known by its not having restarted.
    """

    def __init__(self, restarts: Sequence[int]) -> None:
        self._restarts = frozenset(restarts)
        self._num_calls = 0

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None:
        """As it went then. So do all the others."""
        self._answer()

    def commit(self, ahead: Pattern | None = None) -> None:
        self._answer()

    def select(self, index: int) -> None:
        self._answer()

    def check(self) -> None:
        self._answer()

    def read_pattern(self) -> Pattern | None:
        self._answer()
        return None

    def _answer(self) -> None:
        self._num_calls += 1
        if self._num_calls - 1 in self._restarts:
            raise BoardReset("the board restarted here when this was recorded")
