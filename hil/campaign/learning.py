"""How fast networks learn, from random weights or from an earlier channel; and what a kept tap code is worth."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.interfaces import Progress, no_progress
from hil.optimize import neural, prior
from hil.optimize.iterate import Candidates, Solver, iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.tap_space import TapSearch


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """A training.

    rate_mbps: best rate so far of each user before the first epoch and after each. state: at its end.
    """

    rate_mbps: Float[np.ndarray, "epoch user"]
    state: Any

    def epochs_to(self, target_mbps: Float[np.ndarray, "user"]) -> Int[np.ndarray, "user"]:
        """Epochs until each user's rate reaches a target; the length of the training plus one where it never does."""
        return np.asarray((self.rate_mbps < target_mbps).sum(axis=0))

    def after(self, epochs: int) -> Float[np.ndarray, "user"]:
        return np.asarray(self.rate_mbps[min(epochs, len(self.rate_mbps) - 1)])


@dataclass(frozen=True, eq=False)
class Lesson:
    """How long a network is trained, and from where.

    warm: go on with the network trained for an earlier channel, which stays as it is. progress: told of each epoch.
    """

    epochs: int
    seed: int
    warm: LearningCurve | None = None
    progress: Progress = no_progress


class Network(Protocol):
    """An untrained network that is trained online."""

    def learn(self, problem: Problem, lesson: Lesson) -> LearningCurve:
        """Train on a channel."""
        ...


@dataclass(frozen=True)
class PaperNetwork:
    """The paper's network, one for each user."""

    reading: neural.Reading = neural.PRACTICAL

    def learn(self, problem: Problem, lesson: Lesson) -> LearningCurve:
        """As `Network.learn`."""
        solver = neural.PaperPrior(starts=1, epochs=lesson.epochs, reading=self.reading)
        exact = Objective.of(problem)
        objective = exact.on("cpu")
        if lesson.warm is None:
            state = solver.init(objective, None, np.random.default_rng(lesson.seed))
        else:
            state = solver.begin(objective, deepcopy(lesson.warm.state.network))
        return _train(solver, objective, state, lesson, lambda state: _exact_rate(exact, state))


@dataclass(frozen=True)
class TapCodeNetwork:
    """The network whose output is a code in tap space; the best of `starts` for each user."""

    starts: int = 8

    def learn(self, problem: Problem, lesson: Lesson) -> LearningCurve:
        """As `Network.learn`."""
        solver, objective = prior.TapCodePrior(starts=self.starts, epochs=lesson.epochs), Objective.of(problem)
        if lesson.warm is None:
            state = solver.init(objective, None, np.random.default_rng(lesson.seed))
        else:
            old = lesson.warm.state
            zeros = tuple(0 * weight for weight in old.weights)
            state = solver.forward(objective, old.inputs, old.weights, zeros, zeros, 0)
        return _train(solver, objective, state, lesson, lambda state: state.rate)


@dataclass(frozen=True, eq=False)
class KeptCode:
    """The code that a configuration of an earlier channel was aligned with: all that is carried over to a new one.

    candidates: one for each user.
    """

    candidates: Candidates

    @classmethod
    def of(cls, problem: Problem, reflection: Complex[np.ndarray, "user element"]) -> "KeptCode":
        """dR/dh* at the configuration."""
        objective = Objective.of(problem)
        points = reflection[:, None]
        return cls(Candidates(objective.asked(points), objective.rate(objective.taps(points)), "code"))

    def rate_mbps(self, problem: Problem) -> Float[np.ndarray, "user"]:
        """Rate on a new channel, its elements aligned with the old code."""
        return problem.rate_mbps(self.candidates.reflection(Objective.of(problem))[:, 0])

    def stepped_rate_mbps(self, problem: Problem, steps: int) -> Float[np.ndarray, "user"]:
        """The same after some steps of the tap-space search."""
        search = TapSearch(keep=1, steps=steps, tolerance=0)
        objective = Objective.of(problem)
        found, _ = iterate(search, objective, self.candidates, np.random.default_rng(0))
        return problem.rate_mbps(found.reflection(objective)[:, 0])


def _train(
    solver: Solver[Any], objective: Objective, state: Any, lesson: Lesson, rate: Callable[[Any], Any]
) -> LearningCurve:
    rates = [rate(state).max(axis=-1)]
    for epoch in range(1, lesson.epochs + 1):
        state = solver.step(objective, state)
        rates.append(rate(state).max(axis=-1))
        lesson.progress("epochs", epoch, lesson.epochs)
    return LearningCurve(np.maximum.accumulate(np.array(rates), axis=0), state)


def _exact_rate(objective: Objective, state: Any) -> Float[np.ndarray, "user start"]:
    """Rate in double precision: what a network trains with is single, and rounds above the bound."""
    reflection = np.asarray(state.point, dtype=complex)
    return np.asarray(objective.rate(objective.taps(reflection / np.abs(reflection))))
