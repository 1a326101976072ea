"""The neural prior that loses nothing: an untrained network whose output is a code in tap space.

Section III of the paper with another output: a network of random weights is trained online, for one user, to maximise
the rate; it puts out not N phases but the code that all of them are aligned with. So it can express every stationary
configuration of the rate, and several starts train in one batch. The paper's input code is arbitrary; here half of the
starts are given what the strongest taps ask for, the others a random direction, and each network adds to its input what
it learns. The gradients are written out, so that numpy and torch arrays share the code.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind
from hil.optimize.objective import Objective, as_complex, as_reals, unit
from hil.optimize.tap_space import TapPool, random_codes

HIDDEN = 16
FIRST_OUTPUT = 0.3  # of the untrained layers, relative to the input that is added to it
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99  # of Adam's moments


@dataclass(frozen=True, eq=False)
class Training:
    """Weights, Adam's moments of them, and what the network says now.

    inputs: [batch, start, 2 tap]. weights: first[batch, start, hidden, 2 tap], second[batch, start, 2 tap, hidden].
    hidden: [batch, start, hidden]. point: code[batch, start, tap]; slope: dR/dcode*, likewise.
    """

    inputs: Any
    weights: tuple[Any, ...]
    means: tuple[Any, ...]
    squares: tuple[Any, ...]
    hidden: Any
    point: Any
    rate: Any
    slope: Any
    epoch: int


@dataclass(frozen=True)
class TapCodePrior:
    """Input plus two layers with tanh between them; Adam, cosine annealing; `starts` networks for each user."""

    starts: int = 8
    epochs: int = 20
    learning_rate: float = 1e-2
    kind: Kind = "code"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Training:
        inputs = self.inputs(objective, start, rng)
        starts, size = inputs.shape[1:]
        first = rng.standard_normal((starts, HIDDEN, size)) / np.sqrt(size)
        second = FIRST_OUTPUT * rng.standard_normal((starts, size, HIDDEN)) / np.sqrt(HIDDEN)
        first, second = (objective.for_all_users(objective.array(weights)) for weights in (first, second))
        zeros = (0 * first, 0 * second)
        return self.forward(objective, inputs, (first, second), zeros, zeros, 0)

    def inputs(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Any:
        """Codes with coordinates of about one: from the taps (or what was found before), and random ones."""
        from_taps = TapPool(keep=(self.starts, (self.starts + 1) // 2)).init(objective, start, rng).point
        others = random_codes(objective, self.starts - from_taps.shape[1], rng)
        code = unit(objective.xp.concatenate([from_taps, others], 1))
        return as_reals(code, objective.xp) * math.sqrt(2 * objective.code_size)

    def forward(
        self,
        objective: Objective,
        inputs: Any,
        weights: tuple[Any, ...],
        means: tuple[Any, ...],
        squares: tuple[Any, ...],
        epoch: int,
    ) -> Training:
        """State of training with these weights: the code that the network puts out, its rate and the rate's slope."""
        hidden = objective.xp.tanh((weights[0] @ inputs[..., None])[..., 0])
        code = as_complex(inputs + (weights[1] @ hidden[..., None])[..., 0])
        rate, slope = objective.code_gradient(code)
        return Training(inputs, weights, means, squares, hidden, code, rate, slope, epoch)

    def gradients(self, objective: Objective, state: Training) -> tuple[Any, Any]:
        """Of the rate, by back-propagation, in the order of the weights; scaled to unit norm at the output."""
        output = as_reals(unit(state.slope), objective.xp)
        hidden = (output[..., None, :] @ state.weights[1])[..., 0, :] * (1 - state.hidden**2)
        return hidden[..., None] * state.inputs[..., None, :], output[..., None] * state.hidden[..., None, :]

    def step(self, objective: Objective, state: Training) -> Training:
        """One epoch: Adam with a cosine-annealed learning rate, uphill."""
        gradients = self.gradients(objective, state)
        epoch = state.epoch + 1
        means = tuple(
            MEAN_DECAY * mean + (1 - MEAN_DECAY) * new for mean, new in zip(state.means, gradients, strict=True)
        )
        squares = tuple(
            SQUARE_DECAY * mean + (1 - SQUARE_DECAY) * new**2
            for mean, new in zip(state.squares, gradients, strict=True)
        )
        rate = self.learning_rate * (1 + math.cos(math.pi * state.epoch / self.epochs)) / 2
        rate *= (1 - SQUARE_DECAY**epoch) ** 0.5 / (1 - MEAN_DECAY**epoch)
        weights = tuple(
            weight + rate * mean / (square**0.5 + 1e-8)
            for weight, mean, square in zip(state.weights, means, squares, strict=True)
        )
        return self.forward(objective, state.inputs, weights, means, squares, epoch)

    def terminate(self, state: Training) -> bool:
        return state.epoch >= self.epochs
