"""Search of the T complex numbers that stand for a configuration, instead of its N phases.

The rate's fixed point is code <- dR/dh*; strongest-tap maximisation is the code of a single tap, the energy power
method is code <- h. A pool of single taps and random codes, brought near by fixed-point steps, is refined by L-BFGS.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, InTapSpace, OneShot, Point
from hil.optimize.objective import Objective, unit
from hil.optimize.quasi_newton import Ascent
from hil.optimize.stm import tap_codes


def random_codes(objective: Objective, count: int, rng: np.random.Generator) -> Any:
    """Codes[batch, tap, count] in random directions."""
    shape = (objective.num_users, objective.code_size, count)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(objective.basis.dtype)


def fixed_point(objective: Objective, code: Any) -> Any:
    """The code that the configuration aligned with `code` asks for: dR/dh* there, of unit norm."""
    return unit(objective.rate_and_gradient(objective.taps(objective.align(code)))[1])


@dataclass(frozen=True)
class TapPool(OneShot, InTapSpace):
    """Starting codes: every tap, `random` ones, and what earlier stages found, after `steps` fixed-point steps."""

    random: int = 12
    steps: int = 2
    keep: int = 8

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        code = np.concatenate([tap_codes(objective), random_codes(objective, self.random, rng)], axis=-1)
        if start is not None:
            code = np.concatenate([code, start_codes(objective, start)], axis=-1)
        for _ in range(self.steps):
            code = fixed_point(objective, code)
        rate = objective.rate(objective.taps(objective.align(code)))
        order = np.argsort(-rate, axis=-1)[:, : self.keep]
        return Point(np.take_along_axis(code, order[:, None], axis=-1), np.take_along_axis(rate, order, axis=-1))


def start_codes(objective: Objective, start: Candidates) -> Any:
    """Codes of what an earlier stage found: its own, or dR/dh* at its reflections."""
    if start.code is not None:
        return start.code
    return unit(objective.rate_and_gradient(objective.taps(start.reflection))[1])


@dataclass(frozen=True)
class TapSearch(InTapSpace):
    """L-BFGS on the unit sphere of codes, from the `keep` best candidates of the stage before.

    Ends after `steps`, or when no start gains more than `tolerance`, relative, in a step.
    """

    keep: int = 8
    steps: int = 60
    tolerance: float = 1e-9
    memory: int = 6
    longest: float = 0.7
    first_step: float = 0.1

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Ascent:
        if start is None:
            raise ValueError("the tap-space search refines candidates; put a pool before it")
        code = unit(start_codes(objective, start.best(self.keep)))
        return Ascent.start(code, lambda at: evaluate(objective, at), self.first_step)

    def step(self, objective: Objective, state: Ascent) -> Ascent:
        return state.advance(lambda at: evaluate(objective, at), unit, self.longest, self.memory)

    def terminate(self, state: Ascent) -> bool:
        return state.steps >= self.steps or bool((state.gain < self.tolerance).all())


def evaluate(objective: Objective, code: Any) -> tuple[Any, Any]:
    rate, _, gradient = objective.code_gradient(code)
    return rate, gradient
