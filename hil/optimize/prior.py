"""The neural prior that loses nothing: an untrained network whose output is a code in tap space.

Section III of the paper with another output: a network of random weights and fixed random input is trained online, for
one user, to maximise the rate; it puts out not N phases but the code that all of them are aligned with. So it can
express every stationary configuration of the rate, and several starts train in one batch. The gradients are written
out, so that numpy and torch arrays share the code.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates
from hil.optimize.objective import Objective, power

INPUTS = 8
HIDDEN = 64
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99  # of Adam's moments


@dataclass(frozen=True, eq=False)
class Training:
    """Weights, Adam's moments of them, and what the network says now.

    inputs: [input]. weights: first[batch, start, hidden, input] and second[batch, start, 2 tap, hidden].
    hidden: [batch, start, hidden]. point: code[batch, tap, start]; slope: dR/dcode*, likewise.
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
    """Two layers with tanh between them; Adam, cosine annealing; `starts` networks for each user."""

    starts: int = 8
    epochs: int = 60
    learning_rate: float = 2e-2
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Training:
        batch = (objective.num_users, self.starts)
        inputs = objective.array(rng.standard_normal(INPUTS))
        weights = (
            objective.array(rng.standard_normal((*batch, HIDDEN, INPUTS)) / np.sqrt(INPUTS)),
            objective.array(rng.standard_normal((*batch, 2 * objective.code_size, HIDDEN)) / np.sqrt(HIDDEN)),
        )
        zeros = tuple(0 * weight for weight in weights)
        return self.forward(objective, inputs, weights, zeros, zeros, 0)

    def forward(
        self,
        objective: Objective,
        inputs: Any,
        weights: tuple[Any, ...],
        means: tuple[Any, ...],
        squares: tuple[Any, ...],
        epoch: int,
    ) -> Training:
        hidden = objective.xp.tanh(weights[0] @ inputs)
        output = (weights[1] @ hidden[..., None])[..., 0]
        size = objective.code_size
        code = (output[..., :size] + 1j * output[..., size:]).swapaxes(-1, -2)
        rate, _, slope = objective.code_gradient(code)
        return Training(inputs, weights, means, squares, hidden, code, rate, slope, epoch)

    def gradients(self, objective: Objective, state: Training) -> tuple[Any, Any]:
        """Of the rate, by back-propagation, in the order of the weights; scaled to unit norm at the output."""
        slope = state.slope / (power(state.slope).sum(-2)[:, None] ** 0.5)
        output = objective.xp.concatenate([slope.real, slope.imag], -2).swapaxes(-1, -2)
        hidden = (output[..., None, :] @ state.weights[1])[..., 0, :] * (1 - state.hidden**2)
        return hidden[..., None] * state.inputs, output[..., None] * state.hidden[..., None, :]

    def step(self, objective: Objective, state: Training) -> Training:
        gradients = self.gradients(objective, state)
        epoch = state.epoch + 1
        means = tuple(
            MEAN_DECAY * mean + (1 - MEAN_DECAY) * new for mean, new in zip(state.means, gradients, strict=True)
        )
        squares = tuple(
            SQUARE_DECAY * mean + (1 - SQUARE_DECAY) * new**2
            for mean, new in zip(state.squares, gradients, strict=True)
        )
        rate = self.learning_rate * (1 + np.cos(np.pi * state.epoch / self.epochs)) / 2
        rate *= (1 - SQUARE_DECAY**epoch) ** 0.5 / (1 - MEAN_DECAY**epoch)
        weights = tuple(
            weight + rate * mean / (square**0.5 + 1e-8)
            for weight, mean, square in zip(state.weights, means, squares, strict=True)
        )
        return self.forward(objective, state.inputs, weights, means, squares, epoch)

    def terminate(self, state: Training) -> bool:
        return state.epoch >= self.epochs

    def candidates(self, objective: Objective, point: Any, rate: Any) -> Candidates:
        reflection = objective.align(point)
        if objective.xp is not np:
            reflection, rate, point = reflection.cpu().numpy(), rate.cpu().numpy(), point.cpu().numpy()
        return Candidates(reflection, rate, point)
