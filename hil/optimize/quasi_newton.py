"""Quasi-Newton ascent on many points at once: every user and every start takes its own steps.

Vectors are real, [batch, start, coordinate], of numpy or torch. One evaluation a step: a start whose trial did not
improve stays, keeps what the trial taught about the curvature, and tries a shorter step next time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

Evaluate = Callable[[Any], tuple[Any, Any]]
"""Vectors to (rate[batch, start], gradient[batch, start, coordinate])."""


def inner(left: Any, right: Any) -> Any:
    return (left * right).sum(-1)


def _ratio(above: Any, below: Any, valid: Any, xp: Any) -> Any:
    """above / below where valid, zero elsewhere."""
    return xp.where(valid, above, 0) / xp.where(valid, below, 1)


def _curved(product: Any, step: Any, loss: Any) -> Any:
    """The pair shows positive curvature beyond rounding."""
    return product > 1e-6 * (inner(step, step) * inner(loss, loss)) ** 0.5 + 1e-30


@runtime_checkable
class Curvature(Protocol):
    """What past steps taught: turns a gradient into a step."""

    def step(self, gradient: Any) -> Any: ...

    def learn(self, step: Any, loss: Any, xp: Any) -> "Curvature":
        """Take in a step and the gradient lost on it; a pair without positive curvature counts for nothing."""
        ...


@dataclass(frozen=True, eq=False)
class Scaled:
    """Nothing learnt yet: steps along the gradient, of a given length. The first pair decides what comes after."""

    length: float
    after: Callable[[Any, Any], Curvature]

    def step(self, gradient: Any) -> Any:
        return gradient * (self.length / (inner(gradient, gradient)[..., None] ** 0.5 + 1e-30))

    def learn(self, step: Any, loss: Any, xp: Any) -> Curvature:
        valid = _curved(inner(step, loss), step, loss)
        scale = _ratio(inner(step, loss), inner(loss, loss), valid, xp)
        fallback = (inner(step, step) / (inner(loss, loss) + 1e-30)) ** 0.5
        return self.after(step, xp.where(valid, scale, fallback)).learn(step, loss, xp)


@dataclass(frozen=True, eq=False)
class Dense:
    """Inverse Hessian[batch, start, coordinate, coordinate], by BFGS updates: for few coordinates."""

    inverse: Any

    @classmethod
    def first(cls, step: Any, scale: Any, xp: Any) -> "Dense":
        return cls(scale[..., None, None] * xp.eye(step.shape[-1], dtype=step.dtype, device=step.device))

    def step(self, gradient: Any) -> Any:
        return (self.inverse @ gradient[..., None])[..., 0]

    def learn(self, step: Any, loss: Any, xp: Any) -> "Dense":
        product = inner(step, loss)
        valid = _curved(product, step, loss)
        turned = self.step(loss)
        share = _ratio(1 + 0 * product, product, valid, xp)
        along = step * (share * (1 + share * inner(loss, turned)) / 2)[..., None] - share[..., None] * turned
        change = along[..., :, None] * step[..., None, :]
        return Dense(self.inverse + change + change.swapaxes(-1, -2))


@dataclass(frozen=True, eq=False)
class Limited:
    """The last `memory` pairs (step, loss, 1 / their product) and a scale: for many coordinates (L-BFGS)."""

    scale: Any
    memory: int
    pairs: tuple[tuple[Any, Any, Any], ...] = ()

    def step(self, gradient: Any) -> Any:
        """Two-loop recursion (Nocedal, 1980)."""
        move, weights = gradient, []
        for step, loss, share in reversed(self.pairs):
            weights.append((share * inner(step, move))[..., None])
            move = move - weights[-1] * loss
        move = move * self.scale[..., None]
        for (step, loss, share), weight in zip(self.pairs, reversed(weights), strict=True):
            move = move + (weight - (share * inner(loss, move))[..., None]) * step
        return move

    def learn(self, step: Any, loss: Any, xp: Any) -> "Limited":
        product, square = inner(step, loss), inner(loss, loss)
        valid = _curved(product, step, loss)
        share = _ratio(1 + 0 * product, product, valid, xp)
        scale = xp.where(valid, _ratio(product, square, valid, xp), self.scale)
        return replace(self, scale=scale, pairs=(*self.pairs, (step, loss, share))[-self.memory :])


@dataclass(frozen=True, eq=False)
class Ascent:
    """State of the ascent.

    point, gradient: [batch, start, coordinate]; rate: [batch, start]. reach: share of the step to try.
    gain: relative improvement by the last successful step; zero where steps have become too short to matter.
    """

    point: Any
    rate: Any
    gradient: Any
    curvature: Curvature
    reach: Any
    gain: Any
    steps: int
    xp: Any

    @classmethod
    def dense(cls, point: Any, evaluate: Evaluate, first_step: float, xp: Any) -> "Ascent":
        """first_step: length of the first move, before any curvature is known."""
        return cls._start(point, evaluate, Scaled(first_step, lambda step, scale: Dense.first(step, scale, xp)), xp)

    @classmethod
    def limited(cls, point: Any, evaluate: Evaluate, first_step: float, memory: int, xp: Any) -> "Ascent":
        return cls._start(point, evaluate, Scaled(first_step, lambda step, scale: Limited(scale, memory)), xp)

    @classmethod
    def _start(cls, point: Any, evaluate: Evaluate, curvature: Curvature, xp: Any) -> "Ascent":
        rate, gradient = evaluate(point)
        return cls(point, rate, gradient, curvature, xp.ones_like(rate), xp.ones_like(rate), 0, xp)

    def under(self, evaluate: Evaluate) -> "Ascent":
        """The same point, and what was learnt on the way there, under another function."""
        rate, gradient = evaluate(self.point)
        return replace(self, rate=rate, gradient=gradient, reach=self.xp.ones_like(rate))

    def advance(self, evaluate: Evaluate, retract: Callable[[Any], Any], longest: float) -> "Ascent":
        """One trial. retract: brings a vector back to where points live. longest: bound on the norm of a move."""
        where, move = self.xp.where, self.curvature.step(self.gradient)
        move = where((inner(move, self.gradient) > 0)[..., None], move, self.gradient)
        length = inner(move, move) ** 0.5
        move = move * (self.reach * longest / where(length > longest, length, longest))[..., None]
        trial = retract(self.point + move)
        rate, gradient = evaluate(trial)
        better = rate > self.rate
        gain = where(better, (rate - self.rate) / (abs(rate) + 1e-30), where(self.reach > 1e-3, self.gain, 0))
        reach = where(better, where(self.reach > 0.5, 1, 2 * self.reach), self.reach / 4)
        return replace(
            self,
            curvature=self.curvature.learn(trial - self.point, self.gradient - gradient, self.xp),
            rate=where(better, rate, self.rate),
            point=where(better[..., None], trial, self.point),
            gradient=where(better[..., None], gradient, self.gradient),
            reach=reach,
            gain=gain,
            steps=self.steps + 1,
        )
