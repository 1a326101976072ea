"""The paper's deep neural prior (section IV): two branches of fully connected layers, replicated, convolved to phases.

An untrained network is trained online, for one user, to put out the configuration of highest rate. Where the paper
leaves a choice:

- layers are dense, N_H x N_H and N_W x N_W. ("N_H x 1" and a size of 5 N_H + 5 N_W + 9 would be one weight a unit.)
- the single tanh between the five layers stands after the third; the convolution has one 3 x 3 kernel for each branch
  and repeats the edge, so that its output stays what the branches are: a function of the row plus one of the column;
- the input is a fixed code of standard normal numbers, one for each branch and start;
- the unit of phase, the optimizer, its step and the loss are those of a `Reading`.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind
from hil.optimize.objective import Objective

if TYPE_CHECKING:
    import torch

NUM_LAYERS = 5
TANH_AFTER = (2, 4)  # layers followed by a hyperbolic tangent, counted from zero


@dataclass(frozen=True)
class Reading:
    """How the paper's optimization is read. learning_rate is divided by N where `per_element`."""

    output_rad: float
    optimizer: str
    learning_rate: float
    per_element: bool

    def step_size(self, num_elements: int) -> float:
        return self.learning_rate / (num_elements if self.per_element else 1)


PRINTED = Reading(output_rad=1.0, optimizer="gradient descent", learning_rate=1e-2, per_element=True)
"""The output is the phase in radians, plain gradient descent on -sum_k log2(1 + SNR_k) with 1e-2 / N."""

PRACTICAL = Reading(output_rad=2 * np.pi, optimizer="adam", learning_rate=3e-3, per_element=False)
"""The output counts turns, Adam: converges in about a hundred epochs, where `PRINTED` takes thousands."""


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of all networks of a batch; `groups` = users x starts. The training changes them in place."""

    inputs: "tuple[torch.Tensor, torch.Tensor]"
    branches: "tuple[list[torch.Tensor], list[torch.Tensor]]"
    kernel: "torch.Tensor"
    bias: "torch.Tensor"
    output_rad: float

    @classmethod
    def random(
        cls, groups: int, rows: int, cols: int, rng: np.random.Generator, device: str, output_rad: float
    ) -> "Network":
        """Uniform weights within 1 / sqrt(fan in), the customary start of a linear layer."""
        import torch

        def uniform(*shape: int, fan_in: int) -> "torch.Tensor":
            values = rng.uniform(-1, 1, shape) / np.sqrt(fan_in)
            return torch.tensor(values, dtype=torch.float32, device=device, requires_grad=True)

        def code(size: int) -> "torch.Tensor":
            return torch.tensor(rng.standard_normal((groups, size, 1)), dtype=torch.float32, device=device)

        def branch(size: int) -> "list[torch.Tensor]":
            return [uniform(groups, size, width, fan_in=size) for _ in range(NUM_LAYERS) for width in (size, 1)]

        kernel, bias = uniform(groups, 2, 3, 3, fan_in=18), uniform(groups, fan_in=18)
        return cls((code(rows), code(cols)), (branch(rows), branch(cols)), kernel, bias, output_rad)

    def keep(self) -> tuple[np.ndarray, ...]:
        """What `kept` makes the same network of: codes and weights."""
        return tuple(each.detach().cpu().numpy().copy() for each in (*self.inputs, *self.parameters()))

    def kept(self, arrays: tuple[np.ndarray, ...]) -> "Network":
        """A network of this shape with what another one kept; this one where that had another shape."""
        import torch

        mine = (*self.inputs, *self.parameters())
        if [each.shape for each in arrays] != [tuple(each.shape) for each in mine]:
            return self
        row, col, *weights = (torch.tensor(each, device=mine[0].device) for each in arrays)
        for each in weights:
            each.requires_grad_()
        half = len(self.branches[0])
        branches = (weights[:half], weights[half : 2 * half])
        return Network((row, col), branches, weights[-2], weights[-1], self.output_rad)

    def parameters(self) -> "list[torch.Tensor]":
        return [*self.branches[0], *self.branches[1], self.kernel, self.bias]

    def branch(self, which: int) -> "torch.Tensor":
        """Output[group, unit] of the rows' branch (0) or the columns' (1)."""
        values, weights = self.inputs[which], self.branches[which]
        for layer in range(NUM_LAYERS):
            values = weights[2 * layer] @ values + weights[2 * layer + 1]
            if layer in TANH_AFTER:
                values = values.tanh()
        return values[..., 0]

    def phases(self) -> "torch.Tensor":
        """Phase in radians [group, row, col].

        Each kernel's half meets an image that repeats one branch, so it acts as its sum over the other axis.
        """
        rows = self._smoothed(0, self.kernel[:, 0].sum(2))[:, :, None]
        cols = self._smoothed(1, self.kernel[:, 1].sum(1))[:, None, :]
        return self.output_rad * (rows + cols + self.bias[:, None, None])

    def _smoothed(self, which: int, kernel: "torch.Tensor") -> "torch.Tensor":
        """Output[group, unit] of a branch, its ends repeated, correlated with kernel[group, 3]."""
        from torch.nn import functional

        near = functional.pad(self.branch(which), (1, 1), "replicate").unfold(-1, 3, 1)
        return (near @ kernel[..., None])[..., 0]


@dataclass
class Memory:
    """What a network begins with, where it has that shape, and what it leaves: see `Network.keep`."""

    arrays: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, eq=False)
class Training:
    """State: the network, what trains it, and the configuration[batch, start, element] before the last update."""

    network: Network
    optimizer: "torch.optim.Optimizer"
    schedule: "torch.optim.lr_scheduler.LRScheduler"
    point: Any
    rate: Any
    epoch: int


@dataclass(frozen=True)
class PaperPrior:
    """The paper's network, `starts` of them for each user, trained for `epochs`; on from a memory that it has."""

    starts: int = 8
    epochs: int = 300
    reading: Reading = field(default=PRACTICAL)
    device: str = "cpu"
    memory: Memory | None = field(default=None, compare=False)
    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Training:
        groups = objective.num_users * self.starts
        network = Network.random(groups, objective.rows, objective.cols, rng, self.device, self.reading.output_rad)
        return self.begin(objective, network if self.memory is None else network.kept(self.memory.arrays))

    def begin(self, objective: Objective, network: Network) -> Training:
        """Training of a network as it is, for instance of one that was trained for an earlier channel."""
        import torch

        kind: Any = torch.optim.Adam if self.reading.optimizer == "adam" else torch.optim.SGD
        optimizer = kind(network.parameters(), lr=self.reading.step_size(objective.num_elements))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs)
        with torch.no_grad():
            reflection, rate = self.forward(objective, network)
        return Training(network, optimizer, schedule, reflection, rate, 0)

    def forward(self, objective: Objective, network: Network) -> tuple[Any, Any]:
        import torch

        phases = network.phases().reshape(objective.num_users, self.starts, -1)
        reflection = torch.complex(phases.cos(), phases.sin())
        return reflection, objective.rate(objective.taps(reflection))

    def step(self, objective: Objective, state: Training) -> Training:
        state.optimizer.zero_grad()
        reflection, rate = self.forward(objective, state.network)
        bits = rate / (objective.mbps_per_nat * np.log(2))
        (-bits.sum()).backward()
        state.optimizer.step()
        state.schedule.step()
        if self.memory is not None and state.epoch + 1 == self.epochs:
            self.memory.arrays = state.network.keep()
        return Training(
            state.network, state.optimizer, state.schedule, reflection.detach(), rate.detach(), state.epoch + 1
        )

    def terminate(self, state: Training) -> bool:
        return state.epoch >= self.epochs
