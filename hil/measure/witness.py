"""What a board answered while patterns were sounded, and a board that answers so again.

In modes that go pattern by pattern, all that a board tells is whether it restarted. So its answers are the numbers of
those calls (of `apply`, `commit`, `select`, `check`, `read_pattern` and what follows here, counted together from 0)
that met a restart. Where a capture holds many patterns it also tells how many of its steps it took
(`sequence_status`), or since when each pattern stood still (`stream`). Everything else is in the samples.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from hil.arrays import Float, Pattern, Patterns
from hil.errors import BoardReset
from hil.interfaces import (
    Geometry,
    SequenceAbility,
    SequencedSurface,
    StateSet,
    StreamingSurface,
    Surface,
    SurfaceTiming,
    SweepMode,
)

Source = Literal["software", "timer", "trigger"]


class WitnessedSurface:
    """A surface, as it is, and the calls in which its board turned out to have restarted, since `listen`."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._shown: Pattern | None = None
        self._ahead: Pattern | None = None
        self._codebook: Patterns | None = None
        self._num_calls = 0
        self.restarts: list[int] = []
        self.answers: list[tuple[int, Any]] = []

    def listen(self) -> None:
        """Count calls from 0 again."""
        self._num_calls, self.restarts, self.answers = 0, [], []

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

    @property
    def sequence(self) -> SequenceAbility | None:
        return self._surface.sequence if isinstance(self._surface, SequencedSurface) else None

    def arm_sequence(self, first: int, count: int, dwell_s: float, source: Source) -> None:
        with _Call(self):
            self._surface.arm_sequence(first, count, dwell_s, source)
        self._shown = None

    def arm_hadamard(
        self, first: int, count: int, dwell_s: float, source: Source, *, complement: bool, mask: Pattern
    ) -> None:
        with _Call(self):
            board = self._stepping
            board.arm_hadamard(first, count, dwell_s, source, complement=complement, mask=mask)
        self._shown = None

    def sequence_status(self) -> Mapping[str, Any]:
        with _Call(self) as call:
            status = self._stepping.sequence_status()
            self.answers.append((call.number, {name: int(status[name]) for name in ("applied", "overruns")}))
        return status

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]:
        with _Call(self) as call:
            settled_s = self._streamed.stream(patterns, still_s)
            known = [None if math.isnan(each) else each for each in settled_s.tolist()]
            self.answers.append((call.number, known))
        self._shown = patterns[-1]
        return settled_s

    def close(self) -> None:
        self._surface.close()

    @property
    def _stepping(self) -> SequencedSurface:
        if not isinstance(self._surface, SequencedSurface):
            raise TypeError(f"{self.identity} does not step by itself")
        return self._surface

    @property
    def _streamed(self) -> StreamingSurface:
        if not isinstance(self._surface, StreamingSurface):
            raise TypeError(f"{self.identity} takes no stream of patterns")
        return self._surface

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
    """A board that takes any pattern, and answers and restarts as the one that was witnessed did.

    It cannot be read back: where the recorded board held another pattern than it was told, that counts as a restart.
    """

    states = StateSet(np.zeros(1), np.array([[1.0 + 0j, -1.0]]))  # any: nothing that was recorded follows from them
    timing = SurfaceTiming(0.0, 0.0, 0.0, 0.0, 0.0)  # likewise: what does is in the plan

    def __init__(self, restarts: Sequence[int], answers: Sequence[tuple[int, Any]] = ()) -> None:
        self._restarts, self._answers = frozenset(restarts), dict(answers)
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

    def arm_sequence(self, first: int, count: int, dwell_s: float, source: Source) -> None:
        self._answer()

    def arm_hadamard(
        self, first: int, count: int, dwell_s: float, source: Source, *, complement: bool, mask: Pattern
    ) -> None:
        self._answer()

    def sequence_status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self._answers[self._answer()]
        return status

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]:
        return np.array(self._answers[self._answer()], dtype=float)  # None becomes NaN

    def _answer(self) -> int:
        """Number of this call. Raises BoardReset where it met a restart."""
        number = self._num_calls
        self._num_calls += 1
        if number in self._restarts:
            raise BoardReset("the board restarted here when this was recorded")
        return number
