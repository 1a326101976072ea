"""The pattern of each arm, from the sweep of a visit alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.arrays import Pattern
from hil.config import OptimizerConfig
from hil.config.field_test import ArmConfig, BestPilotArm, OptimizedArm, ShamArm, UniformArm
from hil.engine import Engine, Late, Method
from hil.optimize.objective import Problem


@dataclass(frozen=True)
class Arm:
    """predicted_mbps: by the sweep's estimate. place: where it was optimised, and why not at the host; empty if not."""

    pattern: Pattern
    predicted_mbps: float
    place: str = ""


def choose_arms(
    arms: Sequence[ArmConfig], problem: Problem, best_pilot: Pattern, engine: Engine, where: str, seed: int
) -> dict[str, Arm]:
    """By name. where: which sweep this is, so that no arm starts from what another one left at the host.

    A host that is late or gone costs time and changes no pattern: what it was asked for is done in this process.
    """
    found: dict[str, Arm] = {}
    for arm in sorted(arms, key=lambda each: isinstance(each, ShamArm)):  # shams last
        match arm:
            case UniformArm():
                found[arm.name] = _arm(problem, np.full(problem.num_elements, arm.state, dtype=np.uint8))
            case BestPilotArm():
                found[arm.name] = _arm(problem, best_pilot)
            case OptimizedArm():
                found[arm.name] = _arm(
                    problem, *_optimised(problem, arm.optimizer, engine, f"{where}, {arm.name}", seed)
                )
            case ShamArm():
                found[arm.name] = found[arm.of]
    return found


def _optimised(problem: Problem, how: OptimizerConfig, engine: Engine, user: str, seed: int) -> tuple[Pattern, str]:
    """A pattern, and where it was made."""
    reply = engine.result(engine.submit(1, problem, Method.of(how, seed=seed, certify=False, user=user)))
    if isinstance(reply, Late):
        reply = engine.instead(reply, algorithm=None)
    assert reply.solution.pattern is not None, "a board has states"
    return reply.solution.pattern, f"{reply.place}: {reply.note}" if reply.note else reply.place


def _arm(problem: Problem, pattern: Pattern, place: str = "") -> Arm:
    return Arm(pattern, float(problem.rate_of(pattern)), place)
