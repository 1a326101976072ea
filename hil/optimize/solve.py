"""One door to all optimizers: a problem and the name of an algorithm in, a certified solution out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hil.arrays import Complex, Float, UInt8
from hil.errors import ConfigError
from hil.optimize.algorithms import ALGORITHMS, Options, Stage
from hil.optimize.bound import certified_bound
from hil.optimize.branch_and_bound import prove_patterns
from hil.optimize.device import find_device
from hil.optimize.discrete import discretise, relaxed
from hil.optimize.iterate import Candidates, iterate
from hil.optimize.neural import Memory
from hil.optimize.objective import Objective, Problem, on_host
from hil.yamltree import no_such


@dataclass(frozen=True, eq=False)
class Solution:
    """What an optimizer found, and how much better anything could be.

    pattern: state indices; None where any phase can be set. reflection: complex, of the states where there are some,
    at the carrier.
    rate_mbps: by the channel that the optimizer was given, in double precision. bound_mbps: no configuration does
    better on that channel; NaN where no bound was asked for.
    stages: rate after each stage alone, quantised where there are states; `winner` is the best of them.
    relaxed: rate after each stage before quantisation, of phases that are the same over the whole band.
    seconds: time of each stage, quantisation and bound.
    history: best rate after each step, before quantisation: [step, *batch].
    code: what the configuration asks for, dR/dh* of unit norm; outlives the channel's phases, see `solve(warm=...)`.
    network: what the paper's network became, see `solve(network=...)`; empty where another was asked.
    """

    pattern: UInt8[np.ndarray, "*batch element"] | None
    reflection: Complex[np.ndarray, "*batch element"]
    rate_mbps: Float[np.ndarray, "*batch"]
    bound_mbps: Float[np.ndarray, "*batch"]
    history: Float[np.ndarray, "step *batch"]
    code: Complex[np.ndarray, "*batch tap"]
    stages: dict[str, Float[np.ndarray, "*batch"]] = field(default_factory=dict)
    relaxed: dict[str, Float[np.ndarray, "*batch"]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    network: tuple[np.ndarray, ...] = ()

    @property
    def certified_fraction(self) -> Float[np.ndarray, "*batch"]:
        """rate / bound: at least this share of the best that the surface could do on this channel."""
        return np.asarray(self.rate_mbps / np.where(self.bound_mbps > 0, self.bound_mbps, np.nan))

    @property
    def winner(self) -> str:
        """The stage of the highest mean rate; the earlier one where two are equal."""
        return max(self.stages, key=lambda name: float(np.mean(self.stages[name])))

    @property
    def status(self) -> str:
        """One line of advice."""
        if np.isnan(self.bound_mbps).any():
            return "no bound was computed"
        worst = float(np.nanmin(self.certified_fraction, initial=1.0))
        if worst > 0.9999:
            return "optimal: no other configuration gains 0.01 % on this channel"
        if worst > 0.97:
            return f"within {100 * (1 - worst):.2g} % of a bound that nothing can pass; more effort will hardly pay"
        return f"at least {100 * worst:.1f} % of the best possible; more starts or another algorithm may gain the rest"


def solve(
    problem: Problem,
    algorithm: str = "neural-prior",
    options: Options | None = None,
    *,
    seed: int = 0,
    warm: Complex[np.ndarray, "*batch tap"] | None = None,
    network: tuple[np.ndarray, ...] = (),
    certify: bool = True,
) -> Solution:
    """Choose a configuration for every user of a problem.

    algorithm: a key of `ALGORITHMS`. warm: `Solution.code` of an earlier channel on the same basis, to begin with
    beside the algorithm's own starts; tap-space and neural-prior make use of it. network: `Solution.network` of an
    earlier channel, with which the paper's network goes on where the starts and the surface are the same.
    certify: compute the upper bound. Same seed, same solution, unless a deadline came before.

    Raises ConfigError for an unknown algorithm, for one that needs states where there are none, and for a device that
    is not there.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"algorithm: {no_such(algorithm, ALGORITHMS)}")
    chosen, asked, memory = ALGORITHMS[algorithm], options or Options(), Memory(network)
    until_s = time.monotonic() + asked.deadline_s
    flipped = chosen.flipped if asked.polish else 0
    run = _Run(problem.with_leading_axis(), np.random.default_rng(seed), chosen.offered, flipped)
    if problem.states is not None and chosen.patterns is not None:
        run.take_patterns(algorithm, chosen.patterns)
    elif chosen.stages is not None and not (problem.states is None and chosen.states_only):
        run.optimise(chosen.stages(replace(asked, device=find_device(asked.device), memory=memory)), warm)
    else:
        raise ConfigError(f"algorithm: {algorithm} chooses states; this surface takes any phase")
    if chosen.branches:
        run.prove(algorithm, chosen.branches if asked.epochs is None else asked.epochs, until_s)
    return replace(run.solution(problem, certify, seed), network=() if memory.arrays is network else memory.arrays)


def search(
    objective: Objective, algorithm: str, options: Options | None = None, *, seed: int = 0
) -> tuple[Candidates, list[Any]]:
    """The search of an algorithm alone: on any phases, on an objective made ready, without scoring or certificate.

    objective: where the algorithm's solvers compute. Returns what the last solver found, and the best rate[batch] after
    each step. Raises ConfigError for an algorithm that only chooses states.
    """
    stages, rng = ALGORITHMS[algorithm].stages, np.random.default_rng(seed)
    if stages is None:
        raise ConfigError(f"algorithm: {algorithm} chooses states; this surface takes any phase")
    found, history = None, []
    for solver in (each for stage in stages(options or Options()) for each in stage.solvers):
        found, steps = iterate(solver, objective, found, rng)
        history += steps
    assert found is not None
    return found, history


class _Run:
    """The solution in the making: what each stage found, the best of it, and the time it took."""

    def __init__(self, problem: Problem, rng: np.random.Generator, offered: int, flipped: int) -> None:
        self.offered, self.flipped = offered, flipped
        self.problem = problem
        self.rng = rng
        self.stages: dict[str, np.ndarray] = {}
        self.relaxed: dict[str, np.ndarray] = {}
        self.seconds: dict[str, float] = {}
        self.history: list[np.ndarray] = []
        self.rate = np.full(len(problem.direct), -np.inf)
        self.ceiling = np.full(len(problem.direct), np.inf)  # certified on the way
        self.reflection = np.zeros(problem.cascade.shape[:2], dtype=complex)
        self.pattern = np.zeros(problem.cascade.shape[:2], dtype=np.uint8)

    def optimise(self, stages: tuple[Stage, ...], warm: np.ndarray | None) -> None:
        """Run the stages one after the other, each from what the one before found; take each one's result."""
        objective = Objective.of(relaxed(self.problem), np.complex64)
        placed: dict[str | None, Objective] = {None: objective}
        found = None if warm is None else _given(objective, warm)
        for stage in stages:
            began = time.perf_counter()
            offers = []
            for solver in stage.solvers:
                if solver.device not in placed:
                    placed[solver.device] = objective.on(str(solver.device))
                found, history = iterate(solver, placed[solver.device], found, self.rng)
                offers.append(found)
                self.history += [on_host(rate).astype(float) for rate in history]
            self.seconds[stage.name] = time.perf_counter() - began
            self.take(stage.name, objective, offers)

    def take(self, name: str, objective: Objective, offers: list[Candidates]) -> None:
        """Score a stage in double precision, on the states where there are some; keep it where it is best.

        Phases are what the last solver found; states are tried on what all of them did, for variety.
        """
        best = offers[-1].best_reflection(objective)
        self.relaxed[name] = relaxed(self.problem).rate_mbps(best)
        if self.problem.states is None:
            self.keep(name, best, self.relaxed[name])
            return
        began = time.perf_counter()
        found = [each.best(self.offered).reflection(objective) for each in offers]
        pattern, rate = discretise(self.problem, np.concatenate(found, axis=1), self.flipped)
        self.seconds["states"] = self.seconds.get("states", 0.0) + time.perf_counter() - began
        self.keep(name, self.problem.states[pattern], rate, pattern)

    def take_patterns(self, name: str, choose: Callable[[Problem, np.random.Generator], np.ndarray]) -> None:
        began = time.perf_counter()
        pattern = choose(self.problem, self.rng)
        assert self.problem.states is not None
        self.seconds[name] = time.perf_counter() - began
        self.keep(name, self.problem.states[pattern], self.problem.rate_of(pattern), pattern)

    def prove(self, name: str, branches: int, until_s: float) -> None:
        """Improve the patterns and the certificate by branch and bound, the time left shared out among the users."""
        began = time.perf_counter()
        pattern, self.ceiling = prove_patterns(self.problem, self.pattern, branches, until_s)
        assert self.problem.states is not None
        self.seconds[name] = time.perf_counter() - began
        self.keep(name, self.problem.states[pattern], self.problem.rate_of(pattern), pattern)

    def keep(self, name: str, reflection: np.ndarray, rate: np.ndarray, pattern: np.ndarray | None = None) -> None:
        self.stages[name] = rate
        better = rate > self.rate
        self.rate = np.where(better, rate, self.rate)
        self.reflection = np.where(better[:, None], reflection, self.reflection)
        if pattern is not None:
            self.pattern = np.where(better[:, None], pattern, self.pattern).astype(np.uint8)

    def solution(self, problem: Problem, certify: bool, seed: int) -> Solution:
        """Back to the caller's axes."""
        batch = problem.direct.shape[:-1]
        bound = np.full(len(self.rate), np.nan)
        if certify:
            began = time.perf_counter()
            known = np.isfinite(self.ceiling).all()
            bound = self.ceiling if known else certified_bound(self.problem, self.reflection, seed=seed)
            self.seconds["bound"] = time.perf_counter() - began
        history = np.array(self.history or [self.rate])
        code = Objective.of(self.problem).asked(self.reflection[:, None])[:, 0]
        return Solution(
            pattern=None if problem.states is None else self.pattern.reshape(*batch, -1),
            reflection=self.reflection.reshape(*batch, -1),
            rate_mbps=self.rate.reshape(batch),
            bound_mbps=bound.reshape(batch),
            history=np.maximum.accumulate(history, axis=0).reshape(-1, *batch),
            code=code.reshape(*batch, -1),
            stages={name: rate.reshape(batch) for name, rate in self.stages.items()},
            relaxed={name: rate.reshape(batch) for name, rate in self.relaxed.items()},
            seconds=self.seconds,
        )


def _given(objective: Objective, code: np.ndarray) -> Candidates:
    points = code.reshape(objective.num_users, 1, objective.code_size).astype(objective.basis.dtype)
    return Candidates(points, objective.rate(objective.taps(objective.align(points))), "code")
