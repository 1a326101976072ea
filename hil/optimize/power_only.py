"""Patterns from received power alone: where coherence fails, or no model of the channel is right.

A search is asked for patterns and told one figure of each (power, or a rate computed from it): no phase, no channel
estimate, no model of the elements. Patterns are signs, +-1 of each element; which states stand for them is the
caller's. The methods:

`voting`: each element takes the sign that most random patterns above the median had (RFocus: Arun and Balakrishnan,
    NSDI 2020).
`conditional_mean`: each element takes the sign under which the mean figure of random patterns is higher (CSM: Ren et
    al., arXiv 2407.12648). That tells what an element adds to the field of everything else. Random patterns leave the
    direct path as that field; further stages look around the best pattern so far, which then is the field.
`quadratic`: power is a quadratic form of the signs, and for random signs s the mean of power x s s^T is its
    off-diagonal part. The leading eigenvectors of that mean, from O(N log N) phaseless samples, are a spectral estimate
    of the form; an ascent finds the signs that make it large (the idea of BORN, arXiv 2511.05132, here by Lanczos).
`flips_element`, `flips_column`, `flips_block`: change a part of the best pattern so far, keep what helped.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat

import numpy as np

from hil.arrays import Float, Int, Pattern, Patterns
from hil.interfaces import Geometry
from hil.phy.grouping import block_groups, column_groups

Sign = Int[np.ndarray, "element"]
Signs = Int[np.ndarray, "pattern element"]
Figures = Float[np.ndarray, "pattern"]
Decide = Callable[[Signs, Figures, np.random.Generator], Sign]

LEAST_BATCH, LEAST_BUDGET = 4, 64
BLOCK = 4  # rows and columns of a block of elements that flips together
RANK = 6  # eigenvectors that hold the quadratic form
ASCENTS = 32  # starts of the ascent over signs
AROUND = 0.2  # share of elements that differ from the best pattern in later stages of the conditional mean
STAGES = 4  # of the conditional mean
CONFIRMATIONS = 4  # times that each candidate is measured before one of them is believed


@dataclass(frozen=True)
class Question:
    """patterns: [pattern, element], to be measured in this order. best: [element], best by now. Signs, or states."""

    patterns: Signs | Patterns
    best: Sign | Pattern


Steps = Generator[Question, Figures, Sign | Pattern]
"""A search as it goes: yields questions, is sent a figure for each of their patterns, returns the best pattern."""


class PowerSearch:
    """Ask for patterns, tell their figures, until `done`. The same seed and figures ask for the same patterns."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._question: Question | None = None
        self._answer: Sign | Pattern | None = None
        self._go_on(None)

    @property
    def done(self) -> bool:
        """Whether there is nothing left to ask."""
        return self._question is None

    @property
    def best(self) -> Sign | Pattern:
        """The best pattern by what was told so far."""
        found = self._answer if self._question is None else self._question.best
        assert found is not None, "a search ends with an answer"
        return found

    def ask(self) -> Signs | Patterns:
        """Patterns to be measured in this order, the same until they are told. Raises RuntimeError once done."""
        if self._question is None:
            raise RuntimeError("the search is done")
        return self._question.patterns

    def tell(self, figures: Figures) -> None:
        """One figure for each pattern asked for, higher is better. Raises RuntimeError for another number of them."""
        if len(figures) != len(self.ask()):
            raise RuntimeError(f"{len(figures)} figures for {len(self.ask())} patterns")
        self._go_on(np.asarray(figures, dtype=float))

    def _go_on(self, figures: Figures | None) -> None:
        try:
            self._question = next(self._steps) if figures is None else self._steps.send(figures)
        except StopIteration as end:
            self._question, self._answer = None, end.value


def power_search(
    method: str, geometry: Geometry, *, budget: int, batch: int = 64, start: Sign | None = None, seed: int = 0
) -> PowerSearch:
    """A search by one of `METHODS`, from the pattern `start` (all +1 where None).

    budget: most patterns that it may ask for. batch: most patterns of one question.
    Raises KeyError for an unknown method, ValueError for a batch below `LEAST_BATCH` or a budget below `LEAST_BUDGET`.
    """
    if batch < LEAST_BATCH or budget < LEAST_BUDGET:
        raise ValueError(f"at least {LEAST_BATCH} patterns a batch and {LEAST_BUDGET} in all; got {batch} and {budget}")
    begin = np.ones(geometry.num_elements, dtype=np.int8) if start is None else np.asarray(start, dtype=np.int8)
    rng = np.random.default_rng([seed, 20])
    return PowerSearch(METHODS[method](begin, geometry, budget=budget, batch=batch, rng=rng))


def comparison(candidates: Signs) -> PowerSearch:
    """The best of a few patterns, each measured `CONFIRMATIONS` times by turns; the first where they are alike."""
    return PowerSearch(_confirm(candidates, candidates[0], CONFIRMATIONS * len(candidates)))


def vote(samples: Signs, figures: Figures, _rng: np.random.Generator) -> Sign:
    """The sign that most of the samples above the median had."""
    return _sign(samples[figures > np.median(figures)].sum(axis=0))


def mean_by_sign(samples: Signs, figures: Figures, _rng: np.random.Generator) -> Sign:
    """The sign under which the mean figure is higher."""
    plus = samples > 0
    count = np.maximum(np.stack([plus.sum(axis=0), (~plus).sum(axis=0)]), 1)
    above = figures - figures.mean()
    return _sign(above @ plus / count[0] - above @ ~plus / count[1])


def top_of_form(samples: Signs, figures: Figures, rng: np.random.Generator) -> Sign:
    """The signs that make the spectral estimate of the quadratic form large.

    A sign that is always +1 is put before the elements', so that what is linear in theirs is part of the form.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    if not np.ptp(figures):
        return np.ones(samples.shape[1], dtype=np.int8)  # nothing was heard
    extended = np.insert(samples, 0, 1, axis=1).astype(float)
    weight = (figures - figures.mean()) / len(figures)  # of zero sum: the form has no diagonal
    size = extended.shape[1]
    form = LinearOperator((size, size), matvec=lambda v: extended.T @ (weight * (extended @ v.ravel())), dtype=float)
    first = np.asarray(rng.normal(size=size))
    value, vector = eigsh(form, k=min(RANK, size - 1), which="LA", v0=first)
    factor = vector * np.sqrt(np.maximum(value, 0))
    signs = _ascend(factor, _sign(factor @ rng.normal(size=(factor.shape[1], ASCENTS))))
    best = signs[:, np.argmax(((factor.T @ signs) ** 2).sum(axis=0))]
    return np.asarray(best[1:] * best[0])


def _ascend(
    factor: Float[np.ndarray, "element rank"], signs: Int[np.ndarray, "element start"]
) -> Int[np.ndarray, "element start"]:
    """Columns of signs to local maxima of |factor^T s|^2: the form is convex, so that each step goes up."""
    while True:
        better = _sign(factor @ (factor.T @ signs))
        if np.array_equal(better, signs):
            return signs
        signs = better


def _sampling(
    start: Sign,
    _geometry: Geometry,
    *,
    budget: int,
    batch: int,
    rng: np.random.Generator,
    decide: Decide,
    stages: int = 1,
) -> Steps:
    """Random patterns, then a decision that competes with the best so far and with the best sample.

    In the first stage each sign is drawn anew, in later ones `AROUND` of them differ from the best.
    """
    best = start
    for stage in range(stages):
        differ = 0.5 if stage == 0 else AROUND
        shape = (budget // stages - 3 * CONFIRMATIONS, best.size)
        samples = best * np.where(rng.random(shape) < differ, -1, 1)
        figures = yield from _measure(samples, best, batch)
        decided = decide(samples * best, figures, rng) * best
        best = yield from _confirm(np.stack([best, samples[np.argmax(figures)], decided]), best, batch)
    return best


def _flipping(
    start: Sign,
    geometry: Geometry,
    *,
    budget: int,
    batch: int,
    rng: np.random.Generator,
    groups: Callable[[Geometry], Int[np.ndarray, "element"]],
) -> Steps:
    """Some groups, each flipped alone; then those that helped together, and the best one, against what there was."""
    group = groups(geometry)
    turn = chain.from_iterable(rng.permutation(int(group.max()) + 1) for _ in repeat(None))
    best, left = start, budget
    while left > (checks := 2 + 3 * CONFIRMATIONS):
        tried = list(islice(turn, min(batch - 2, left - checks)))
        flipped = np.where(group == np.array(tried)[:, None], -1, 1)
        figures = yield from _measure(np.concatenate([best[None], best * flipped, best[None]]), best, batch)
        gain = figures[1:-1] - (figures[0] + figures[-1]) / 2
        together = best * flipped[gain > 0].prod(axis=0)
        candidates = np.stack([best, together, best * flipped[np.argmax(gain)]])
        best = yield from _confirm(candidates, best, batch)
        left -= len(tried) + checks
    return best


def _measure(patterns: Signs, best: Sign, batch: int) -> Generator[Question, Figures, Figures]:
    """Figures of patterns, asked for in batches."""
    figures = np.empty(len(patterns))
    for first in range(0, len(patterns), batch):
        figures[first : first + batch] = yield Question(patterns[first : first + batch].astype(np.int8), best)
    return figures


def _confirm(candidates: Signs, best: Sign, batch: int) -> Steps:
    """The candidate of the highest mean, all measured by turns."""
    figures = yield from _measure(np.tile(candidates, (CONFIRMATIONS, 1)), best, batch)
    return np.asarray(candidates[np.argmax(figures.reshape(CONFIRMATIONS, -1).mean(axis=0))])


def _sign(values: Float[np.ndarray, "*shape"] | Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """+1 for zero."""
    return np.asarray(np.where(np.asarray(values) < 0, -1, 1), dtype=np.int8)


METHODS: dict[str, Callable[..., Steps]] = {
    "voting": partial(_sampling, decide=vote),
    "conditional_mean": partial(_sampling, decide=mean_by_sign, stages=STAGES),
    "quadratic": partial(_sampling, decide=top_of_form),
    "flips_element": partial(_flipping, groups=lambda geometry: np.arange(geometry.num_elements)),
    "flips_column": partial(_flipping, groups=column_groups),
    "flips_block": partial(_flipping, groups=lambda geometry: block_groups(geometry, BLOCK, BLOCK)),
}
