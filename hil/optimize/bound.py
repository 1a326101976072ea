"""Certified upper bounds: no configuration whatsoever has a higher rate.

The relaxation: with the rows b_n of B = [direct; cascade] and x = [1; reflection], h = B^T x, and h h^H is replaced by
C C^H, C = B^T X, X[row, rank] with rows of norm one. Its maximum is found in tap space: each row of X is aligned with
a code[tap, rank] (Burer-Monteiro). The certificate holds whatever the search found: for any y >= 0 and d > 0

    rate <= c (sum_k log(1 + y_k) - y_k w_k + lambda_max(D^-1/2 M D^-1/2) sum_n d_n),   w = 1 / (1 + y),

M = conj(B) Q B^T, Q = basis^H diag(w) basis: the logarithm lies below its tangents, and |x_n| <= 1. Only a T x T
eigenproblem is left. For states on a line x is real, M becomes Re(M), and the eigenproblem has 2T dimensions.
All in double precision, whatever the optimizer used.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float
from hil.optimize.discrete import collinear, enclosing_circle
from hil.optimize.objective import TINY, Problem, as_complex, as_reals, power, unit
from hil.optimize.quasi_newton import Ascent

MARGIN = 1 + 1e-10  # above the rounding error of the eigenvalue and of sums over N elements
TOLERANCE = 2e-5  # relative gap between relaxed value and certificate at which the search stops
CHECK_EVERY = 5
MAX_STEPS = 200


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Burer-Monteiro relaxation of one user's rate.

    rows: complex[element + 1, tap], conjugated, the direct channel first, snr_scale folded in.
    real: the entries of x are +-1; else of unit modulus. reflection = centre + scale * x.
    """

    rows: Complex[np.ndarray, "row tap"]
    basis: Complex[np.ndarray, "subcarrier tap"]
    real: bool
    centre: complex
    scale: complex

    @classmethod
    def of_user(cls, problem: Problem, user: int) -> "Relaxation":
        """One user of a problem with one batch axis; states are replaced by the circle or the segment around them."""
        real, centre, scale = False, 0j, 1 + 0j
        if problem.states is not None:
            real = collinear(problem.states)
            centre, radius = enclosing_circle(problem.states)
            scale = radius * np.exp(1j * np.angle(problem.states[0] - centre))
        cascade = problem.cascade[user]
        rows = np.concatenate([(problem.direct[user] + centre * cascade.sum(axis=0))[None], scale * cascade])
        return cls(np.sqrt(problem.snr_scale) * rows.conj(), problem.basis, real, centre, scale)

    def drive(self, code: Complex[np.ndarray, "tap rank"]) -> np.ndarray:
        """conj(B) code[row, rank]: what each row is pulled towards."""
        drive = self.rows @ code
        return np.asarray(drive.real if self.real else drive)

    def evaluate(
        self, code: Complex[np.ndarray, "tap rank"]
    ) -> tuple[float, Complex[np.ndarray, "tap rank"], Float[np.ndarray, "subcarrier"], np.ndarray]:
        """Relaxed value in nats, its gradient dR/dcode*, the SNR y[subcarrier] and the pull Q C on the rows."""
        drive = self.drive(code)
        norm = np.sqrt(power(drive).sum(axis=1) + TINY)[:, None]
        rows = drive / norm
        response = self.basis @ (self.rows.conj().T @ rows)
        snr = power(response).sum(axis=1)
        pull = self.drive(self.basis.conj().T @ (response / (1 + snr)[:, None]))
        slope = (pull - rows * (rows.conj() * pull).real.sum(axis=1)[:, None]) / norm
        return float(np.log1p(snr).sum()), self.rows.conj().T @ slope, snr, pull

    def certificate(self, snr: Float[np.ndarray, "subcarrier"], price: Float[np.ndarray, "row"]) -> float:
        """Upper bound in nats from any snr >= 0 and any price >= 0 of the rows (d in the head of this file)."""
        weight = 1 / (1 + snr)
        price = np.maximum(price, 1e-12 * price.max() + TINY)
        values, vectors = np.linalg.eigh((self.basis.conj().T * weight) @ self.basis)
        root = vectors * np.sqrt(np.maximum(values, 0))
        factor = (self.rows @ root) / np.sqrt(price)[:, None]
        if self.real:
            factor = np.concatenate([factor.real, factor.imag], axis=1)
        largest = float(np.linalg.eigvalsh(factor.conj().T @ factor)[-1])
        return float((np.log1p(snr) - snr * weight).sum() + MARGIN * largest * price.sum())

    def bound(self, reflection: Complex[np.ndarray, "element"], rank: int, rng: np.random.Generator) -> float:
        """Certified bound in nats. reflection: a good configuration, from which the search starts."""
        taps = self.rows.conj().T @ np.concatenate([[1], (reflection - self.centre) / self.scale])
        response = self.basis @ taps
        outer = self.basis.conj().T @ (response / (1 + power(response)))
        best = self.certificate(power(response), np.sqrt(power(self.drive(outer[:, None]))[:, 0]))
        if best <= (1 + TOLERANCE) * np.log1p(power(response)).sum():
            return best
        noise = rng.standard_normal((len(outer), rank, 2)) @ [1, 1j]
        code = 0.1 * np.linalg.norm(outer) / np.linalg.norm(noise) * noise
        code[:, 0] += outer
        return min(best, self.search(code))

    def search(self, code: Complex[np.ndarray, "tap rank"]) -> float:
        """Maximise the relaxation; the best certificate on the way."""
        shape = code.shape

        def as_code(reals: np.ndarray) -> Complex[np.ndarray, "tap rank"]:
            return np.asarray(as_complex(reals).reshape(shape))

        def evaluate(reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, gradient, _, _ = self.evaluate(as_code(reals))
            return np.array([[value]]), 2 * as_reals(gradient.reshape(1, 1, -1), np)

        state = Ascent.dense(unit(as_reals(code.reshape(1, 1, -1), np)), evaluate, 0.1, np)
        best = np.inf
        while state.steps < MAX_STEPS:
            for _ in range(CHECK_EVERY):
                state = state.advance(evaluate, unit, 0.7)
            value, _, snr, pull = self.evaluate(as_code(state.point))
            best = min(best, self.certificate(snr, np.sqrt(power(pull).sum(axis=1))))
            if best <= (1 + TOLERANCE) * value:
                break
        return best


def certified_bound(
    problem: Problem, reflection: Complex[np.ndarray, "*batch element"], *, rank: int = 3, seed: int = 0
) -> Float[np.ndarray, "*batch"]:
    """Rate in Mbit/s that no configuration exceeds; of the states where the problem has some, else of any phases.

    reflection: a good configuration; a bad one costs time and may loosen the bound, never break it.
    """
    flat = problem.with_leading_axis()
    starts = reflection.reshape(-1, problem.num_elements)
    rng = np.random.default_rng(seed)
    bounds = [Relaxation.of_user(flat, user).bound(start, rank, rng) for user, start in enumerate(starts)]
    return np.asarray(problem.mbps_per_nat * np.array(bounds).reshape(problem.direct.shape[:-1]))
