"""Semidefinite relaxation of the rate, and the certificate that makes its value a bound.

With the rows b_n of B = [direct; cascade] and x = [1; reflection], h = B^T x, and h h^H is replaced by
C C^H, C = B^T X, X[row, rank] with rows of norm one. Its maximum is found in tap space: each row of X is aligned with
a code[tap, rank] (Burer-Monteiro). The certificate holds whatever the search found: for any y >= 0 and d > 0

    rate <= c (sum_k log(1 + y_k) - y_k w_k + lambda_max(D^-1/2 M D^-1/2) sum_n d_n),   w = 1 / (1 + y),

M = conj(B) Q B^T, Q = basis^H diag(w) basis: the logarithm lies below its tangents, and |x_n| <= 1. Only a T x T
eigenproblem is left. For states on a line x is real, M becomes Re(M), and the eigenproblem has 2T dimensions.
Where states vary over the band x_n is a vector of norm one: the terms of a reflection (`Problem.over_band`), weighted.
Of the states only a mean power over the band is kept, in which what varies counts for more; any weights leave the bound
valid.
All in double precision, whatever the optimizer used.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Float
from hil.optimize.discrete import collinear, enclosing_circle
from hil.optimize.objective import TINY, Problem, as_complex, as_reals, power, unit
from hil.optimize.quasi_newton import Ascent, Evaluate

ROUNDING = 1e-13  # of the eigenvalue, relative to the product of norms that it comes from: above what doubles do
TOLERANCE = 5e-5  # relative gap between relaxed value and certificate at which the search stops
CHECK_EVERY, MAX_STEPS = 5, 100
COARSE_STEPS = 20  # of the search, on some of the rows and in single precision; its last digits need all, in double
COARSE_ROWS = 1024
FIRST_STEP, NEAR_STEP, LONGEST = 0.1, 0.05, 0.7  # of codes of unit norm: the first, from a good start, the longest
WEIGHT = 1 / 3  # power of a term's share in the states' energy; tightest for slopes of 20 to 120 deg over the band


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Burer-Monteiro relaxation of one user's rate.

    rows: in each term the direct channel, then every element's, snr_scale folded in; one term where states are one
    number each. The direct channel has only the first.
    real: the entries of x are +-1; else of unit norm over the terms. reflection = centre + scale x, in each term.
    tilt: real[2 tap, 2 tap], added to the rate as a quadratic form of h, real parts first; none where None. A form
    that is not negative wherever the bound is to hold leaves the bound valid there, and can make it tighter.
    """

    rows: Complex[np.ndarray, "term row tap"]
    basis: Complex[np.ndarray, "subcarrier tap"]
    real: bool
    centre: Complex[np.ndarray, "term"]
    scale: Complex[np.ndarray, "term"]
    tilt: Float[np.ndarray, "part part"] | None = None

    @classmethod
    def of_user(cls, problem: Problem, user: int) -> "Relaxation":
        """One user of a problem with one batch axis; states are replaced by the ball or the segment around them."""
        real, basis, centre, scale = False, problem.basis, np.zeros(1, dtype=complex), np.ones(1, dtype=complex)
        if problem.states is not None:
            real = problem.dispersion is None and collinear(problem.states)
            basis, states = problem.over_band()
            centre, scale = enclosing_ball(states)
        cascade = np.kron(np.diag(scale)[:, None], problem.cascade[user])
        direct = np.kron(centre, problem.cascade[user].sum(axis=0))
        direct[: problem.direct.shape[-1]] += problem.direct[user]
        first = np.zeros((len(centre), 1, direct.size), dtype=complex)
        first[0, 0] = direct
        rows = np.concatenate([first, cascade], axis=1)
        return cls(np.sqrt(problem.snr_scale) * rows, basis, real, centre, scale)

    def pulled(self, code: Complex[np.ndarray, "rank tap"]) -> np.ndarray:
        """conj(B) code[rank, term, row]: where each row is pulled to."""
        pull = (code.conj() @ self._flat.T).conj().reshape(len(code), *self.rows.shape[:2])
        return np.asarray(pull.real if self.real else pull)

    def vectors(self, code: Complex[np.ndarray, "rank tap"]) -> np.ndarray:
        """X[rank, term, row]: aligned with a code, of unit norm in each row."""
        drive = self.pulled(code)
        return np.asarray(drive * _share(drive))

    def taps_of(self, vectors: np.ndarray) -> Complex[np.ndarray, "*any tap"]:
        """B^T X of any vectors[..., term, row]."""
        return np.asarray(vectors.reshape(*vectors.shape[:-2], -1) @ self._flat)

    @property
    def _flat(self) -> Complex[np.ndarray, "all_rows tap"]:
        return self.rows.reshape(-1, self.rows.shape[-1])

    def evaluate(
        self, code: Complex[np.ndarray, "rank tap"]
    ) -> tuple[float, Complex[np.ndarray, "rank tap"], Float[np.ndarray, "subcarrier"], Float[np.ndarray, "row"]]:
        """Relaxed value in nats, its gradient dR/dcode*, and the multipliers for the certificate: SNR y and price d."""
        drive = self.pulled(code)
        share = _share(drive)
        vectors = drive * share
        taps = self.taps_of(vectors)
        response = taps @ self.basis.T
        snr = power(response).sum(axis=0)
        value, outer = np.log1p(snr).sum(), (response / (1 + snr)) @ self.basis.conj()
        if self.tilt is not None:
            extra = as_reals(taps, np) @ self.tilt
            value, outer = value + (as_reals(taps, np) * extra).sum(), outer + as_complex(extra)
        pull = self.pulled(outer)
        slope = (pull - vectors * (vectors.conj() * pull).real.sum(axis=(0, 1))) * share
        return float(value), self.taps_of(slope), snr, np.sqrt(power(pull).sum(axis=(0, 1)))

    def taps(self, code: Complex[np.ndarray, "rank tap"]) -> Complex[np.ndarray, "rank tap"]:
        """C = B^T X of the vectors aligned with a code."""
        return self.taps_of(self.vectors(code))

    def thinned(self, count: int, rng: np.random.Generator) -> "Relaxation":
        """About the same from `count` of the elements, one at random for each few neighbours: for searching only."""
        elements = self.rows.shape[1] - 1
        block = np.arange(0, elements, max(1, elements // count))
        size = np.diff(block, append=elements)
        chosen = self.rows[:, 1 + block + (rng.random(len(block)) * size).astype(int)] * size[:, None]
        return replace(self, rows=np.concatenate([self.rows[:, :1], chosen], axis=1))

    def single(self) -> "Relaxation":
        """In single precision: for searching, not for certificates."""
        tilt = None if self.tilt is None else self.tilt.astype(np.float32)
        return replace(self, rows=self.rows.astype(np.complex64), basis=self.basis.astype(np.complex64), tilt=tilt)

    def certificate(self, snr: Float[np.ndarray, "subcarrier"], price: Float[np.ndarray, "row"]) -> float:
        """Upper bound in nats from any snr >= 0 and any price >= 0 of the rows (y and d in the head of this file)."""
        snr, price = snr.astype(np.float64), price.astype(np.float64)
        weight = 1 / (1 + snr)
        price = np.maximum(price, 1e-9 * price.max() + TINY)
        rows, form = self._flat.conj(), (self.basis.conj().T * weight) @ self.basis
        if self.real:
            rows = as_reals(self._flat, np)
            form = np.block([[form.real, -form.imag], [form.imag, form.real]]) + (0 if self.tilt is None else self.tilt)
        values, vectors = np.linalg.eigh(rows.conj().T @ (rows * np.tile(1 / price, len(self.rows))[:, None]))
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.conj().T
        largest = max(np.linalg.eigvalsh(root @ form @ root)[-1], 0.0) + ROUNDING * values[-1] * np.linalg.norm(form)
        return float((np.log1p(snr) - snr * weight).sum() + largest * price.sum())

    def bound(
        self,
        reflection: Complex[np.ndarray, "element"],
        rank: int,
        rng: np.random.Generator,
        max_steps: int = MAX_STEPS,
    ) -> tuple[float, Complex[np.ndarray, "rank tap"]]:
        """Certified bound in nats, and the codes of the relaxation's optimum.

        reflection: a good configuration, from which the search starts; where it is certified itself, nothing is left
        to search.
        """
        response = self.basis @ self.taps_of(self.own(reflection))
        snr = power(response)
        code = self.basis.conj().T @ (response / (1 + snr))
        best = self.certificate(snr, np.sqrt(power(self.pulled(code[None])[0]).sum(axis=0)))
        if best <= (1 + TOLERANCE) * np.log1p(snr).sum():
            return best, code[None]
        noise = rng.standard_normal((rank, len(code), 2)) @ [1, 1j]
        codes = 0.1 * np.linalg.norm(code) / np.linalg.norm(noise) * noise
        codes[0] += code
        searched, codes = self.search(codes, max_steps, rng)
        return min(best, searched), codes

    def own(self, reflection: Complex[np.ndarray, "element"]) -> Complex[np.ndarray, "term row"]:
        """x of a reflection that is the same over the whole band."""
        x = np.zeros(self.rows.shape[:2], dtype=complex)
        x[0, 0], x[0, 1:] = 1, reflection / self.scale[0]
        x[:, 1:] -= (self.centre / self.scale)[:, None]
        return x

    def search(
        self, codes: Complex[np.ndarray, "rank tap"], max_steps: int, rng: np.random.Generator
    ) -> tuple[float, Complex[np.ndarray, "rank tap"]]:
        """Maximise the relaxation. Returns the best certificate on the way, and the codes where it ended."""
        coarse, fine = self.thinned(COARSE_ROWS, rng).single().evaluator(codes.shape), self.evaluator(codes.shape)
        state = Ascent.dense(unit(as_reals(codes.reshape(1, 1, -1), np)), coarse, FIRST_STEP, np)
        for _ in range(min(COARSE_STEPS, max_steps)):
            state = state.advance(coarse, unit, LONGEST)
        state, best = state.under(fine), np.inf
        while True:
            codes = as_complex(state.point).reshape(codes.shape)
            value, _, snr, price = self.evaluate(codes)
            best = min(best, self.certificate(snr, price))
            if best <= (1 + TOLERANCE) * value or state.steps >= max_steps:
                return best, codes
            for _ in range(CHECK_EVERY):
                state = state.advance(fine, unit, LONGEST)

    def ascended(self, codes: Complex[np.ndarray, "rank tap"], steps: int) -> Complex[np.ndarray, "rank tap"]:
        """Codes after some steps uphill, taken in the precision of the rows."""
        evaluate = self.evaluator(codes.shape)
        start = unit(as_reals(codes.reshape(1, 1, -1), np)).astype(self.rows.real.dtype)
        state = Ascent.dense(start, evaluate, NEAR_STEP, np)
        for _ in range(steps):
            state = state.advance(evaluate, unit, LONGEST)
        return np.asarray(as_complex(state.point).reshape(codes.shape).astype(complex))

    def evaluator(self, shape: tuple[int, ...]) -> Evaluate:
        """Value and gradient for the ascent: codes of a shape as one vector of real numbers."""

        def evaluate(reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            codes = as_complex(reals).reshape(shape).astype(self.rows.dtype)
            value, gradient, _, _ = self.evaluate(codes)
            return np.array([[value]]), 2 * as_reals(gradient.reshape(1, 1, -1), np)

        return evaluate


def enclosing_ball(
    states: Complex[np.ndarray, "term state"],
) -> tuple[Complex[np.ndarray, "term"], Complex[np.ndarray, "term"]]:
    """Centre and half axes of an ellipsoid around states over the band; of one number, the smallest circle's.

    Any weights of the terms give one; these are between those of mean power, all alike, and of the states' own reach.
    """
    centre = np.array([enclosing_circle(each)[0] for each in states])
    away = states - centre[:, None]
    energy = power(away).mean(axis=1)
    weight = (np.maximum(energy, 1e-9 * energy.max()) / energy.max()) ** WEIGHT
    radius = np.sqrt((power(away) / weight[:, None]).sum(axis=0).max())
    along = away[0, 0] - away[0, -1]  # of states on a line, whose reflection is real then
    return centre, radius * np.sqrt(weight) * np.exp(1j * np.angle(along))


def _share(drive: np.ndarray) -> np.ndarray:
    """1 / norm of what pulls at each row; complex divisions take several times as long as products."""
    return np.asarray(1 / np.sqrt(power(drive).sum(axis=(0, 1)) + TINY))
