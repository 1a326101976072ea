"""Search with a fraction of the elements, use all of them.

What is searched is a code of few complex numbers, and a thousand elements tell nearly as much about it as many
thousands do (`Objective.thinned`). Only the last steps need them all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind, OneShot, Point, Solver, iterate
from hil.optimize.objective import Objective

ELEMENTS = 1024


@dataclass(frozen=True)
class Thinned(OneShot):
    """Solvers of codes, one after the other, on about `elements` of the elements; what leaves is rated with all."""

    solvers: tuple[Solver[Any], ...]
    elements: int = ELEMENTS
    kind: Kind = "code"

    @property
    def device(self) -> str | None:  # type: ignore[override]
        return self.solvers[0].device

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        some = objective.thinned(self.elements, rng)
        for solver in self.solvers:
            start, _ = iterate(solver, some, start, rng)
        assert start is not None
        return with_all(objective, start.code(some))


def with_all(objective: Objective, code: Any) -> Point:
    """Codes found with some of the elements, rated with all."""
    return Point(code, objective.rate(objective.taps(objective.align(code))))
