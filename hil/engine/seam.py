"""The seam between a loop and whatever machine optimises for it: one pure function of plain data."""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex
from hil.config import OptimizerConfig
from hil.optimize.algorithms import Options
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution, solve


@dataclass(frozen=True)
class Method:
    """How a problem shall be solved; the fields are those of `hil.optimize.solve.solve` and its `Options`.

    user: whose warm state to start from, and to leave. warm: false to leave one only.
    """

    algorithm: str = "tap-space"
    starts: int | None = None
    epochs: int | None = None
    polish: bool = True
    seed: int = 0
    device: str = "cpu"
    certify: bool = True
    user: str = ""
    warm: bool = True

    @classmethod
    def of(
        cls, config: OptimizerConfig, *, seed: int, certify: bool = True, user: str = "", warm: bool = True
    ) -> "Method":
        """What a section `optimizer` asks for."""
        return cls(
            config.algorithm, config.starts, config.epochs, config.polish, seed, config.device, certify, user, warm
        )


@dataclass(frozen=True, eq=False)
class WarmState:
    """What a round leaves to the next.

    code: what its configuration asked for (`Solution.code`); coordinates in the basis of its problem.
    network: what a network that goes on from round to round became (`Solution.network`); empty where there is none.
    """

    round_number: int
    code: Complex[np.ndarray, "*batch tap"]
    network: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, eq=False)
class Question:
    """One round: a problem, what to start from, and how to solve it."""

    round_number: int
    problem: Problem
    warm: WarmState | None
    method: Method


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of it. warm: whether there was a state to start from."""

    solution: Solution
    state: WarmState
    warm: bool


class HostAway(Exception):
    """A question has no answer because nobody is there to give it; never leaves the engine."""


def run_round(question: Question) -> Answer:
    """Solve one problem, starting beside the algorithm's own starts from what an earlier round left.

    Same question, same answer, on whatever machine with the same versions. A warm state of another shape (another
    number of taps) is of no use and left out. Raises what `solve` raises.
    """
    problem, method, warm = question.problem, question.method, question.warm
    start = warm.code if warm is not None and method.warm and warm.code.shape == problem.direct.shape else None
    solution = solve(
        problem,
        method.algorithm,
        Options(method.starts, method.epochs, method.polish, method.device),
        seed=method.seed,
        warm=start,
        network=warm.network if warm is not None and method.warm else (),
        certify=method.certify,
    )
    return Answer(solution, WarmState(question.round_number, solution.code, solution.network), start is not None)


def as_sent(problem: Problem) -> Problem:
    """The problem as a host receives it: channels rounded to single precision, 0.7 MB for 64 x 64 elements.

    Both engines solve this one, so that a solution does not depend on where it was made.
    """
    return replace(problem, direct=_rounded(problem.direct), cascade=_rounded(problem.cascade))


def _rounded(channel: Complex[np.ndarray, "*axes"]) -> Complex[np.ndarray, "*axes"]:
    return channel.astype(np.complex64).astype(complex)
