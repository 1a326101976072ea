"""Patterns streamed without waiting for answers: which of them are sure to have stood where they should."""

from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.drivers.board_stream import stream_unanswered
from hil.interfaces import SurfaceTiming

NUM_PATTERNS, OUTSTANDING = 60, 8
TIMING = SurfaceTiming(1e-6, 20e-6, 150e-6, 0.0, 20e-6, stream_s=150e-6)


class Line:
    """A dialogue and a clock on which each command takes `stream_s`; some must be sent again.

    late: of each command in trouble, after how many further ones that is noticed.
    """

    def __init__(self, late: dict[int, int]) -> None:
        self.time_s, self.troubles = 0.0, 0
        self.sent_again: tuple[int, ...] = tuple(late)
        self._noticed = [index + after for index, after in late.items()]

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, duration_s: float) -> None:
        self.time_s += max(duration_s, 0.0)

    def earliest_answer_s(self, _done_s: float) -> float:
        return self.time_s

    def stream(self, requests: Iterable[object]) -> None:
        for index, _ in enumerate(requests):
            self.troubles += self._noticed.count(index)
            self.time_s += TIMING.stream_s or 0.0


def streamed(late: dict[int, int]) -> np.ndarray:
    line = Line(late)
    patterns = np.zeros((NUM_PATTERNS, 4), dtype=np.uint8)
    settled_s = stream_unanswered(
        line,  # type: ignore[arg-type]
        SimpleNamespace(now_s=line.now_s, sleep=line.sleep),
        TIMING,
        patterns,
        50e-6,
        lambda: line.troubles,
    )
    assert line.time_s >= NUM_PATTERNS * 150e-6
    return settled_s


@given(st.dictionaries(st.integers(0, NUM_PATTERNS - 1), st.integers(0, OUTSTANDING), max_size=3))
def test_what_was_out_when_a_command_had_to_be_sent_again_has_no_time_and_everything_else_has(
    late: dict[int, int],
) -> None:
    """Eight on either side of where trouble was noticed: those before may have been shown behind it, those after it
    may have come in between."""
    settled_s = streamed(late)
    doubtful = set(late)
    for index, after in late.items():
        noticed = index + after
        if noticed < NUM_PATTERNS:
            doubtful |= set(range(max(noticed - OUTSTANDING, 0), min(noticed + OUTSTANDING, NUM_PATTERNS - 1) + 1))
    assert set(np.flatnonzero(np.isnan(settled_s))) == doubtful


def test_without_trouble_each_pattern_stands_once_its_bytes_have_travelled_and_it_has_settled() -> None:
    settled_s = streamed({})
    assert np.allclose(settled_s, (np.arange(NUM_PATTERNS) + 1) * 150e-6 + 21e-6)
