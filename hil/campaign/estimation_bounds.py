"""What no unbiased estimate of the cascaded channel can undercut, in closed form: the (hybrid) Cramer-Rao bound.

Least squares is linear, so without nuisances the bound is noise times the basis's gain over the number of pilots. The
phase of each sounding is a nuisance with a prior, a Wiener process; the cascade is unknown without one. Half-
differences of complements then tell nothing of the phase (the Schur complement takes them out), half-sums all. Integer
offsets are discrete: where they are found, they cost nothing.
"""

import numpy as np

from hil.arrays import Complex
from hil.measure.sweep import SweepPlan

WINDOW = 24  # pairs around the one whose error is asked for: what is further off tells nothing more


def pilots_error(plan: SweepPlan, noise: float) -> float:
    """Least error energy of the cascade, all elements together. noise: energy in one sounding, all coordinates.

    Of N patterns element 1 is not told at all and not counted; of N + 1 its error is half a sounding's noise.
    """
    count = plan.num_elements
    if plan.scheme == "pairs":
        return count * noise / (2 * plan.order)
    if plan.order > count:
        return count * noise / plan.order
    return (count - 1) * noise / plan.order + (noise / 2 if plan.scheme == "hadamard_plus_one" else 0.0)


def patterns_error(reflection: Complex[np.ndarray, "pattern element"], noise: float) -> float:
    """The same of any patterns, by the inverse of the information; reflection: of each element under each."""
    model = np.column_stack([np.ones(len(reflection)), reflection])
    return noise * float(np.diag(np.linalg.inv(model.conj().T @ model)).real[1:].sum())


def drifting_pairs_error(
    plan: SweepPlan, noise: float, *, axis_noise: float, direct: float, surface: float, drift_rad: float, step_s: float
) -> float:
    """The same for pairs of complements through a radio whose phase walks.

    axis_noise: of the one coordinate along the direct channel. direct, surface: energies of the direct channel and of
    the surface's part in one sounding. drift_rad: rms of the walk after a second. step_s: from sounding to sounding.
    """
    time_s = step_s * np.arange(1, 2 * WINDOW + 1)
    prior = drift_rad**2 * np.minimum.outer(time_s, time_s) + 1e3 * (drift_rad**2 * time_s[-1] + 1)
    means = np.kron(np.eye(WINDOW), [0.5, 0.5])
    told = means @ prior @ means.T + axis_noise / (4 * direct) * np.eye(WINDOW)
    left = prior - prior @ means.T @ np.linalg.solve(told, means @ prior)
    middle = 2 * (WINDOW // 2)
    here, both = left[middle : middle + 2, middle : middle + 2], np.array([0.5, 0.5])
    apart = np.array([0.5, -0.5])
    phase_error = direct * float(apart @ here @ apart) + surface * float(both @ here @ both)
    return pilots_error(plan, noise) + plan.num_elements / plan.order * phase_error
