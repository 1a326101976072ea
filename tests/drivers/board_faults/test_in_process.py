"""Any interleaving of commands and faults: what is measured is what was commanded, or the step was reported as failed.

In process, on the virtual clock.
"""

import pytest

from hil.sim.faults import Fault

BOARDS = pytest.mark.parametrize("board", ["opensource-ris-16x16", "reference-64x64"])


@pytest.fixture
def trusting(machine_of):
    """A driver that takes an acknowledgement for proof, its board opened and showing a pattern."""
    machine = machine_of("opensource-ris-16x16", verify_readback=False)()
    machine.open(seed=1)
    machine.apply(seed=1, troubles=[])
    return machine


@BOARDS
def test_what_is_measured_is_what_was_commanded_or_the_step_failed(machine_of, run, board):
    machine = machine_of(board)
    run(machine, examples=80, steps=20)
    assert machine.steps >= 2000
    assert min(machine.measured, machine.failed) >= 100
    assert set(machine.counts) == set(Fault)


@pytest.mark.soak
@BOARDS
def test_the_same_holds_over_very_many_steps(machine_of, run, board):
    machine = machine_of(board)
    run(machine, examples=1000, steps=60)
    assert machine.steps >= 50_000
    assert set(machine.counts) == set(Fault)


@pytest.mark.parametrize("trouble", [(Fault.RESET_NOW, "to_board", 0.0), (Fault.BROWN_OUT, "to_board", 1e-3)])
def test_a_driver_that_looks_only_at_what_the_board_said_is_caught(trusting, trouble):
    with pytest.raises(AssertionError, match="measured"):
        trusting.measure_again(troubles=[trouble])


def test_a_driver_that_takes_an_acknowledgement_for_proof_is_caught(trusting):
    """An earlier one is repeated while a byte of the command is lost."""
    with pytest.raises(AssertionError, match="measured"):
        trusting.apply(seed=2, troubles=[(Fault.STALE_ACK, "to_host", None), (Fault.DROP, "to_board", None)])


def test_an_acknowledgement_that_comes_too_early_makes_nobody_measure_too_early(trusting):
    trusting.apply(seed=2, troubles=[(Fault.STALE_ACK, "to_host", None)])
    assert trusting.measured == 2


def test_a_driver_that_waits_for_no_settling_is_caught(trusting):
    trusting.driver.set_settle_s(0.0)
    with pytest.raises(AssertionError, match="settled"):
        trusting.apply(seed=2, troubles=[])
