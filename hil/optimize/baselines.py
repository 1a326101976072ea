"""What every algorithm is compared with: the pattern of zeros, random phases, and the best of the Hadamard pilots."""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import UInt8
from hil.optimize.iterate import Candidates, Kind, OneShot, Point, evaluated
from hil.optimize.objective import Objective, Problem
from hil.phy.hadamard import entries, order_for, transform


@dataclass(frozen=True)
class AllZero(OneShot):
    """Every element at phase zero."""

    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        shape = (objective.num_users, 1, objective.num_elements)
        return evaluated(objective, np.ones(shape, dtype=objective.basis.dtype))


@dataclass(frozen=True)
class RandomPhases(OneShot):
    """Independent uniform phases; the best of `count` draws."""

    count: int = 1
    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        phases = rng.uniform(0, 2 * np.pi, (objective.num_users, self.count, objective.num_elements))
        return evaluated(objective, np.exp(1j * phases).astype(objective.basis.dtype))


@dataclass(frozen=True)
class BestPilot(OneShot):
    """The best of the Hadamard patterns and their complements on the channel as given.

    Where patterns were measured, the best of them is known without any model: compare with that one. Where the number
    of elements is no power of two the rows are the first entries of longer ones, as in a sweep.
    """

    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        order = order_for(objective.num_elements)
        beside = ((0, 0), (0, order - objective.num_elements), (0, 0))
        change = np.stack([transform(cascade) for cascade in np.pad(objective.cascade, beside)])
        rate = objective.rate(objective.direct + np.concatenate([change, -change], axis=1))
        best = np.argmax(rate, axis=-1)
        row, sign = best % order, np.where(best < order, 1, -1)
        chosen = sign[:, None] * entries(row, np.arange(objective.num_elements))
        return evaluated(objective, chosen[:, None].astype(objective.basis.dtype))


def zero_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """State 0 everywhere: a board has no off, it still reflects."""
    return np.zeros(problem.cascade.shape[:2], dtype=np.uint8)


def random_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """Every element in any of its states."""
    assert problem.states is not None
    return rng.integers(len(problem.states), size=problem.cascade.shape[:2], dtype=np.uint8)


def hadamard_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """The best Hadamard pattern or complement on the channel as given; +1 is state 0, -1 is state 1."""
    assert problem.states is not None
    middle, half = problem.states[:2].sum() / 2, (problem.states[0] - problem.states[1]) / 2
    pilots = replace(
        problem, direct=problem.direct + middle * problem.cascade.sum(axis=-2), cascade=half * problem.cascade
    )
    chosen = BestPilot().init(Objective.of(pilots), None, rng).point[:, 0]
    return np.asarray(chosen.real < 0, dtype=np.uint8)
