"""The surface in time: which patterns a capture meets, and with what share while the elements settle."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from hil.arrays import Complex, Float
from hil.sim.timeline import Window

Share = Complex[np.ndarray, "sample"] | float
"""Of one pattern in the reflection, at each sample or at all of them."""


@dataclass(frozen=True)
class Piece:
    """Samples first..last (last excluded) during which the same patterns have a share in the reflection.

    shares: (pattern as bytes, its share).
    """

    first: int
    last: int
    shares: tuple[tuple[bytes, Share], ...]


def remainder(progress: Float[np.ndarray, "sample"]) -> Complex[np.ndarray, "sample"]:
    """What is left of the old reflection on the way to the new one; progress runs from 0 to 1 over the settle time.

    It falls linearly while its phase rings three times, so in between the reflection is neither old nor new, and is
    exact at the end. Passive: it stays within the circle over the straight way from 1 to 0, so +-1 never exceeds 1.
    """
    progress = np.clip(progress, 0.0, 1.0)
    return np.asarray((1 - progress) * np.exp(0.5j * np.pi * progress * np.sin(6 * np.pi * progress)))


def pieces(
    history: Sequence[tuple[float, float, bytes]],
    settle_s: float,
    window: Window,
    first: int,
    last: int,
    longest_s: float = math.inf,
) -> Iterator[Piece]:
    """Cut samples first..last where a pattern starts to change or has settled, and into pieces of `longest_s` at most.

    history: the patterns from `settle_s` before the window on; the first of them has settled when the window starts.
    """
    changes = [(window.index(from_s), window.index(from_s + settle_s)) for from_s, _, _ in history]
    inner = {edge for change in changes for edge in change if first < edge < last}
    longest = max(1, int(min(longest_s * window.rate_hz, window.num_samples)))
    edges = sorted({first, *inner, *range(first, last, longest), last})
    begins, settles = [begun for begun, _ in changes], [settled for _, settled in changes]
    for start, stop in pairwise(edges):
        last_settled = max(bisect_right(settles, start) - 1, 0)
        started = [
            (history[i][2], history[i][0], settles[i] <= start)
            for i in range(last_settled, bisect_right(begins, start))
        ]
        yield Piece(start, stop, tuple(_shares(started, settle_s, partial(window.times_s, start, stop))))


def _shares(
    started: list[tuple[bytes, float, bool]], settle_s: float, times_s: Callable[[], Float[np.ndarray, "sample"]]
) -> Iterator[tuple[bytes, Share]]:
    """From the newest pattern back to the last settled one: each takes its part of what the newer ones left."""
    left: Share = 1.0
    for pattern, from_s, settled in reversed(started):
        if settled:
            yield pattern, left
            return
        remaining = left * remainder((times_s() - from_s) / settle_s)
        yield pattern, left - remaining
        left = remaining
