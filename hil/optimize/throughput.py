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
from hil.optimize.algorithms import POLISH_STEPS, Options
from hil.optimize.cost import Cost, counted
from hil.optimize.device import find_device
from hil.optimize.iterate import Candidates
from hil.optimize.objective import Objective, Problem
from hil.optimize.replay import prepared, replayed_s
from hil.optimize.solve import solve
from hil.optimize.thinned import ELEMENTS

PASSES = 4  # of an evaluation with its gradient over the cascade
FLOPS = 8  # of a complex multiplication and addition
COUNTED_USERS = 4
AGREEMENT = 1e-4  # of the rates of two devices, relative
COPIED = {"cuda": (1 << 29, 8), "cpu": (1 << 26, 2)}  # bytes and how often, to measure memory
TIMES_THERE = 2  # channels are on the device for the kernel's time, and again for that of the whole
PRODUCT_SIZE = 4096  # of matrices, to measure arithmetic
H200_BYTES_PER_S, H200_FLOPS = 4.8e12, 60e12  # of its data sheet: memory, single-precision arithmetic


@dataclass(frozen=True)
class Throughput:
    """Of one batch. kernel_s: training and polish, channels on the device already. total_s: from arrays of the host to
    arrays of the host, states and certificate left out. replayed_s: as kernel_s, by a captured graph; None where
    `replay_note` says why not.

    memory_floor_s, arithmetic_floor_s: of the same evaluations. agreement: largest relative difference of a user's
    rate from that of the same algorithm on the CPU, both judged in double precision.
    bytes_per_user, operations_per_user, launches: counted, nothing fused. memory_per_user: bytes taken at most,
    counted; memory_taken: by the batch, measured; None where the device does not tell.
    """

    device: str
    users: int
    num_elements: int
    kernel_s: float
    total_s: float
    replayed_s: float | None
    replay_note: str
    bytes_per_s: float
    flops_per_s: float
    memory_floor_s: float
    arithmetic_floor_s: float
    agreement: float
    bytes_per_user: float
    operations_per_user: float
    memory_per_user: float
    memory_taken: int | None
    launches: int

    @property
    def users_per_s(self) -> float:
        return self.users / self.kernel_s

    @property
    def replayed_users_per_s(self) -> float | None:
        return None if self.replayed_s is None else self.users / self.replayed_s

    @property
    def agrees(self) -> bool:
        return self.agreement <= AGREEMENT

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

    checked: users whose rates are compared with the CPU's. Raises ConfigError where there is no such device, or too
    little memory on it.
    """
    device = find_device(device, "--device:")
    clock = _clock(device)
    problem = problem.with_leading_axis()
    cost, counted_users = _cost(problem, starts, epochs)
    _check_room(device, len(problem.direct), TIMES_THERE * cost.peak_bytes / counted_users)
    agreement = _agreement(_of(problem, checked), starts, epochs, device)
    objective = Objective.of(problem, np.complex64).on(device)

    def train() -> Candidates:
        return prepared(objective, starts, epochs, device)()

    def whole() -> None:
        solve(problem, "neural-prior", Options(starts, epochs, device=device), certify=False)

    kernel_s, memory_taken = min(clock(train) for _ in range(repetitions)), _taken(device)
    total_s = min(clock(whole) for _ in range(2))
    bytes_per_s, flops_per_s = _memory(device, clock), _arithmetic(device, clock)
    read, products = _passes(objective, starts, epochs)
    # last: a capture that fails may leave the device unfit for more
    graph_s, replay_note = replayed_s(prepared(objective, starts, epochs, device), device, clock, repetitions)
    return Throughput(
        device=_name(device),
        users=len(problem.direct),
        num_elements=problem.num_elements,
        kernel_s=kernel_s,
        total_s=total_s,
        replayed_s=graph_s,
        replay_note=replay_note,
        bytes_per_s=bytes_per_s,
        flops_per_s=flops_per_s,
        memory_floor_s=8 * read / bytes_per_s,
        arithmetic_floor_s=FLOPS * products / flops_per_s,
        agreement=agreement,
        bytes_per_user=cost.bytes / counted_users,
        operations_per_user=cost.operations / counted_users,
        memory_per_user=cost.peak_bytes / counted_users,
        memory_taken=memory_taken,
        launches=cost.launches,
    )


def _of(problem: Problem, users: int) -> Problem:
    """The first of its users."""
    return replace(problem, direct=problem.direct[:users], cascade=problem.cascade[:users])


def _agreement(problem: Problem, starts: int, epochs: int, device: str) -> float:
    """Of what tensors on the device find with what arrays of the CPU do; the true channel judges both."""
    here = solve(problem, "neural-prior", Options(starts, epochs), certify=False).rate_mbps
    objective = Objective.of(problem, np.complex64)
    found = prepared(objective.on(device), starts, epochs, device)()
    there = problem.rate_mbps(found.best_reflection(objective))
    return float(np.max(np.abs(there - here) / here))


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
    few = _of(problem, COUNTED_USERS)
    objective = Objective.of(few, np.complex64).on("cpu")
    return counted(lambda: prepared(objective, starts, epochs, "cpu")()), len(few.direct)


def _check_room(device: str, users: int, bytes_per_user: float) -> None:
    """Raise ConfigError where a batch does not fit on a GPU beside what is there."""
    import torch

    if not device.startswith("cuda"):
        return
    free, _ = torch.cuda.mem_get_info(device)
    need = users * bytes_per_user
    if need > free:
        raise ConfigError(
            f"--users {users}: they need {need / 1e9:.1f} GB of the GPU's memory, {free / 1e9:.1f} GB are free; "
            f"at most {int(free / bytes_per_user)} fit"
        )


def _taken(device: str) -> int | None:
    """Bytes of a GPU that tensors have taken at most so far."""
    import torch

    return int(torch.cuda.max_memory_allocated(device)) if device.startswith("cuda") else None


def _clock(device: str) -> Callable[[Callable[[], object]], float]:
    """Seconds of a piece of work, the device's queue emptied before and after."""
    import torch

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
    """Bytes per second of copies, each read once, written once; several at a time, beside which a launch is nothing."""
    import torch

    size, copies = COPIED["cuda" if device.startswith("cuda") else "cpu"]
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(copies):
            target.copy_(source)

    return 2 * size * copies / _best(clock, copy)


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
