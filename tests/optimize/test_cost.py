"""What the device path asks of a device, counted where there is none."""

import numpy as np
import pytest
import torch

from hil.optimize.algorithms import tap_prior
from hil.optimize.cost import counted
from hil.optimize.iterate import Candidates, climb, iterate
from hil.optimize.objective import Objective
from hil.optimize.prior import TapCodePrior
from hil.optimize.tap_space import TapSearch

PRIOR, SEARCH = TapCodePrior(starts=3, epochs=6, device="cpu"), TapSearch(keep=2, steps=6, device="cpu")


def beginning(solver, make_problem):
    """An objective on tensors, and a state to climb from."""
    objective = Objective.of(make_problem(8, 8, users=2), np.complex64).on("cpu")
    rng = np.random.default_rng(0)
    found = PRIOR.init(objective, None, rng)
    start = Candidates(found.point, found.rate, "code")
    return objective, solver.init(objective, start, rng)


@pytest.mark.parametrize("solver", [PRIOR, SEARCH])
def test_the_loop_never_waits_for_the_device(make_problem, solver):
    objective, state = beginning(solver, make_problem)
    cost = counted(lambda: climb(solver, objective, state))
    assert cost.asked == ()
    assert cost.launches > 100


@pytest.mark.parametrize("solver", [PRIOR, SEARCH])
def test_after_the_first_every_step_has_the_same_shapes(make_problem, solver):
    objective, state = beginning(solver, make_problem)
    state = solver.step(objective, state)  # weights of all users part, curvature takes its shape
    one = counted(lambda: solver.step(objective, state))
    state = solver.step(objective, state)
    assert counted(lambda: solver.step(objective, state)).shapes == one.shapes


def test_the_whole_search_runs_on_a_device_that_answers_nothing(make_problem):
    """Tensors of torch's meta device have shapes and no numbers: a look at one, or one of the CPU beside it, raises."""
    objective = Objective.of(make_problem(48, 48, users=3), np.complex64).on("meta")
    found = None
    for stage in tap_prior(4, 3, "meta"):
        for solver in stage.solvers:
            found, _ = iterate(solver, objective, found, np.random.default_rng(0))
    assert found.point.device.type == found.rate.device.type == "meta"
    assert found.point.shape == (3, 1, objective.code_size)


@pytest.mark.parametrize(
    "look",
    [
        lambda at: float(at.sum()),
        lambda at: bool((at > 0).all()),
        lambda at: at.cpu(),
        lambda at: np.asarray(at),
        lambda at: at.tolist(),
        lambda at: at[at > 0],
        lambda at: torch.as_tensor(np.ones(3)),
    ],
)
def test_a_look_at_the_device_is_noticed(look):
    assert counted(lambda: look(torch.ones(4, 5))).asked


def test_bytes_and_operations_of_a_product():
    left, right = torch.ones(2, 3, 4, dtype=torch.complex64), torch.ones(2, 4, 5, dtype=torch.complex64)
    cost = counted(lambda: left @ right)
    assert cost.operations == 8 * 2 * 3 * 4 * 5
    assert cost.bytes >= 8 * (24 + 40 + 30)


def test_what_is_broadcast_is_read_once():
    spread = torch.broadcast_to(torch.ones(10), (1000, 10))
    assert counted(lambda: spread.sum(0)).bytes <= 4 * (10 + 10)


def test_memory_is_that_of_the_tensors_that_were_alive_at_once():
    def chain() -> torch.Tensor:
        first = torch.ones(1000)
        second = first + 1
        del first
        third = second[:10] + second.sum()
        return torch.cat([second, third])

    assert counted(chain).peak_bytes == 4 * (1000 + 10 + 1010)
