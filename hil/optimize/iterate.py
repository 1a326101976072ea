"""The one loop that every optimizer runs in.

A solver is a small record with `init / step / terminate`; it may wander, even get worse: the best point of each start
is kept here, outside of it. Nothing in the loop reads a number back from a device, except where `terminate` does.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from hil.arrays import Complex, Float
from hil.optimize.objective import Objective

S = TypeVar("S", bound="State")


@dataclass(frozen=True, eq=False)
class Candidates:
    """Configurations on offer, several for each user.

    reflection: unit modulus; rate: Mbit/s; code: where the solver worked in tap space, reflection = align(code).
    """

    reflection: Complex[np.ndarray, "batch element start"]
    rate: Float[np.ndarray, "batch start"]
    code: Complex[np.ndarray, "batch tap start"] | None = None

    def best(self, count: int) -> "Candidates":
        """The `count` of highest rate for each user, best first."""
        order = np.argsort(-self.rate, axis=-1)[:, :count]
        return Candidates(
            np.take_along_axis(self.reflection, order[:, None], axis=-1),
            np.take_along_axis(self.rate, order, axis=-1),
            None if self.code is None else np.take_along_axis(self.code, order[:, None], axis=-1),
        )


@runtime_checkable
class State(Protocol):
    """What the loop sees of a solver's state. point: [batch, coordinate, start]; rate: Mbit/s[batch, start]."""

    @property
    def point(self) -> Any: ...
    @property
    def rate(self) -> Any: ...


@runtime_checkable
class Solver(Protocol[S]):
    """An optimizer of unit-modulus reflections."""

    @property
    def device(self) -> str | None:
        """None: works on numpy arrays. Else: on torch tensors of this device."""
        ...

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> S:
        """First state. `start`: what earlier stages found."""
        ...

    def step(self, objective: Objective, state: S) -> S: ...

    def terminate(self, state: S) -> bool: ...

    def candidates(self, objective: Objective, point: Any, rate: Any) -> Candidates:
        """Configurations that points stand for."""
        ...


@dataclass(frozen=True, eq=False)
class Point:
    """State of a solver that needs no memory."""

    point: Any
    rate: Any


class OneShot:
    """Mixin of the solvers that have nothing to iterate."""

    device: str | None = None

    def step(self, objective: Objective, state: Point) -> Point:
        return state

    def terminate(self, state: Point) -> bool:
        return True


class InTapSpace:
    """Mixin of the solvers whose points are codes."""

    device: str | None = None

    def candidates(self, objective: Objective, point: Any, rate: Any) -> Candidates:
        return Candidates(objective.align(point), rate, point)


class InElementSpace:
    """Mixin of the solvers whose points are reflections."""

    device: str | None = None

    def candidates(self, objective: Objective, point: Any, rate: Any) -> Candidates:
        return Candidates(point, rate)


def evaluated(objective: Objective, reflection: Any) -> Point:
    """Reflections and their rates."""
    return Point(reflection, objective.rate(objective.taps(reflection)))


def iterate(
    solver: Solver[S],
    objective: Objective,
    start: Candidates | None,
    rng: np.random.Generator,
    max_steps: int = 100_000,
) -> tuple[Candidates, list[Any]]:
    """Run a solver to its end. Returns the best point of each start, and the best rate[batch] after each step."""
    where, highest = objective.xp.where, objective.xp.amax
    state = solver.init(objective, start, rng)
    point, rate = state.point, state.rate
    history = [highest(rate, -1)]
    for _ in range(max_steps):
        if solver.terminate(state):
            break
        state = solver.step(objective, state)
        better = state.rate > rate
        point, rate = where(better[:, None], state.point, point), where(better, state.rate, rate)
        history.append(highest(rate, -1))
    return solver.candidates(objective, point, rate), history
