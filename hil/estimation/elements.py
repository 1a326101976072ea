"""Elements that do not follow, from the cascade that a sweep shows: an element that never moves adds nothing to it.

An element that adds nothing may be whole all the same, where the waves over the surface cancel. So what it should add
is foretold from the other elements, and it is called dead only where noise is by far the likelier reason for silence.
Whether such an element has lost its supply or is stuck, and in which state, cannot be told: what does not change
belongs to the direct channel.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.waves import foretell
from hil.units import power_db

MISSED = 2e-3  # chance that noise lifts a dead element above the limit
MIN_CLEARANCE_DB = 10.0  # from the limit up to the median element, below which nothing is said
LOWEST = 1e-3  # clearance that is told
STRONG = 4.0  # times the noise's largest singular value, from which on a delay direction counts
BY_FAR = float(np.log(1e3))  # log-likelihood ratio of dead against faded: one element in a thousand is lost by itself
ALONE = 1.5  # elements of a column by whose worth it is judged as a whole: errors along it are alike
WHOLE_COLUMN = 0.9  # share of a column's elements that do not follow, from which on the column is meant


@dataclass(frozen=True)
class Elements:
    """power: of each element over the strong delays, in units of their noise; limit: below it an element is silent.

    told: False where the sweep is too noisy to tell; then none is called dead.
    dead: those that do not follow. faded: silent ones of which the channel cannot tell whether they follow.
    strongest: the field at the strongest delay, complex[element], of unit noise.
    """

    power: Float[np.ndarray, "element"]
    limit: float
    told: bool
    dead: Bool[np.ndarray, "element"]
    faded: Bool[np.ndarray, "element"]
    strongest: Complex[np.ndarray, "element"]

    @property
    def clearance_db(self) -> float:
        """From the limit up to the median element."""
        return float(power_db(max(float(np.median(self.power)) / self.limit, LOWEST)))


def look_at_elements(estimate: CascadedEstimate, rows: int, cols: int) -> Elements:
    """From an estimate without denoising, which would fill dead elements from their neighbours."""
    from scipy.special import gammainccinv

    fields = _strong_fields(estimate)
    rank = fields.shape[1]
    limit = float(gammainccinv(rank, MISSED)) - rank
    power = np.maximum(np.sum(np.abs(fields) ** 2, axis=1) - rank, 0.0)
    told = bool(np.median(power) >= limit * 10 ** (MIN_CLEARANCE_DB / 10))
    silent = (power < limit) & told
    dead = _dead(fields, silent, rows, cols) if silent.any() else silent
    return Elements(power, limit, told, dead, silent & ~dead, fields[:, 0])


def _strong_fields(estimate: CascadedEstimate) -> Complex[np.ndarray, "element delay"]:
    """What each element adds at the few delays that stand out of the noise, the strongest first; unit noise in each.

    Motion in the room is taken to have all its power at each of them.
    """
    cascade = estimate.cascade.astype(complex)
    scale = 1 / np.sqrt(estimate.cascade_var.mean(axis=0))
    left, singular, right = np.linalg.svd(cascade * scale, full_matrices=False)
    loudness = np.sum(np.abs(right * scale) ** 2, axis=1)  # of a unit energy of each element, at each delay
    noise = 1 + _motion(estimate) * loudness
    seen = singular / np.sqrt(noise)
    clear = seen > STRONG / 2 * (np.sqrt(len(cascade)) + np.sqrt(cascade.shape[1]))
    best = np.argsort(-seen)[: max(1, int(clear.sum()))]
    return np.asarray(left[:, best] * seen[best])


def _motion(estimate: CascadedEstimate) -> float:
    """Energy that motion may have left in one element."""
    if estimate.motion_db is None:
        return 0.0
    surface = float(np.sum(np.abs(estimate.cascade) ** 2) - estimate.cascade_var.sum())
    return float(max(surface, 0.0) * 10 ** (estimate.motion_db / 10) / len(estimate.cascade))


def _dead(
    fields: Complex[np.ndarray, "element delay"], silent: Bool[np.ndarray, "element"], rows: int, cols: int
) -> Bool[np.ndarray, "element"]:
    """Silent elements that noise explains by far better than the field that the others foretell.

    A column that is silent as a whole is judged as a whole.
    """
    gaps = silent.reshape(rows, cols)
    evidence = np.zeros((rows, cols))
    for delay in fields.T:
        field = delay.reshape(rows, cols)
        foretold = foretell(field, ~gaps, 1.0)
        variance = 1 + foretold.error_var
        evidence += np.log(variance) + np.abs(field - foretold.field) ** 2 / variance - np.abs(field) ** 2
    whole = gaps.mean(axis=0) >= WHOLE_COLUMN
    together = ALONE * np.sum(evidence, axis=0, where=gaps) / np.maximum(gaps.sum(axis=0), 1)
    return np.asarray(gaps & np.where(whole, together > BY_FAR, evidence > BY_FAR)).ravel()


def dead_columns(dead: Bool[np.ndarray, "element"], rows: int, cols: int) -> Int[np.ndarray, "column"]:
    """Columns of which hardly any element follows."""
    return np.flatnonzero(dead.reshape(rows, cols).mean(axis=0) >= WHOLE_COLUMN)
