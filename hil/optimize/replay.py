"""The search of `neural-prior` as one piece of work that a GPU can do again without its host: a captured graph.

What comes from the host (random numbers, the choice of elements) is on the device before the work begins. During the
work shapes are fixed and the device is asked nothing (`cost`), so that all operations can be launched as one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hil.optimize.algorithms import tap_prior
from hil.optimize.iterate import Candidates, climb, iterate
from hil.optimize.objective import Objective
from hil.optimize.thinned import Thinned, with_all

Work = Callable[[], Candidates]
SAME = 1e-5  # relative difference of rates that two orders of the same sums make


def prepared(objective: Objective, starts: int, epochs: int, device: str) -> Work:
    """Training and polish of all users, as `neural-prior` does them, ready to begin on a device."""
    (thin,), (polish,) = (stage.solvers for stage in tap_prior(starts, epochs, device))
    assert isinstance(thin, Thinned)
    (network,) = thin.solvers
    rng = np.random.default_rng(0)
    some = objective.thinned(thin.elements, rng)
    begun = network.init(some, None, rng)

    def work() -> Candidates:
        trained, _ = climb(network, some, begun)
        rated = with_all(objective, trained.code(some))
        found, _ = iterate(polish, objective, Candidates(rated.point, rated.rate, "code"), rng)
        return found

    return work


@dataclass(frozen=True, eq=False)
class Replay:
    """again: do the work once more, into `result`. work: keeps alive what the graph reads."""

    again: Callable[[], object]
    result: Candidates
    work: Work = field(repr=False)


def captured(work: Work, device: str) -> Replay:
    """The work as a graph of a CUDA device. Raises RuntimeError where something in it cannot be captured.

    Done once before, beside the stream of everything else: libraries take their workspaces and compile what they need.
    """
    import torch

    cuda: Any = torch.cuda
    with cuda.device(device):
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            work()
        cuda.current_stream().wait_stream(side)
        graph = cuda.CUDAGraph()
        with cuda.graph(graph):
            result = work()
    return Replay(graph.replay, result, work)


def replayed_s(
    work: Work, device: str, clock: Callable[[Callable[[], object]], float], repetitions: int
) -> tuple[float | None, str]:
    """Seconds of the work as a captured graph, the best of some; or None, and why not.

    A replay counts only where it finds what the work finds when each operation is launched.
    """
    if not device.startswith("cuda"):
        return None, "graphs are captured on CUDA devices only"
    expected = work().rate
    try:
        replay = captured(work, device)
    except RuntimeError as error:
        return None, f"not captured: {error}"
    seconds = min(clock(replay.again) for _ in range(repetitions))
    apart = float((abs(replay.result.rate - expected) / expected).max())
    if not apart <= SAME:  # not a number, too
        return None, f"captured, but its rates are {apart:.2g} off"
    return seconds, "captured"
