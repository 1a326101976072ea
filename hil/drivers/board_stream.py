"""Pattern after pattern on a board that is told each of them, and from when on each one stands still.

Where commands are answered one by one, the answer tells that a pattern is there, and the link's pace that the next one
cannot be there yet. Where the board takes several commands at once, nothing is waited for: the link's pace alone tells.
"""

from collections.abc import Callable, Iterator

import numpy as np

from hil.arrays import Float, Patterns
from hil.drivers.dialogue import Dialogue, Request
from hil.interfaces import Clock, Surface, SurfaceTiming

__all__ = ["stream_one_by_one", "stream_unanswered"]

WINDOW = 8  # commands that may have been out when one had to be sent again


def stream_one_by_one(
    surface: Surface, dialogue: Dialogue, clock: Clock, patterns: Patterns, still_s: float, *, staged: bool
) -> Float[np.ndarray, "pattern"]:
    """Pattern after pattern, each answered before the next one is completed. Returns from when on each stands still.

    The next pattern's bytes travel while this one stands still; what is left of `still_s` after them is slept.
    staged: the first pattern was sent ahead already.
    """
    settled_s = np.empty(len(patterns))
    for index, pattern in enumerate(patterns):
        ahead = patterns[index + 1] if index + 1 < len(patterns) else None
        if staged:
            surface.commit(ahead)
        else:
            surface.apply(pattern, ahead)
        staged = ahead is not None
        settled_s[index] = clock.now_s()
        busy_until_s = dialogue.earliest_answer_s(0.0) if staged else clock.now_s()
        clock.sleep(settled_s[index] + still_s - max(busy_until_s, clock.now_s()))
    return settled_s


def stream_unanswered(
    dialogue: Dialogue,
    clock: Clock,
    timing: SurfaceTiming,
    patterns: Patterns,
    still_s: float,
    troubles: Callable[[], int],
) -> Float[np.ndarray, "pattern"]:
    """Patterns back to back, as many under way as the board takes. Returns from when on each stands still.

    NaN for one that had to be sent again, since the board may have shown it out of its turn, and for those sent shortly
    before and after it.

    troubles: commands sent again so far.
    """
    assert timing.stream_s is not None
    settled_s, before = np.empty(len(patterns)), np.zeros(len(patterns) + 1, dtype=int)

    def requests() -> Iterator[Request]:
        for index, pattern in enumerate(patterns):
            before[index] = troubles()
            left_s = dialogue.earliest_answer_s(0.0) + timing.stream_s  # type: ignore[operator]
            settled_s[index] = left_s + timing.update_s + timing.settle_s
            yield "set_pattern", {"pattern": pattern}

    dialogue.stream(requests())
    clock.sleep(settled_s[-1] + still_s - clock.now_s())
    before[-1] = troubles()
    last = np.minimum(np.arange(len(patterns)) + WINDOW + 1, len(patterns))
    first = np.maximum(np.arange(len(patterns)) - WINDOW, 0)
    settled_s[list(dialogue.sent_again)] = np.nan
    return np.where(before[last] == before[first], settled_s, np.nan)
