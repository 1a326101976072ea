"""A board that answers as a witnessed one did makes the same soundings void, whatever the restarts were."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import BoardReset
from hil.interfaces import Geometry, StateSet, Surface, SurfaceTiming
from hil.measure.sounder import Sounder, Sounding
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.witness import RecalledSurface, WitnessedSurface

PATTERNS = np.arange(24, dtype=np.uint8).reshape(6, 4)


class Restarting:
    """Restarts, and loses its pattern, in the calls of these numbers; says so in the same call, or never."""

    identity, modes = "board", ("pipelined", "stepped", "codebook")
    geometry = Geometry(2, 2, 0.01, 0.01)
    states = StateSet(np.zeros(1), np.array([[1.0 + 0j, -1]]))
    timing = SurfaceTiming(0.0, 0.0, 0.0, 0.0, 0.0)

    def __init__(self, told: set[int], silent: set[int]) -> None:
        self._told, self._silent, self._count = told, silent, 0
        self._shown = self._staged = PATTERNS[0]
        self._codebook = PATTERNS

    def _call(self) -> None:
        self._count += 1
        if self._count in self._silent:
            self._shown = np.full(4, 99, dtype=np.uint8)
        if self._count in self._told:
            raise BoardReset("banner seen")

    def apply(self, pattern, ahead=None):  # type: ignore[no-untyped-def]
        self._shown, self._staged = pattern, ahead
        self._call()

    def stage(self, pattern):  # type: ignore[no-untyped-def]
        self._staged = pattern

    def commit(self, ahead=None):  # type: ignore[no-untyped-def]
        self.apply(self._staged, ahead)

    def select(self, index):  # type: ignore[no-untyped-def]
        self.apply(self._codebook[index])

    def check(self):  # type: ignore[no-untyped-def]
        self._call()

    def read_pattern(self):  # type: ignore[no-untyped-def]
        self._call()
        return self._shown

    def load_codebook(self, patterns):  # type: ignore[no-untyped-def]
        self._codebook = patterns

    def arm_sequence(self, first, count, dwell_s, source):  # type: ignore[no-untyped-def]
        raise AssertionError("not part of a sweep pattern by pattern")

    def close(self):  # type: ignore[no-untyped-def]
        pass


class Numbering(Sounder):
    """Each sounding carries its number: of two runs the same ones are kept, or not."""

    def __init__(self) -> None:
        self.count = 0

    def sound(self) -> Sounding:
        self.count += 1
        return Sounding(np.full(3, self.count, dtype=np.complex64), 1.0, False, float(self.count), 0, 4)


def swept(surface: object, mode: str) -> tuple[SoundingBlock, int]:
    sounder = Numbering()
    block = sound_patterns(sounder, surface, PATTERNS, mode=mode, max_retakes=40)  # type: ignore[arg-type]
    return block, sounder.count


@given(
    told=st.sets(st.integers(1, 40), max_size=8),
    silent=st.sets(st.integers(1, 40), max_size=4),
    mode=st.sampled_from(["stepped", "pipelined", "codebook"]),
)
def test_what_a_witness_noted_is_what_happens_again(told: set[int], silent: set[int], mode: str) -> None:
    witness = WitnessedSurface(Restarting(told, silent))
    assert isinstance(witness, Surface)
    witness.load_codebook(PATTERNS)
    witness.listen()
    first, captures = swept(witness, mode)
    again, captures_again = swept(RecalledSurface(witness.restarts), mode)
    assert captures == captures_again
    assert first.records().tobytes() == again.records().tobytes()
    assert first.resets == again.resets == len(witness.restarts)


def test_a_witness_counts_anew_for_each_step() -> None:
    witness = WitnessedSurface(Restarting({1, 4}, set()))
    for expected in ([0], [1]):
        witness.listen()
        for _ in range(2):
            with suppress(BoardReset):
                witness.check()
        assert witness.restarts == expected
    with pytest.raises(AssertionError):
        witness.arm_sequence(0, 1, 1.0, "timer")
