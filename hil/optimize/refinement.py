"""On-air refinement: small changes of a chosen pattern, each kept only where fresh measurements of both say so.

The steps of a `PowerSearch` (hil.optimize.power_only), on patterns of states. A change is compared with what is held
by pairs of measurements, in looks: after each look Student's test of the paired differences decides, its error shared
evenly among the looks (Bonferroni), or the next look follows. At the end the result is compared with the start by
pairs that nothing else used, and the start is taken back unless the result is better beyond doubt: what many tests let
through by chance does not survive the one that was not among them.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Pattern
from hil.optimize.objective import Problem, power
from hil.optimize.power_only import Figures, Question, Steps

Change = Callable[[Pattern, np.random.Generator], Pattern]
"""A neighbour of a pattern; the pattern itself where there is nothing to change."""


@dataclass(frozen=True)
class Comparison:
    """pairs: of each look. looks: at most. confidence: that a pattern that was not better is not taken for better."""

    pairs: int
    looks: int
    confidence: float

    def better(self, differences: Float[np.ndarray, "pair"]) -> bool | None:
        """Whether the differences show a gain; None where they show neither gain nor loss."""
        from scipy.special import stdtrit

        count = differences.size
        tail = (1 - self.confidence) / self.looks
        half = float(stdtrit(count - 1, 1 - tail)) * differences.std(ddof=1) / np.sqrt(count)
        mean = differences.mean()
        return None if abs(mean) <= half else bool(mean > 0)


def refine(start: Pattern, change: Change, *, trials: int, trial: Comparison, last: Comparison, seed: int) -> Steps:
    """Try changes one after another, then the result against `start`. Returns one of the two."""
    rng = np.random.default_rng([seed, 22])
    held = start
    for _ in range(trials):
        new = change(held, rng)
        if not np.array_equal(new, held) and (yield from _compare(held, new, trial)):
            held = new
    if not np.array_equal(held, start) and not (yield from _compare(start, held, last)):
        return start
    return held


def tap_change(problem: Problem, step: float) -> Change:
    """Disturb the T weights that the pattern is aligned with, each complex, by `step` relative to all of them.

    The weights of a pattern are dR/dh* there, by the estimate. Every other time, by chance, the whole pattern is
    aligned with the disturbed ones, which brings one back that has gone astray; else an element changes only where they
    ask for another state than the undisturbed ones (hil.optimize.discrete), so that what else was found stays.
    """
    states = problem.states
    assert states is not None, "a board has states"

    def change(held: Pattern, rng: np.random.Generator) -> Pattern:
        response = problem.response_to(held)
        code = problem.basis.conj().T @ (response / (1 + problem.snr_scale * power(response)))
        noise = rng.standard_normal(code.size) + 1j * rng.standard_normal(code.size)
        disturbed = code + step * np.linalg.norm(code) / np.sqrt(2 * code.size) * noise
        asked, wanted = (_states_for(problem.cascade.conj() @ each, states) for each in (code, disturbed))
        whole = rng.random() < 0.5
        return np.where((asked == wanted) & (not whole), held, wanted).astype(np.uint8)

    return change


def flip_change(rows: int, cols: int, num_states: int, size: int) -> Change:
    """Turn a block of `size` x `size` neighbours to the next state."""

    def change(held: Pattern, rng: np.random.Generator) -> Pattern:
        row, col = (int(rng.integers(0, max(length - size, 0) + 1)) for length in (rows, cols))
        new = held.reshape(rows, cols).copy()
        block = new[row : row + size, col : col + size]
        block[:] = (block + 1) % num_states
        return np.asarray(new.ravel())

    return change


def _compare(held: Pattern, new: Pattern, comparison: Comparison) -> Generator[Question, Figures, bool]:
    """Whether `new` is better; no, where no look could tell."""
    differences = np.empty(0)
    sign = np.resize([-1, 1, 1, -1], 2 * comparison.pairs)  # held, new, new, held: a drift favours neither
    for _ in range(comparison.looks):
        figures = yield Question(np.where(sign[:, None] < 0, held, new), held)
        differences = np.concatenate([differences, (sign * figures).reshape(-1, 2).sum(axis=1)])
        if (verdict := comparison.better(differences)) is not None:
            return verdict
    return False


def _states_for(wanted: Complex[np.ndarray, "element"], states: Complex[np.ndarray, "state"]) -> Pattern:
    """The state of each element that goes furthest in the wanted direction."""
    return np.asarray(np.argmax((wanted.conj()[:, None] * states).real, axis=1), dtype=np.uint8)
