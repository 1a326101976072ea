"""Peers that replace the rate by something simpler around the present configuration, and solve that.

- `Majorise`: the weighted mean square error of an equaliser on each subcarrier (WMMSE), itself bounded by a function
  whose best phases are known (MM);
- `ConvexSteps`: successive convex approximation (Yang et al., IEEE Trans. Commun. 68, 4522): |h|^2 by its tangent,
  |reflection| <= 1, the convex problem solved by conditional gradients, the result brought back to modulus one;
- `CoordinateAscent`: one element after the other, all others held.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind
from hil.optimize.objective import TINY, Objective, choose, power
from hil.optimize.stm import tap_candidates


def best_tap(objective: Objective) -> Any:
    """Reflection[batch, 1, element] of strongest-tap maximisation, best-rate tap."""
    codes, taps = tap_candidates(objective)
    best = np.argmax(objective.rate(taps), axis=-1)[:, None]
    return objective.align(choose(codes, best))


def of_unit_modulus(values: Any, fallback: Any) -> Any:
    modulus = np.abs(values)
    return np.where(modulus > TINY, values / (modulus + TINY), fallback)


@dataclass(frozen=True, eq=False)
class Stepping:
    """State: reflections[batch, start, element], their taps and rates."""

    point: Any
    taps: Any
    rate: Any
    steps: int = 0

    @classmethod
    def at(cls, objective: Objective, reflection: Any, steps: int = 0) -> "Stepping":
        taps = objective.taps(reflection)
        return cls(reflection, taps, objective.rate(taps), steps)


@dataclass(frozen=True)
class Majorise:
    """MM on the WMMSE form, 2 Re(b^H h) - h^H A h with A = E^H diag(|r|^2 / (1 + |r|^2)) E, b = E^H r, r the response.

    The largest eigenvalue of its quadratic form in the reflections makes it separable: the next reflection is the phase
    of that eigenvalue times the present one plus conj(cascade) (b - A h).
    """

    steps: int = 300
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Stepping:
        return Stepping.at(objective, best_tap(objective))

    def step(self, objective: Objective, state: Stepping) -> Stepping:
        response = state.taps @ objective.basis.T
        outer = (response / (1 + power(response))) @ objective.basis.conj()
        pull = (outer.conj() @ objective.cascade.swapaxes(-1, -2)).conj()
        steepest = self.largest(objective, power(response) / (1 + power(response)))
        reflection = of_unit_modulus(steepest * state.point + pull, state.point)
        return Stepping.at(objective, reflection, state.steps + 1)

    def largest(self, objective: Objective, weight: Any) -> Any:
        """Largest eigenvalue[batch, start, 1] of conj(cascade) A cascade^T, found in T dimensions."""
        quadratic = (objective.basis.conj().T * weight[..., None, :]) @ objective.basis
        gram = objective.cascade.swapaxes(-1, -2) @ objective.cascade.conj()
        return np.abs(np.linalg.eigvals(quadratic @ gram[:, None])).max(axis=-1)[..., None]

    def terminate(self, state: Stepping) -> bool:
        return state.steps >= self.steps


@dataclass(frozen=True)
class ConvexSteps:
    """Successive convex approximation, `inner` conditional gradients for each of the convex problems.

    A convex problem: sum_k log(1 + 2 Re(conj(r) r') - |r|^2) over r' = E h', with r the response that it was made at.
    Its linear oracle aligns all elements with a code, its iterates are mixtures of such configurations.
    """

    outer: int = 15
    inner: int = 12
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Stepping:
        return Stepping.at(objective, best_tap(objective))

    def step(self, objective: Objective, state: Stepping) -> Stepping:
        """Convex steps towards corners of the unit discs, on the rate bounded below at the current point."""
        mixture = state.point
        anchor = state.taps @ objective.basis.T
        taps = state.taps
        for _ in range(self.inner):
            tangent = 1 + 2 * (anchor.conj() * (taps @ objective.basis.T)).real - power(anchor)
            code = (anchor / np.maximum(tangent, 1e-3)) @ objective.basis.conj()
            corner = objective.align(code)
            towards = objective.taps(corner) - taps
            share = self.line_search(objective, anchor, tangent, towards)
            mixture = mixture + share * (corner - mixture)
            taps = taps + share * towards
        return Stepping.at(objective, of_unit_modulus(mixture, state.point), state.steps + 1)

    def line_search(self, objective: Objective, anchor: Any, tangent: Any, towards: Any) -> Any:
        """Best of a few shares[batch, start, 1] of the way to the corner, on the convex problem."""
        slope = 2 * (anchor.conj() * (towards @ objective.basis.T)).real
        shares = np.array([0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1], dtype=slope.dtype)
        value = np.log(np.maximum(tangent[..., None] + shares * slope[..., None], TINY)).sum(axis=-2)
        return shares[np.argmax(value, axis=-1)][..., None]

    def terminate(self, state: Stepping) -> bool:
        return state.steps >= self.outer


@dataclass(frozen=True)
class CoordinateAscent:
    """From the best tap; in a sweep every element in turn takes the phase of conj(b_n) r / (1 + |r|^2), summed over
    subcarriers, b_n its own response and r the one of all others."""

    sweeps: int = 8
    kind: Kind = "reflection"
    device: str | None = None

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Stepping:
        return Stepping.at(objective, best_tap(objective))

    def step(self, objective: Objective, state: Stepping) -> Stepping:
        point = state.point.copy()
        for user in range(objective.num_users):
            own = objective.cascade[user] @ objective.basis.T
            self.sweep(point[user, 0], own, own.conj(), (state.taps[user, 0] @ objective.basis.T).copy())
        return Stepping.at(objective, point, state.steps + 1)

    def sweep(self, reflection: Any, own: Any, mirrored: Any, response: Any) -> None:
        """Changes `reflection` in place, and `response` along with it."""
        for element in range(len(reflection)):
            response -= reflection[element] * own[element]
            wanted = mirrored[element] @ (response / (1 + power(response)))
            reflection[element] = wanted / (abs(wanted) + TINY)
            response += reflection[element] * own[element]

    def terminate(self, state: Stepping) -> bool:
        return state.steps >= self.sweeps
