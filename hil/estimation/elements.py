"""Elements that do not follow, from the cascade that a sweep shows: an element that never moves adds nothing to it.

Whether such an element has lost its supply or is stuck, and in which state, cannot be told: what does not change
belongs to the direct channel.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.least_squares import CascadedEstimate
from hil.units import power_db

MISSED = 2e-3  # chance that noise lifts a dead element above the limit
MIN_CLEARANCE_DB = 13.0  # from the limit up to the median element, below which nothing is said: elements fade
STRONG = 4.0  # times the noise's largest singular value, from which on a delay direction counts
WHOLE_COLUMN = 0.9  # share of a column's elements that do not follow, from which on the column is meant


@dataclass(frozen=True)
class Elements:
    """power: of each element over the strong delays, noise taken out; limit: below it an element does not follow.

    told: False where the sweep is too noisy to tell; then none is called dead.
    strongest: the field at the strongest delay, complex[element].
    """

    power: Float[np.ndarray, "element"]
    limit: float
    told: bool
    strongest: Complex[np.ndarray, "element"]

    @property
    def dead(self) -> Bool[np.ndarray, "element"]:
        return np.asarray((self.power < self.limit) & self.told)

    @property
    def clearance_db(self) -> float:
        """From the limit up to the median element."""
        return float(power_db(max(float(np.median(self.power)), 1e-300) / self.limit))


def look_at_elements(estimate: CascadedEstimate) -> Elements:
    """From an estimate without denoising, which would fill dead elements from their neighbours."""
    from scipy.special import gammainccinv

    cascade = estimate.cascade.astype(complex)
    left, singular, right = np.linalg.svd(cascade, full_matrices=False)
    noise_sv = np.sqrt(float(estimate.cascade_var.mean())) * (np.sqrt(len(cascade)) + np.sqrt(cascade.shape[1]))
    rank = max(1, int((singular > STRONG / 2 * noise_sv).sum()))
    noise = (np.abs(right[:rank]) ** 2) @ estimate.cascade_var.T
    scale = float(noise.mean())
    energy = np.sum(np.abs(left[:, :rank] * singular[:rank]) ** 2, axis=1)
    limit = scale * (float(gammainccinv(rank, MISSED)) - rank)
    power = np.maximum(energy - rank * scale, 0.0)
    strongest = left[:, 0] * singular[0]
    told = bool(power_db(max(float(np.median(power)), 1e-300) / limit) >= MIN_CLEARANCE_DB)
    return Elements(power, limit, told, strongest)


def dead_columns(dead: Bool[np.ndarray, "element"], rows: int, cols: int) -> Int[np.ndarray, "column"]:
    """Columns of which hardly any element follows."""
    return np.flatnonzero(dead.reshape(rows, cols).mean(axis=0) >= WHOLE_COLUMN)
