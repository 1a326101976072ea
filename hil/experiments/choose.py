"""Stages two and three, from the recording alone: estimate the channel, then choose the pattern of each arm."""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from hil.arrays import Pattern
from hil.config import OptimizerConfig
from hil.config.engine import EngineConfig
from hil.engine import Engine, Method, open_engine
from hil.errors import ConfigError
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.sound import Sweep
from hil.measure.recording import Step, as_recorded
from hil.measure.setup import Setup
from hil.optimize.algorithms import ALGORITHMS
from hil.optimize.device import find_device
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution, solve
from hil.yamltree import no_such


@dataclass(frozen=True)
class Choice:
    """What the optimizers chose, on the estimate: every number here is a prediction.

    patterns, predicted_mbps: by arm. stages: rate after each stage of `chosen`, and `winner`, the best of them.
    bound_mbps: no pattern can do better on the estimate (certified); certified_fraction: of it, reached by `chosen`.
    solved_at: `here` or `host`; solved_note: why not at the host, where that was asked for.
    """

    patterns: dict[str, Pattern]
    predicted_mbps: dict[str, float]
    algorithm: str
    bound_mbps: float
    certified_fraction: float
    stages: dict[str, float]
    winner: str
    status: str
    solve_time_s: float
    solved_at: str = "here"
    solved_note: str = ""

    def to_step(self, time_s: float) -> Step:
        """For the recording: patterns as data, the rest as facts."""
        facts = {name: value for name, value in vars(self).items() if name != "patterns"}
        return Step(np.stack(list(self.patterns.values())), time_s, {"arms": list(self.patterns), **facts})

    @classmethod
    def from_step(cls, step: Step) -> "Choice":
        """The choice that `to_step` recorded."""
        facts = dict(step.facts)
        with as_recorded("the choice"):
            return cls(dict(zip(facts.pop("arms"), step.data, strict=True)), **facts)


def problem_of(estimate: CascadedEstimate, setup: Setup) -> Problem:
    """The optimization that an estimate stands for: channel units, the states that the board has, over its band.

    Elements that do not follow, by the calibration, are counted on for nothing.
    """
    cascade = setup.budget.scale * estimate.cascade
    cascade[list(setup.dead)] = 0
    return Problem(
        direct=setup.budget.scale * estimate.direct,
        cascade=cascade,
        basis=estimate.basis,
        snr_scale=setup.budget.snr_scale,
        num_taps=setup.testbed.ofdm.num_taps,
        bandwidth_hz=setup.testbed.ofdm.bandwidth_hz,
        rows=setup.rows,
        cols=setup.cols,
        states=setup.states,
        dispersion=setup.dispersion,
    )


def choose_patterns(
    estimate: CascadedEstimate,
    sweep: Sweep,
    setup: Setup,
    config: OptimizerConfig | None = None,
    *,
    seed: int = 0,
    engine: Engine | None = None,
) -> Choice:
    """The patterns to be judged: all zero, the best of the sweep, STM, and what the configured optimizer chooses.

    engine: where the configured optimizer runs; in this process where None.
    The best pilot is the one that the sweep measured as best; its score comes from fresh soundings, as everyone's.

    >>> choice = choose_patterns(estimate, sweep, setup)
    >>> choice.predicted_mbps["chosen"] > choice.predicted_mbps["all_zero"]
    True
    """
    config = config or OptimizerConfig()
    problem = problem_of(estimate, setup)
    with nullcontext(engine) if engine else open_engine() as where:
        reply = where.optimize(1, problem, Method.of(config, seed=seed))
    solution = reply.solution
    patterns = {
        "all_zero": np.zeros(setup.num_elements, dtype=np.uint8),
        "best_pilot": best_pilot(sweep, setup),
        "stm": _pattern(solve(problem, "stm", seed=seed, certify=False)),
        "chosen": _pattern(solution),
    }
    return Choice(
        patterns,
        {name: float(problem.rate_of(pattern)) for name, pattern in patterns.items()},
        config.algorithm,
        float(solution.bound_mbps),
        float(solution.certified_fraction),
        {name: float(rate) for name, rate in solution.stages.items()},
        solution.winner,
        solution.status,
        reply.seconds,
        reply.place,
        reply.note,
    )


def check_optimizer(config: OptimizerConfig, engine: EngineConfig = "local") -> None:
    """Raise ConfigError for what would else be found out after the sweep only. engine: where it is to run."""
    if config.device == "cuda" and engine == "local":
        find_device(config.device, "optimizer.device:")
    if config.algorithm not in ALGORITHMS:
        raise ConfigError(f"optimizer.algorithm: {no_such(config.algorithm, sorted(ALGORITHMS))}")


def best_pilot(sweep: Sweep, setup: Setup) -> Pattern:
    """The pattern of the sweep whose sounding promised the highest rate, its noise energy subtracted."""
    soundings = zip(sweep.soundings.response, sweep.soundings.noise_var, strict=True)
    best = int(np.argmax([setup.promised_mbps(response, noise_var) for response, noise_var in soundings]))
    return np.asarray(sweep.plan.patterns(slice(best, best + 1))[0])


def _pattern(solution: Solution) -> Pattern:
    assert solution.pattern is not None, "a board has states"
    return solution.pattern
