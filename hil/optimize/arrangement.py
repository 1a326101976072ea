"""Sweeps over every pattern that a family of codes can ask for, instead of a few of them.

As a code turns, each element changes its state at a few angles that are known beforehand. Sorted, they cut the turn
into arcs of one pattern each, neighbours one element apart, so that all of them cost one running sum of taps. Where the
channel has one tap the best pattern is among them: it is what some phase of that tap asks for (N log N, exact; arXiv
2112.02260 for two states, 2211.04704 for more).
"""

import numpy as np

from hil.arrays import Complex, Int, UInt8
from hil.optimize.discrete import StateSearch, relaxed
from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.tap_space import TapPool, TapSearch

RATED_AT_ONCE = 4096  # patterns
STARTS = 4


def corners(states: Complex[np.ndarray, "state"]) -> Int[np.ndarray, "corner"]:
    """States that some direction prefers to all others, counter-clockwise: the corners of their convex hull."""
    angles = 2 * np.pi * np.arange(3600) / 3600
    preferred = np.argmax((np.exp(-1j * angles)[:, None] * states).real, axis=-1)
    return np.asarray(preferred[preferred != np.roll(preferred, 1)])


def sweep(search: StateSearch, asked: Complex[np.ndarray, "element"]) -> tuple[UInt8[np.ndarray, "element"], float]:
    """The best pattern, and its rate, of all that any global turn of `asked` chooses."""
    hull = corners(search.states[0])
    after = np.roll(hull, -1)
    edge = search.states[:, after] - search.states[:, hull]
    angle = np.mod(
        np.angle(-1j * edge[0]) - np.angle(asked)[:, None], 2 * np.pi
    )  # at which a state gives way to the next
    order = np.argsort(angle, axis=None)
    element, corner = np.unravel_index(order, angle.shape)
    pattern = hull[np.argmin(angle, axis=1)].astype(np.uint8)
    steps = search.reflected(edge[:, corner], search.cascade[element].T).T
    best, turn = _highest(search, search.taps_of(pattern), steps)
    pattern[element[: turn + 1]] = after[corner[: turn + 1]]
    return pattern, best


def _highest(
    search: StateSearch, taps: Complex[np.ndarray, "tap"], steps: Complex[np.ndarray, "step tap"]
) -> tuple[float, int]:
    """Highest rate on the way, and after which step it is reached; -1 for before the first."""
    best, turn = float(search.rate(taps[:, None])[0]), -1
    for first in range(0, len(steps), RATED_AT_ONCE):
        on_the_way = taps[:, None] + np.cumsum(steps[first : first + RATED_AT_ONCE], axis=0).T
        rates = search.rate(on_the_way)
        if rates.max() > best:
            best, turn = float(rates.max()), first + int(np.argmax(rates))
        taps = on_the_way[:, -1]
    return best, turn


def sweep_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """Best pattern of each user: the best phases' turns swept, settled, then flips of single elements."""
    objective = Objective.of(relaxed(problem))
    pool, _ = iterate(TapPool(keep=(2 * STARTS, STARTS)), objective, None, rng)
    found, _ = iterate(TapSearch(keep=STARTS, steps=10), objective, pool, rng)
    reflections = np.concatenate([each.best(STARTS).reflection(objective) for each in (pool, found)], axis=1)
    return np.stack([_best(StateSearch.of_user(problem, user), asked) for user, asked in enumerate(reflections)])


def _best(search: StateSearch, candidates: Complex[np.ndarray, "start element"]) -> UInt8[np.ndarray, "element"]:
    found = [search.flip(*search.settle(*sweep(search, asked))) for asked in candidates]
    return max(found, key=lambda result: result[1])[0]
