"""The patterns of a field test's arms, and where they were optimised."""

import numpy as np

from hil.config.field_test import OptimizedArm
from hil.engine import Late, Ticket
from hil.engine.local import LocalEngine
from hil.experiments.field.arms import Arm, choose_arms
from hil.optimize.objective import Problem


class LateHost(LocalEngine):
    """A host that gives no answer in time."""

    place = "host"

    def result(self, ticket: Ticket, deadline_s: float | None = None) -> Late:
        return Late(ticket, "optimizer host: no answer within 1 s")


def chosen_by(engine: LocalEngine) -> Arm:
    """Of random patterns: a search in their stead would find others."""
    rng = np.random.default_rng(3)
    taps = rng.normal(size=(17, 4)) + 1j * rng.normal(size=(17, 4))
    basis = np.fft.fft(np.eye(16), norm="ortho")[:, :4]
    problem = Problem(taps[0], taps[1:], basis, 1.0, 4, 20e6, 4, 4, np.array([1.0 + 0j, -1.0]))
    arm = OptimizedArm.model_validate({"kind": "optimized", "name": "it", "optimizer": {"algorithm": "random"}})
    with engine:
        return choose_arms([arm], problem, np.zeros(16, dtype=np.uint8), engine, "a visit", seed=0)["it"]


def test_a_host_that_is_late_changes_no_arm() -> None:
    here, late = chosen_by(LocalEngine()), chosen_by(LateHost())
    np.testing.assert_array_equal(late.pattern, here.pattern)
    assert (here.place, late.place) == ("here", "here: optimizer host: no answer within 1 s")
