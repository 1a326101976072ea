"""Semidefinite relaxation with Gaussian randomisation (Zheng and Zhang, IEEE Wireless Commun. Lett. 9, 518).

The relaxation is the bound's, of the rate itself: each element has a vector instead of a phase. A random projection of
all vectors gives a configuration; the best of many is taken.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex
from hil.optimize.blockwise import best_tap, of_unit_modulus
from hil.optimize.iterate import Candidates, Kind, OneShot, Point
from hil.optimize.objective import Objective
from hil.optimize.relaxation import Relaxation

RANK = 4


@dataclass(frozen=True)
class Randomised(OneShot):
    """The best of `draws` random projections for each user."""

    draws: int = 200
    kind: Kind = "reflection"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        first = best_tap(objective)[:, 0]
        best = [self.best(objective.users(each), first[each][0], rng) for each in np.eye(len(first), dtype=bool)]
        return Point(np.concatenate([point for point, _ in best]), np.concatenate([rate for _, rate in best]))

    def best(
        self, objective: Objective, first: Complex[np.ndarray, "element"], rng: np.random.Generator
    ) -> tuple[Complex[np.ndarray, "user start element"], np.ndarray]:
        """Of one user; first: configuration from which the relaxation is solved."""
        rows = np.concatenate([objective.direct[0], objective.cascade[0]]).astype(complex)
        relaxation = Relaxation(rows[None], objective.basis.astype(complex), False, np.zeros(1) + 0j, np.ones(1) + 0j)
        _, codes = relaxation.bound(first.astype(complex), RANK, rng)
        draws = rng.standard_normal((self.draws, len(codes), 2)) @ [1, 1j]
        projected = draws @ relaxation.vectors(codes)[:, 0]
        points = of_unit_modulus(projected[:, 1:] * projected[:, :1].conj(), 1)[None].astype(objective.basis.dtype)
        rate = objective.rate(objective.taps(points))
        best = np.argmax(rate, axis=-1)
        return points[:, best], rate[:, best]
