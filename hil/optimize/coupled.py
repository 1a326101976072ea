"""Patterns of a surface whose elements influence each other, where it is known how.

The linear part of a coupling is in every estimate from a sweep; what is left depends on which neighbours differ. So a
pattern found without it is improved by changes of whole columns, of whole rows and of the single elements that the
linear model holds for the best, each judged by what the surface really reflects.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float, Int, Pattern, Patterns
from hil.optimize.discrete import StateSearch
from hil.optimize.objective import Problem

Reflect = Callable[[Patterns], Complex[np.ndarray, "pattern element"]]
"""Patterns to the reflection of every element under them, coupling included."""

SINGLES = 48  # single elements tried in a round
TOGETHER = 12  # changes that may be taken in one round
MAX_ROUNDS = 60


def refined(
    problem: Problem, patterns: Patterns, reflect: Reflect, *, max_rounds: int = MAX_ROUNDS
) -> tuple[Patterns, Float[np.ndarray, "user"]]:
    """Better patterns, one for each user, and their rates in Mbit/s, coupling included; never worse than those given.

    problem: with states, one number each, and one batch axis; its cascade is the elements' own, as if each reflected
    alone.
    A round takes the best of the changes that it tries, or the best few together; the last one finds none.
    """
    found = []
    for user, pattern in enumerate(patterns):
        alone = replace(problem, direct=problem.direct[user], cascade=problem.cascade[user])
        found.append(_refine(alone, StateSearch.of_user(problem, user), pattern, reflect, max_rounds))
    return np.stack([pattern for pattern, _ in found]), np.array([rate for _, rate in found])


def _refine(
    problem: Problem, search: StateSearch, pattern: Pattern, reflect: Reflect, max_rounds: int
) -> tuple[Pattern, float]:
    stripes = _stripes(problem, pattern)
    rate = float(_rates(problem, pattern[None], reflect)[0])
    for _ in range(max_rounds):
        trials = np.concatenate([_restated(problem, pattern, stripes), _singles(search, pattern)])
        rates = _rates(problem, trials, reflect)
        trials = _together(pattern, trials[np.argsort(-rates)[: max((rates > rate).sum(), 1)][:TOGETHER]])
        rates = _rates(problem, trials, reflect)
        best = int(np.argmax(rates))
        if rates[best] <= rate:
            break
        pattern, rate = trials[best], float(rates[best])
    return pattern, rate


def _together(pattern: Pattern, trials: Patterns) -> Patterns:
    """The changes of all trials up to each, best first."""
    merged: list[Pattern] = []
    for trial in trials:
        merged.append(np.where(trial != pattern, trial, merged[-1] if merged else pattern))
    return np.stack(merged).astype(np.uint8)


def _rates(problem: Problem, patterns: Patterns, reflect: Reflect) -> Float[np.ndarray, "pattern"]:
    taps = problem.direct + reflect(patterns) @ problem.cascade
    snr = problem.snr_scale * np.abs(taps @ problem.basis.T) ** 2
    return np.asarray(problem.mbps_per_nat * np.log1p(snr).sum(axis=-1))


def _stripes(problem: Problem, pattern: Pattern) -> Int[np.ndarray, "stripe element"]:
    """1 on the elements of each column, then of each row."""
    row, col = np.divmod(np.arange(len(pattern)), problem.cols)
    return np.concatenate([col == np.arange(problem.cols)[:, None], row == np.arange(problem.rows)[:, None]]).astype(
        int
    )


def _restated(problem: Problem, pattern: Pattern, stripes: Int[np.ndarray, "stripe element"]) -> Patterns:
    """The pattern with every stripe moved on by each number of states."""
    assert problem.states is not None
    count = len(problem.states)
    moved = [(pattern + shift * stripes) % count for shift in range(1, count)]
    return np.concatenate(moved).astype(np.uint8)


def _singles(search: StateSearch, pattern: Pattern) -> Patterns:
    """The pattern with one element changed, for the changes of best predicted gain."""
    element, state = (each[:SINGLES] for each in search.changes(search.taps_of(pattern), pattern))
    trials = np.repeat(pattern[None], len(element), axis=0)
    trials[np.arange(len(element)), element] = state
    return trials
