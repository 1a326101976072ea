"""Search of the T complex numbers that stand for a configuration, instead of its N phases.

The rate's fixed point is code <- dR/dh*; strongest-tap maximisation is the code of a single tap, the energy power
method is code <- h. A pool of single taps, brought near by fixed-point steps, is refined by BFGS on 2T real numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind, OneShot, Point
from hil.optimize.objective import Objective, as_complex, as_reals, choose, unit
from hil.optimize.quasi_newton import Ascent
from hil.optimize.stm import tap_candidates


def random_codes(objective: Objective, count: int, rng: np.random.Generator) -> Any:
    """Codes[batch, count, tap] in random directions, the same ones for every user."""
    parts = objective.array(rng.standard_normal((count, 2 * objective.code_size)))
    return as_complex(objective.for_all_users(parts))


@dataclass(frozen=True)
class TapPool(OneShot):
    """Starting codes: from every tap, from `random` ones, and from what earlier stages found.

    keep: how many of them go through each fixed-point step code <- dR/dh*; the last number is how many come out.
    """

    keep: tuple[int, ...] = (8, 6, 4)
    random: int = 0
    kind: Kind = "code"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        taps = self.pool(objective, start, rng)
        rate, asked = objective.rate_and_gradient(taps)
        for count in self.keep:
            code = unit(choose(asked, (-rate).argsort(-1)[:, :count]))
            rate, asked = objective.rate_and_gradient(objective.taps(objective.align(code)))
        return Point(code, rate)

    def pool(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Any:
        """Channel taps[batch, start, tap] of all starting configurations."""
        taps = [tap_candidates(objective)[1]]
        if self.random:
            taps.append(objective.taps(objective.align(random_codes(objective, self.random, rng))))
        if start is not None:
            taps.append(objective.taps(start.reflection(objective)))
        return objective.xp.concatenate(taps, 1)


@dataclass(frozen=True, eq=False)
class Searching:
    """State: the ascent, in real coordinates, and its points as codes."""

    ascent: Ascent
    point: Any

    @property
    def rate(self) -> Any:
        return self.ascent.rate


@dataclass(frozen=True)
class TapSearch:
    """BFGS on the unit sphere of codes, from the `keep` best candidates of the stage before.

    Ends after `steps`, or, on numpy arrays, when no start gains more than `tolerance`, relative, in a step.
    """

    keep: int = 8
    steps: int = 60
    tolerance: float = 1e-7
    longest: float = 0.7
    first_step: float = 0.1
    kind: Kind = "code"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Searching:
        if start is None:
            raise ValueError("the tap-space search refines candidates; put a pool before it")
        code, xp = unit(start.best(self.keep).code(objective)), objective.xp
        ascent = Ascent.dense(as_reals(code, xp), lambda at: _evaluate(objective, at), self.first_step, xp)
        return Searching(ascent, code)

    def step(self, objective: Objective, state: Searching) -> Searching:
        ascent = state.ascent.advance(lambda at: _evaluate(objective, at), unit, self.longest)
        return Searching(ascent, as_complex(ascent.point))

    def terminate(self, state: Searching) -> bool:
        if state.ascent.steps >= self.steps or self.device is not None:  # a look at the gain would stall the device
            return state.ascent.steps >= self.steps
        return bool((state.ascent.gain < self.tolerance).all())


def _evaluate(objective: Objective, reals: Any) -> tuple[Any, Any]:
    """Rate and its gradient in the real coordinates of a code."""
    rate, gradient = objective.code_gradient(as_complex(reals))
    return rate, 2 * as_reals(gradient, objective.xp)
