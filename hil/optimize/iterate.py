"""The one loop that every optimizer runs in.

A solver is a small record with `init / step / terminate`; it may wander, even get worse: the best point of each start
is kept here, outside of it. Nothing in the loop reads a number back from a device, except where `terminate` does.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np

from hil.arrays import Complex
from hil.optimize.objective import Objective, choose

S = TypeVar("S", bound="State")
Kind = Literal["code", "reflection"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Configurations on offer, several for each user; arrays of the library that found them.

    point: codes[batch, start, tap] that all elements are aligned with, or reflections[batch, start, element] of unit
    modulus, whichever the solver works on. rate: Mbit/s[batch, start].
    """

    point: Any
    rate: Any
    kind: Kind

    def best(self, count: int) -> "Candidates":
        """The `count` of highest rate for each user, best first."""
        order = (-self.rate).argsort(-1)[:, :count]
        return Candidates(choose(self.point, order), choose(self.rate, order), self.kind)

    def reflection(self, objective: Objective) -> Any:
        """Reflections[batch, start, element], where the objective computes."""
        point = objective.array(self.point)
        return objective.align(point) if self.kind == "code" else point

    def best_reflection(self, objective: Objective) -> Complex[np.ndarray, "batch element"]:
        """The best of each user, of unit modulus in double precision; phase zero for elements nothing depends on.

        objective: on numpy arrays.
        """
        reflection = self.best(1).reflection(objective)[:, 0].astype(complex)
        modulus = np.abs(reflection)
        return np.asarray(np.where(modulus < 0.5, 1, reflection / np.where(modulus < 0.5, 1, modulus)))

    def code(self, objective: Objective) -> Any:
        """Codes, where the objective computes; of reflections, what they ask for."""
        point = objective.array(self.point)
        return point if self.kind == "code" else objective.asked(point)


@runtime_checkable
class State(Protocol):
    """What the loop sees of a solver's state. point: [batch, start, coordinate]; rate: Mbit/s[batch, start]."""

    @property
    def point(self) -> Any: ...
    @property
    def rate(self) -> Any: ...


@runtime_checkable
class Solver(Protocol[S]):
    """An optimizer of unit-modulus reflections."""

    @property
    def kind(self) -> Kind:
        """What its points are."""
        ...

    @property
    def device(self) -> str | None:
        """None: works on numpy arrays. Else: on torch tensors of this device."""
        ...

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> S:
        """First state. `start`: what earlier stages found."""
        ...

    def step(self, objective: Objective, state: S) -> S: ...

    def terminate(self, state: S) -> bool: ...


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


def evaluated(objective: Objective, reflection: Any) -> Point:
    """Reflections and their rates."""
    return Point(reflection, objective.rate(objective.taps(reflection)))


def iterate(
    solver: Solver[S], objective: Objective, start: Candidates | None, rng: np.random.Generator
) -> tuple[Candidates, list[Any]]:
    """Run a solver to its end. Returns the best point of each start, and the best rate[batch] after each step.

    Both stay on the solver's device.
    """
    return climb(solver, objective, solver.init(objective, start, rng))


def climb(solver: Solver[S], objective: Objective, state: S) -> tuple[Candidates, list[Any]]:
    """The loop of `iterate`, from a state. On a device it asks for nothing back and its shapes do not change."""
    where, highest = objective.xp.where, objective.xp.amax
    point, rate = state.point, state.rate
    history = [highest(rate, -1)]
    while not solver.terminate(state):
        state = solver.step(objective, state)
        better = state.rate > rate
        point, rate = where(better[..., None], state.point, point), where(better, state.rate, rate)
        history.append(highest(rate, -1))
    return Candidates(point, rate, solver.kind), history
