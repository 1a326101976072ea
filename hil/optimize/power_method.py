"""Energy power method: every element turned to what the energy of the channel asks for, over and over.

The energy over all subcarriers is h^H (basis^H basis) h; its gradient at the present channel is the next code. With
states, and every step quantised, this is the method of the Signal Processing Cup's organizer (Bjornson, WSA 2021).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.arrays import UInt8
from hil.optimize.discrete import StateSearch, relaxed
from hil.optimize.iterate import Candidates, Kind
from hil.optimize.objective import Objective, Problem, choose, unit
from hil.optimize.stm import tap_candidates

MAX_STEPS = 100


@dataclass(frozen=True, eq=False)
class Iterating:
    """State: codes, their taps and rates, and how far the last step turned the code that turned most."""

    point: Any
    taps: Any
    rate: Any
    turned: float
    steps: int


@dataclass(frozen=True)
class EnergyPower:
    """From the tap of the best rate, until no code turns by more than `tolerance`."""

    tolerance: float = 1e-3
    kind: Kind = "code"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Iterating:
        codes, taps = tap_candidates(objective)
        best = np.argmax(objective.rate(taps), axis=-1)[:, None]
        code, taps = choose(codes, best), choose(taps, best)
        return Iterating(code, taps, objective.rate(taps), np.inf, 0)

    def step(self, objective: Objective, state: Iterating) -> Iterating:
        code = unit(state.taps @ objective.basis.T @ objective.basis.conj())
        taps = objective.taps(objective.align(code))
        turned = float(np.abs(code - state.point).max())
        return Iterating(code, taps, objective.rate(taps), turned, state.steps + 1)

    def terminate(self, state: Iterating) -> bool:
        return state.steps >= MAX_STEPS or state.turned < self.tolerance


def sign_power_patterns(problem: Problem, rng: np.random.Generator) -> UInt8[np.ndarray, "batch element"]:
    """The power method with every step quantised, from the strongest tap, for each user."""
    objective = Objective.of(relaxed(problem))
    codes, taps = tap_candidates(objective)
    strongest = np.argmax(np.abs((codes.conj() * taps).sum(axis=-1)), axis=-1)
    return np.stack(
        [
            _sign_power(StateSearch.of_user(problem, user), codes[user, strongest[user]])
            for user in range(objective.num_users)
        ]
    )


def _sign_power(search: StateSearch, code: np.ndarray) -> UInt8[np.ndarray, "element"]:
    """The best pattern on the way, until a pattern comes back."""
    gram = search.basis.conj().T @ search.basis
    best, best_rate, seen = None, -np.inf, set()
    for _ in range(MAX_STEPS):
        pattern = search.nearest(search.drive(code))
        if pattern.tobytes() in seen:
            break
        seen.add(pattern.tobytes())
        taps = search.taps_of(pattern)
        rate = float(search.rate(taps[:, None])[0])
        if rate > best_rate:
            best, best_rate = pattern, rate
        code = gram @ taps
    assert best is not None, "a finite channel has a rate"
    return best
