"""Every algorithm by its name: the solvers that it runs one after the other, and what becomes of what they find."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hil.arrays import UInt8
from hil.optimize.adaptive import adaptive_patterns
from hil.optimize.arrangement import sweep_patterns
from hil.optimize.baselines import AllZero, BestPilot, RandomPhases, hadamard_patterns, random_patterns, zero_patterns
from hil.optimize.blockwise import ConvexSteps, CoordinateAscent, Majorise
from hil.optimize.branch_and_bound import BRANCHES
from hil.optimize.columns import ColumnPhases, column_flip_patterns, column_patterns
from hil.optimize.iterate import Solver
from hil.optimize.neural import PRACTICAL, PRINTED, Memory, PaperPrior, Reading
from hil.optimize.objective import Problem
from hil.optimize.phases import PhaseAdam, PhaseLbfgs, Riemannian
from hil.optimize.power_method import EnergyPower, sign_power_patterns
from hil.optimize.prior import TapCodePrior
from hil.optimize.randomise import Randomised
from hil.optimize.stm import StrongestTap
from hil.optimize.tap_space import TapPool, TapSearch
from hil.optimize.thinned import Thinned


@dataclass(frozen=True)
class Options:
    """How much an algorithm may do, and where.

    starts, epochs: of those that train or ascend from random starts; None for what they need.
    polish: refine a network's result, in tap space and on the board's states. device: cpu, cuda or cuda:N.
    deadline_s: branch and bound stops so long after the call at the latest, or after `epochs` branches for each user;
    it then returns the best pattern and the best bound so far.
    memory: of the paper's network; `solve` gives it.
    """

    starts: int | None = None
    epochs: int | None = None
    polish: bool = True
    device: str = "cpu"
    deadline_s: float = np.inf
    memory: Memory | None = None


@dataclass(frozen=True)
class Stage:
    """Solvers run one after the other, each from what the one before found; its result is reported under its name."""

    name: str
    solvers: tuple[Solver[Any], ...]


@dataclass(frozen=True)
class Algorithm:
    """stages: of phases; each result is brought to the states of the board where it has some. None: for states only.

    patterns: for algorithms that choose states without looking at phases, used instead where there are states.
    offered: best candidates of each solver that are tried on the states of the board. flipped: how many of all those
    are improved by flips. branches: so many branches are bounded from there, to improve pattern and certificate.
    """

    stages: Callable[[Options], tuple[Stage, ...]] | None
    patterns: Callable[[Problem, np.random.Generator], UInt8[np.ndarray, "batch element"]] | None = None
    offered: int = 8
    flipped: int = 3
    branches: int = 0

    @property
    def states_only(self) -> bool:
        """It means nothing where any phase can be set."""
        return self.stages is None or self.branches > 0


TAP_SEARCH = (Thinned((TapPool(keep=(8, 6, 4)), TapSearch(keep=4, steps=5))), TapSearch(keep=1, steps=3))
QUICK_SEARCH = (TapPool(keep=(4, 2)), TapSearch(keep=1, steps=4))  # for loops: a third of the time, 1e-4 of the rate

POLISH_STEPS = 12


def _of(*solvers: Solver[Any]) -> Callable[[Options], tuple[Stage, ...]]:
    """One stage, whatever the options."""
    return lambda options: (Stage("search", solvers),)


def _phases(solver: Callable[..., Solver[Any]]) -> Callable[[Options], tuple[Stage, ...]]:
    return lambda options: (Stage("search", (solver(starts=options.starts or 1, steps=options.epochs or 300),)),)


def _paper_prior(options: Options, reading: Reading = PRACTICAL) -> tuple[Stage, ...]:
    network = PaperPrior(options.starts or 8, options.epochs or 300, reading, options.device, options.memory)
    return (Stage("network", (network,)), _polish(None))[: 1 + options.polish]


def _tap_prior(options: Options) -> tuple[Stage, ...]:
    device = None if options.device == "cpu" else options.device
    return tap_prior(options.starts or 4, 20 if options.epochs is None else options.epochs, device)[
        : 1 + options.polish
    ]


def tap_prior(starts: int, epochs: int, device: str | None) -> tuple[Stage, ...]:
    """Stages of `neural-prior`: the network, trained on some of the elements; the polish, on all of them."""
    network = TapCodePrior(starts, epochs, device=device)
    return Stage("network", (Thinned((network,)),)), _polish(device)


def _polish(device: str | None) -> Stage:
    return Stage("polish", (TapSearch(keep=1, steps=POLISH_STEPS, device=device),))


ALGORITHMS: dict[str, Algorithm] = {
    "all-zero": Algorithm(_of(AllZero()), zero_patterns),
    "random": Algorithm(_of(RandomPhases()), random_patterns),
    "best-pilot": Algorithm(_of(BestPilot()), hadamard_patterns),
    "stm-strongest": Algorithm(_of(StrongestTap(by_rate=False))),
    "stm": Algorithm(_of(StrongestTap())),
    "energy-power": Algorithm(_of(EnergyPower())),
    "energy-power-sign": Algorithm(None, sign_power_patterns),
    "phases-adam": Algorithm(_phases(PhaseAdam)),
    "phases-lbfgs": Algorithm(_phases(PhaseLbfgs)),
    "phases-riemannian": Algorithm(_phases(Riemannian)),
    "mm": Algorithm(_of(Majorise())),
    "sca": Algorithm(_of(ConvexSteps())),
    "coordinate-ascent": Algorithm(_of(CoordinateAscent())),
    "sdr": Algorithm(_of(Randomised())),
    "columns": Algorithm(_of(ColumnPhases()), column_patterns),
    "columns-flips": Algorithm(None, column_flip_patterns),
    "turn-sweep": Algorithm(None, sweep_patterns),
    "branch-and-bound": Algorithm(_of(*TAP_SEARCH), branches=BRANCHES),
    "adaptive-quantisation": Algorithm(None, adaptive_patterns),
    "tap-space": Algorithm(_of(*TAP_SEARCH)),
    "tap-space-quick": Algorithm(_of(*QUICK_SEARCH), offered=1, flipped=1),
    "neural-prior-paper": Algorithm(_paper_prior),
    "neural-prior-printed": Algorithm(partial(_paper_prior, reading=PRINTED)),
    "neural-prior": Algorithm(_tap_prior),
}
"""Every algorithm by the name that configurations and commands use."""
