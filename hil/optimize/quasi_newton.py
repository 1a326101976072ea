"""L-BFGS ascent on many points at once: every user and every start takes its own steps (Liu and Nocedal, 1989).

One evaluation a step: a start whose trial did not improve stays, keeps what the trial taught about the curvature, and
tries a shorter step next time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Evaluate = Callable[[Any], tuple[Any, Any]]


def inner(left: Any, right: Any) -> Any:
    """Real inner product [batch, start] of points [batch, coordinate, start], real or complex."""
    return (left.conj() * right).real.sum(-2)


def norm(point: Any) -> Any:
    return inner(point, point) ** 0.5


@dataclass(frozen=True, eq=False)
class Ascent:
    """State of the ascent.

    point, gradient: [batch, coordinate, start] with dR/dpoint* for complex points; rate: [batch, start].
    pairs: (step, loss of gradient, 1 / their product), oldest first. curvature: step per gradient along the last pair.
    reach: share of the quasi-Newton step to try. gain: last relative improvement.
    """

    point: Any
    rate: Any
    gradient: Any
    pairs: tuple[tuple[Any, Any, Any], ...]
    curvature: Any
    reach: Any
    gain: Any
    steps: int = 0

    @classmethod
    def start(cls, point: Any, evaluate: Evaluate, first_step: float) -> "Ascent":
        """first_step: length of the first move, before any curvature is known."""
        rate, gradient = evaluate(point)
        curvature = first_step / np.maximum(norm(gradient), 1e-300)
        return cls(point, rate, gradient, (), curvature, np.ones_like(rate), np.full_like(rate, np.inf))

    def direction(self) -> Any:
        """Two-loop recursion; steepest ascent where it does not lead upwards."""
        move, weights = self.gradient, []
        for step, loss, scale in reversed(self.pairs):
            weights.append(scale * inner(step, move))
            move = move - weights[-1][:, None] * loss
        move = move * self.curvature[:, None]
        for (step, loss, scale), weight in zip(self.pairs, reversed(weights), strict=True):
            move = move + (weight - scale * inner(loss, move))[:, None] * step
        upwards = inner(move, self.gradient) > 0
        return np.where(upwards[:, None], move, self.curvature[:, None] * self.gradient)

    def advance(self, evaluate: Evaluate, retract: Callable[[Any], Any], longest: float, memory: int) -> "Ascent":
        """One trial. retract: brings a point back to where points live. longest: bound on the norm of a move."""
        move = self.direction()
        move = move * (self.reach * np.minimum(1, longest / np.maximum(norm(move), 1e-300)))[:, None]
        trial = retract(self.point + move)
        rate, gradient = evaluate(trial)
        better = rate > self.rate
        moved = replace(
            self.learn(trial - self.point, self.gradient - gradient, memory),
            rate=np.where(better, rate, self.rate),
            point=np.where(better[:, None], trial, self.point),
            gradient=np.where(better[:, None], gradient, self.gradient),
        )
        return replace(
            moved,
            reach=np.where(better, np.minimum(1, 2 * self.reach), self.reach / 4),
            gain=np.where(better, (rate - self.rate) / rate, np.where(self.reach > 1e-3, self.gain, 0)),
            steps=self.steps + 1,
        )

    def learn(self, step: Any, loss: Any, memory: int) -> "Ascent":
        """Remember a pair; one without positive curvature counts for nothing."""
        product, square = inner(step, loss), inner(loss, loss)
        valid = product > 1e-10 * norm(step) * norm(loss)
        scale = np.where(valid, 1 / np.where(valid, product, 1), 0)
        curvature = np.where(valid, product / np.where(valid, square, 1), self.curvature)
        return replace(self, pairs=(*self.pairs, (step, loss, scale))[-memory:], curvature=curvature)
