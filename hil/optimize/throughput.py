"""How fast a device trains the neural prior for many users at once, and how fast it could at best.

The floor is what the device's memory and arithmetic allow, both measured on it: each evaluation with its gradient has
to read the cascade that it uses four times (drive, taps, and back again) and do as many complex products. What is asked
of it beyond that, all operations unfused, is counted (`cost`) and needs no GPU.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.errors import ConfigError
from hil.optimize.cost import Cost, counted
from hil.optimize.iterate import Candidates, climb, iterate
from hil.optimize.objective import Objective, Problem
from hil.optimize.solve import POLISH_STEPS, solve, tap_prior
from hil.optimize.tap_space import TapSearch
from hil.optimize.thinned import ELEMENTS

PASSES = 4  # of an evaluation with its gradient over the cascade
FLOPS = 8  # of a complex multiplication and addition
COUNTED_USERS = 4
COPIED_BYTES, PRODUCT_SIZE = 1 << 28, 4096  # of the measurements of memory and arithmetic
H200_BYTES_PER_S, H200_FLOPS = 4.8e12, 60e12  # of its data sheet: memory, single-precision arithmetic


@dataclass(frozen=True)
class Throughput:
    """Of one batch. kernel_s: training and polish, channels on the device already. total_s: from arrays of the host to
    arrays of the host, states and certificate left out. polish_s: the polish, operation by operation; replayed_s: the
    same as one captured graph, None where `replay_note` says why not.

    memory_floor_s, arithmetic_floor_s: of the same evaluations. agreement: largest relative difference of a user's
    rate from that of the same algorithm on the CPU, both judged in double precision.
    bytes_per_user, operations_per_user, launches: counted, nothing fused.
    """

    device: str
    users: int
    num_elements: int
    kernel_s: float
    total_s: float
    polish_s: float
    replayed_s: float | None
    replay_note: str
    bytes_per_s: float
    flops_per_s: float
    memory_floor_s: float
    arithmetic_floor_s: float
    agreement: float
    bytes_per_user: float
    operations_per_user: float
    launches: int

    @property
    def users_per_s(self) -> float:
        return self.users / self.kernel_s

    @property
    def floor_fraction(self) -> float:
        """Of the time, what the tighter of both floors needs."""
        return max(self.memory_floor_s, self.arithmetic_floor_s) / self.kernel_s

    @property
    def unfused_users_per_s(self) -> float:
        """If memory and arithmetic, as measured here, were all that counts, and nothing were fused."""
        return _rate(self, self.bytes_per_s, self.flops_per_s)

    @property
    def h200_users_per_s(self) -> float:
        """The same with the numbers of an H200's data sheet: an estimate, not a measurement."""
        return _rate(self, H200_BYTES_PER_S, H200_FLOPS)


def _rate(cost: Throughput, bytes_per_s: float, flops_per_s: float) -> float:
    return 1 / max(cost.bytes_per_user / bytes_per_s, cost.operations_per_user / flops_per_s)


def throughput(
    problem: Problem, *, device: str, starts: int = 4, epochs: int = 20, repetitions: int = 5, checked: int = 16
) -> Throughput:
    """Train `neural-prior` for all users of a problem of continuous phases in one batch; the best of some repetitions.

    checked: users whose rates are compared with the CPU's. Raises ConfigError where there is no such device.
    """
    clock = _clock(device)
    problem = problem.with_leading_axis()
    objective = Objective.of(problem, np.complex64).on(device)

    def whole() -> None:
        solve(problem, "neural-prior", starts=starts, epochs=epochs, device=device, certify=False)

    some = replace(problem, direct=problem.direct[:checked], cascade=problem.cascade[:checked])
    here, there = (
        solve(some, "neural-prior", starts=starts, epochs=epochs, device=name, certify=False).rate_mbps
        for name in ("cpu", device)
    )
    bytes_per_s, flops_per_s = _memory(device, clock), _arithmetic(device, clock)
    read, products = _passes(objective, starts, epochs)
    cost, counted_users = _cost(problem, starts, epochs)
    polish_s, replayed_s, replay_note = _replayed(_train(objective, starts, epochs, device), objective, device, clock)
    return Throughput(
        device=_name(device),
        users=len(problem.direct),
        num_elements=problem.num_elements,
        kernel_s=min(clock(lambda: _train(objective, starts, epochs, device)) for _ in range(repetitions)),
        total_s=min(clock(whole) for _ in range(2)),
        polish_s=polish_s,
        replayed_s=replayed_s,
        replay_note=replay_note,
        bytes_per_s=bytes_per_s,
        flops_per_s=flops_per_s,
        memory_floor_s=8 * read / bytes_per_s,
        arithmetic_floor_s=FLOPS * products / flops_per_s,
        agreement=float(np.max(np.abs(there - here) / here)),
        bytes_per_user=cost.bytes / counted_users,
        operations_per_user=cost.operations / counted_users,
        launches=cost.launches,
    )


def _train(objective: Objective, starts: int, epochs: int, device: str) -> Candidates:
    """Network and polish, as `neural-prior` runs them."""
    found, rng = None, np.random.default_rng(0)
    for stage in tap_prior(starts, epochs, device):
        for solver in stage.solvers:
            found, _ = iterate(solver, objective, found, rng)
    assert found is not None
    return found


def _passes(objective: Objective, starts: int, epochs: int) -> tuple[int, int]:
    """Entries of cascades read, and complex products, of all evaluations: on some elements, then on all."""
    full = objective.num_users * objective.num_elements * objective.code_size
    some = (
        objective.num_users * objective.code_size * objective.thinned(ELEMENTS, np.random.default_rng(0)).num_elements
    )
    trained, polished = PASSES * some * (epochs + 1), PASSES * full * (POLISH_STEPS + 1)
    return trained + polished, starts * trained + polished


def _cost(problem: Problem, starts: int, epochs: int) -> tuple[Cost, int]:
    """Counted on the CPU for a few users, who cost the same wherever they are; and how many they were."""
    few = replace(problem, direct=problem.direct[:COUNTED_USERS], cascade=problem.cascade[:COUNTED_USERS])
    objective = Objective.of(few, np.complex64).on("cpu")
    return counted(lambda: _train(objective, starts, epochs, "cpu")), len(few.direct)


def _replayed(
    found: Candidates, objective: Objective, device: str, clock: Callable[[Callable[[], object]], float]
) -> tuple[float, float | None, str]:
    """Seconds of the polish as it is launched, and as a captured graph; or why there is none.

    The loop is fit for capture as it stands: fixed shapes, no question to the host (`cost`).
    """
    import torch

    search = TapSearch(keep=1, steps=POLISH_STEPS, device=device)
    state = search.init(objective, found, np.random.default_rng(0))

    def work() -> object:
        return climb(search, objective, state)

    launched_s = _best(clock, work)
    if not device.startswith("cuda"):
        return launched_s, None, "graphs are captured on CUDA devices only"
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            kept = work()
    except RuntimeError as error:
        return launched_s, None, f"not captured: {error}"
    replayed_s = _best(clock, graph.replay)
    del kept  # what the graph writes to; freed only now
    return launched_s, replayed_s, "captured"


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
