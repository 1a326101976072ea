"""How fast a device trains the neural prior for many users at once, and how fast it could at best.

The floor is what the device's memory and arithmetic allow, both measured on it: each epoch has to read the cascade of
every user four times (drive, taps, and back again) and do as many complex products.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.errors import ConfigError
from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.prior import TapCodePrior
from hil.optimize.solve import solve
from hil.optimize.tap_space import TapSearch

PASSES = 4  # of an evaluation with its gradient over the cascade
FLOPS = 8  # of a complex multiplication and addition
POLISH = 12  # evaluations after training, as in the algorithm `neural-prior`
COPIED_BYTES, PRODUCT_SIZE = 1 << 28, 4096  # of the measurements of memory and arithmetic


@dataclass(frozen=True)
class Throughput:
    """Of one batch. kernel_s: training and polish, channels on the device already. total_s: from arrays of the host to
    arrays of the host, states and certificate left out.

    memory_floor_s, arithmetic_floor_s: of the same evaluations. agreement: largest relative difference of a user's
    rate from that of the same algorithm on the CPU, both judged in double precision.
    """

    device: str
    users: int
    num_elements: int
    kernel_s: float
    total_s: float
    bytes_per_s: float
    flops_per_s: float
    memory_floor_s: float
    arithmetic_floor_s: float
    agreement: float

    @property
    def users_per_s(self) -> float:
        return self.users / self.kernel_s

    @property
    def floor_fraction(self) -> float:
        """Of the time, what the tighter of both floors needs."""
        return max(self.memory_floor_s, self.arithmetic_floor_s) / self.kernel_s


def throughput(
    problem: Problem, *, device: str, starts: int = 4, epochs: int = 20, repetitions: int = 5, checked: int = 16
) -> Throughput:
    """Train `neural-prior` for all users of a problem of continuous phases in one batch; the best of some repetitions.

    checked: users whose rates are compared with the CPU's. Raises ConfigError where there is no such device.
    """
    clock = _clock(device)
    problem = problem.with_leading_axis()
    objective = Objective.of(problem, np.complex64).on(device)
    prior, polish = TapCodePrior(starts, epochs, device=device), TapSearch(keep=1, steps=POLISH, device=device)

    def train() -> None:
        found, _ = iterate(prior, objective, None, np.random.default_rng(0))
        iterate(polish, objective, found, np.random.default_rng(0))

    def whole() -> None:
        solve(problem, "neural-prior", starts=starts, epochs=epochs, device=device, certify=False)

    some = replace(problem, direct=problem.direct[:checked], cascade=problem.cascade[:checked])
    here, there = (
        solve(some, "neural-prior", starts=starts, epochs=epochs, device=name, certify=False).rate_mbps
        for name in ("cpu", device)
    )
    entries = problem.cascade.size
    bytes_per_s, flops_per_s = _memory(device, clock), _arithmetic(device, clock)
    evaluated = epochs + 1
    return Throughput(
        device=_name(device),
        users=len(problem.direct),
        num_elements=problem.num_elements,
        kernel_s=min(clock(train) for _ in range(repetitions)),
        total_s=min(clock(whole) for _ in range(2)),
        bytes_per_s=bytes_per_s,
        flops_per_s=flops_per_s,
        memory_floor_s=PASSES * 8 * entries * (evaluated + POLISH) / bytes_per_s,
        arithmetic_floor_s=PASSES * FLOPS * entries * (starts * evaluated + POLISH) / flops_per_s,
        agreement=float(np.max(np.abs(there - here) / here)),
    )


def _clock(device: str) -> Callable[[Callable[[], object]], float]:
    """Seconds of a piece of work, the device's queue emptied before and after."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"--device {device}: no CUDA device is visible to torch; allowed here: cpu")

    def settle() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    def timed(work: Callable[[], object]) -> float:
        settle()
        began_s = time.perf_counter()
        work()
        settle()
        return time.perf_counter() - began_s

    return timed


def _memory(device: str, clock: Callable[[Callable[[], object]], float]) -> float:
    """Bytes per second of a copy: read once, written once."""
    import torch

    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / _best(clock, lambda: target.copy_(source))


def _arithmetic(device: str, clock: Callable[[Callable[[], object]], float]) -> float:
    """Floating-point operations per second of a product of square matrices, single precision."""
    import torch

    size = PRODUCT_SIZE if device.startswith("cuda") else PRODUCT_SIZE // 4
    left: Any = torch.ones((size, size), device=device)
    return 2 * size**3 / _best(clock, lambda: left @ left)


def _best(clock: Callable[[Callable[[], object]], float], work: Callable[[], object]) -> float:
    return min(clock(work) for _ in range(5))


def _name(device: str) -> str:
    import torch

    return str(torch.cuda.get_device_name(device)) if device.startswith("cuda") else device
