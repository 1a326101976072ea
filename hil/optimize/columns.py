"""Configurations that are constant along columns, the winning idea of the Signal Processing Cup 2021.

Where transmitter and users lie in the azimuth plane, the best configuration hardly changes along a column: N unknowns
become as many as there are columns, few enough for flips of whole columns.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import UInt8
from hil.optimize.discrete import StateSearch, discretise, relaxed
from hil.optimize.iterate import Candidates, Kind, OneShot, Point, iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.tap_space import TapPool, TapSearch


def merged(problem: Problem) -> Problem:
    """The surface with one element for each column."""
    shape = (*problem.cascade.shape[:-2], problem.rows, problem.cols, problem.cascade.shape[-1])
    return replace(problem, cascade=problem.cascade.reshape(shape).sum(axis=-3), rows=1)


@dataclass(frozen=True)
class ColumnPhases(OneShot):
    """Phases that are constant along columns, found by the tap-space search."""

    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        shape = (objective.num_users, objective.rows, objective.cols, objective.code_size)
        small = replace(objective, cascade=objective.cascade.reshape(shape).sum(axis=1), rows=1)
        found = _search(small, rng)[-1].best(1)
        return Point(np.tile(found.reflection(small), (1, 1, objective.rows)), found.rate)


def _search(objective: Objective, rng: np.random.Generator) -> list[Candidates]:
    pool, _ = iterate(TapPool(keep=(16,), random=20), objective, None, rng)
    return [pool, iterate(TapSearch(keep=8, steps=15), objective, pool, rng)[0]]


def column_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """Best pattern found that is constant along columns."""
    small = merged(problem)
    objective = Objective.of(relaxed(small))
    offers = np.concatenate([each.best(8).reflection(objective) for each in _search(objective, rng)], axis=1)
    pattern, _ = discretise(small, offers, flipped=8)
    return np.tile(pattern, (1, problem.rows))


def column_flip_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """The same, then flips of single elements."""
    patterns = column_patterns(problem, rng)
    searches = [StateSearch.of_user(problem, user) for user in range(len(patterns))]
    return np.stack(
        [search.flip(pattern, search.rate_of(pattern))[0] for search, pattern in zip(searches, patterns, strict=True)]
    )
