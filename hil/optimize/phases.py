"""Peers that ascend in the N phases themselves, from random ones: Adam, L-BFGS, conjugate gradients on the circles."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind
from hil.optimize.objective import Objective
from hil.optimize.quasi_newton import Ascent, inner

MEAN_DECAY, SQUARE_DECAY = 0.9, 0.999  # of Adam's moments


def random_phases(objective: Objective, starts: int, rng: np.random.Generator) -> Any:
    """Radians[batch, start, element]."""
    return objective.array(rng.uniform(0, 2 * np.pi, (objective.num_users, starts, objective.num_elements)))


def rate_and_slope(objective: Objective, phases: Any) -> tuple[Any, Any, Any]:
    """Reflection, rate[batch, start] and dR/dphase[batch, start, element]."""
    reflection = np.exp(1j * phases)
    rate, outer = objective.rate_and_gradient(objective.taps(reflection))
    pull = outer.conj() @ objective.cascade.swapaxes(-1, -2)
    return reflection, rate, -2 * (pull * reflection).imag


@dataclass(frozen=True, eq=False)
class AdamState:
    """State of Adam: phases, what they give, and the moments of the gradient."""

    phases: Any
    point: Any
    rate: Any
    slope: Any
    mean: Any
    square: Any
    steps: int = 0


@dataclass(frozen=True)
class PhaseAdam:
    """Adam on the phases, a fixed number of steps."""

    starts: int = 1
    steps: int = 300
    learning_rate: float = 0.1
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> AdamState:
        phases = random_phases(objective, self.starts, rng)
        return AdamState(phases, *rate_and_slope(objective, phases), 0 * phases, 0 * phases)

    def step(self, objective: Objective, state: AdamState) -> AdamState:
        steps = state.steps + 1
        mean = MEAN_DECAY * state.mean + (1 - MEAN_DECAY) * state.slope
        square = SQUARE_DECAY * state.square + (1 - SQUARE_DECAY) * state.slope**2
        rate = self.learning_rate / (1 - MEAN_DECAY**steps)
        phases = state.phases + rate * mean / ((square / (1 - SQUARE_DECAY**steps)) ** 0.5 + 1e-12)
        return AdamState(phases, *rate_and_slope(objective, phases), mean, square, steps)

    def terminate(self, state: AdamState) -> bool:
        return state.steps >= self.steps


@dataclass(frozen=True, eq=False)
class Climbing:
    """State of the ascents that never fall."""

    ascent: Ascent

    @property
    def point(self) -> Any:
        return np.exp(1j * self.ascent.point)

    @property
    def rate(self) -> Any:
        return self.ascent.rate


@dataclass(frozen=True)
class PhaseLbfgs:
    """L-BFGS on the phases."""

    starts: int = 1
    steps: int = 300
    memory: int = 8
    tolerance: float = 1e-7
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Climbing:
        phases = random_phases(objective, self.starts, rng)
        first_step = 0.1 * objective.num_elements**0.5
        return Climbing(Ascent.limited(phases, self.evaluator(objective), first_step, self.memory, np))

    def evaluator(self, objective: Objective) -> Any:
        return lambda phases: rate_and_slope(objective, phases)[1:]

    def step(self, objective: Objective, state: Climbing) -> Climbing:
        longest = 0.5 * objective.num_elements**0.5
        return Climbing(state.ascent.advance(self.evaluator(objective), lambda phases: phases, longest))

    def terminate(self, state: Climbing) -> bool:
        return state.ascent.steps >= self.steps or bool((state.ascent.gain < self.tolerance).all())


@dataclass(frozen=True, eq=False)
class OnCircles:
    """State of the conjugate gradients: the tangent vectors are phases, `length` the next step along `direction`."""

    point: Any
    rate: Any
    slope: Any
    direction: Any
    length: Any
    steps: int = 0


@dataclass(frozen=True)
class Riemannian:
    """Conjugate gradients (Polak-Ribiere) on the product of N circles, whose tangent space is the phases.

    A step that does not improve is not taken, and the next is a quarter as long and along the gradient.
    """

    starts: int = 1
    steps: int = 300
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> OnCircles:
        point, rate, slope = rate_and_slope(objective, random_phases(objective, self.starts, rng))
        length = 0.1 * objective.num_elements**0.5 / inner(slope, slope) ** 0.5
        return OnCircles(point, rate, slope, slope, length)

    def step(self, objective: Objective, state: OnCircles) -> OnCircles:
        """Try the direction at the current length on each element's circle; keep it where the rate rises."""
        trial = state.point * np.exp(1j * state.length[..., None] * state.direction)
        trial, rate, slope = rate_and_slope(objective, np.angle(trial))
        better = rate > state.rate
        keep = inner(slope, slope - state.slope) / inner(state.slope, state.slope)
        direction = slope + np.maximum(keep, 0)[..., None] * state.direction
        direction = np.where((inner(direction, slope) > 0)[..., None], direction, slope)
        return replace(
            state,
            point=np.where(better[..., None], trial, state.point),
            rate=np.where(better, rate, state.rate),
            slope=np.where(better[..., None], slope, state.slope),
            direction=np.where(better[..., None], direction, state.slope),
            length=np.where(better, 1.5 * state.length, 0.25 * state.length),
            steps=state.steps + 1,
        )

    def terminate(self, state: OnCircles) -> bool:
        return state.steps >= self.steps
