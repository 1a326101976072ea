"""The pace of a random walk (Wiener process) that is seen in noise, by its evidence; none where that speaks for none.

A walk and what is seen of it are a Gauss-Markov field (Rue and Held 2005), whose precision has three diagonals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpttrf, dpttrs
from scipy.optimize import minimize_scalar

from hil.arrays import Float

MIN_EVIDENCE = 8.0  # log-likelihood ratio of a walk over none; chance exceeds it once in 30000 sweeps
FASTEST = 100.0  # variance of a log gain after a second: 570 degrees
CLOSE = 0.02  # part of a pace to which it is sought: what is seen never tells it as well


@dataclass(frozen=True)
class Factors:
    """Of a precision, L diag(pivot) L^T: L has ones on its diagonal and the ratios below them."""

    pivot: Float[np.ndarray, "place"]
    ratio: Float[np.ndarray, "step"]

    @classmethod
    def of(cls, precision: Float[np.ndarray, "2 place"]) -> "Factors":
        """precision: of two places or more, diagonal and the one below it. Raises LinAlgError where it is not positive
        definite."""
        pivot, ratio, lost = dpttrf(precision[0], precision[1][:-1])
        if lost:
            raise np.linalg.LinAlgError(f"a precision is not positive at place {lost - 1}")
        return cls(pivot, ratio)

    def solve(self, information: Float[np.ndarray, "place"]) -> Float[np.ndarray, "place"]:
        """The values of that information: precision times values."""
        return np.asarray(dpttrs(self.pivot, self.ratio, information)[0])

    @property
    def log_determinant(self) -> float:
        return float(np.log(self.pivot).sum())


def likeliest_pace(
    evidence: Callable[[float], float], seen: Float[np.ndarray, "seen"], noise_var: float, slowest: float
) -> float:
    """Variance after one second, from `slowest` to `FASTEST`; zero where there is no evidence of any.

    evidence: `evidence_of` what is seen, by pace. seen: less its mean, each with white noise of that variance.
    """
    fit = minimize_scalar(
        lambda pace: -evidence(np.exp(pace)),
        bounds=(np.log(slowest), np.log(FASTEST)),
        method="bounded",
        options={"xatol": CLOSE},
    )
    still = -0.5 * float(seen @ seen) / noise_var - 0.5 * np.log(seen.size)
    return 0.0 if -fit.fun - still < MIN_EVIDENCE else float(np.exp(fit.x))


def evidence_of(
    seen: Float[np.ndarray, "seen"],
    noise_var: float,
    step_var: Float[np.ndarray, "step"],
    precision: Float[np.ndarray, "2 place"],
    information: Float[np.ndarray, "place"],
) -> float:
    """Log-likelihood of what is seen of a walk of such steps, up to a constant; flat prior on the start.

    precision: of the walk at its places, given what is seen: diagonal and the one below it. information: precision
    times the expected values.
    """
    factors = Factors.of(precision)
    explained = float(information @ factors.solve(information))
    determinant = factors.log_determinant + np.log(step_var).sum() + np.log(noise_var)
    return -0.5 * (float(seen @ seen) / noise_var - explained + float(determinant))
