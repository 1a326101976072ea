"""Certified upper bounds: no configuration whatsoever has a higher rate.

Continuous phases, or any states: the semidefinite relaxation (`relaxation`), of the states' smallest enclosing circle;
where states vary over the band, of a ball around the terms of each (`Problem.over_band`). States on a line, as those of
a 1-bit board: sector by sector (`sectors`), which is far tighter.
"""

import numpy as np

from hil.arrays import Complex, Float
from hil.optimize.objective import Problem
from hil.optimize.relaxation import Relaxation
from hil.optimize.sectors import sector_bound

RANK = 3
CEILING_STEPS = 15  # of the relaxation's search, where sectors do better anyway


def certified_bound(
    problem: Problem, reflection: Complex[np.ndarray, "*batch element"], *, seed: int = 0
) -> Float[np.ndarray, "*batch"]:
    """Rate in Mbit/s that no configuration exceeds; of the states where the problem has some, else of any phases.

    reflection: a good configuration; a bad one costs time and may loosen the bound, never break it.
    """
    flat = problem.with_leading_axis()
    starts = reflection.reshape(-1, problem.num_elements)
    rng = np.random.default_rng(seed)
    bounds = [_user_bound(Relaxation.of_user(flat, user), start, rng) for user, start in enumerate(starts)]
    return np.asarray(problem.mbps_per_nat * np.array(bounds).reshape(problem.direct.shape[:-1]))


def _user_bound(relaxation: Relaxation, start: Complex[np.ndarray, "element"], rng: np.random.Generator) -> float:
    if not relaxation.real:
        return relaxation.bound(start, RANK, rng)[0]
    ceiling, _ = relaxation.bound(start, RANK, rng, CEILING_STEPS)
    return sector_bound(relaxation, start, ceiling, rng)
