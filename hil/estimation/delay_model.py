"""What the soundings of a sweep have in common, and how likely it makes a sounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hil.arrays import Complex, Float
from hil.phy.sync import correlate
from hil.phy.taps import DelayBasis

TOLD = 1e-2  # power of a direction over the noise, below which it tells nothing of where a sounding lies


@dataclass(frozen=True)
class DelayModel:
    """What the soundings of a sweep have in common, in the coordinates of a delay basis.

    mean: the direct channel. covariance: of the surface's part. noise_var: on one subcarrier, misfit included.
    half_sum_var: by which the half-sums of complements differ from the mean besides noise, scaled as soundings are.
    """

    basis: DelayBasis
    mean: Complex[np.ndarray, "tap"]
    covariance: Complex[np.ndarray, "tap tap"]
    noise_var: float
    half_sum_var: float = 0.0

    @classmethod
    def fit(
        cls,
        basis: DelayBasis,
        taps: Complex[np.ndarray, "pattern tap"],
        outside: Float[np.ndarray, "pattern"],
        noise_var: float,
    ) -> "DelayModel":
        """Mean and covariance of aligned coordinates, the noise's share taken out.

        outside: energy of each response that the basis does not hold. Few soundings would confirm any alignment of
        themselves, so the covariance is drawn towards white.
        """
        mean = taps.mean(axis=0)
        spread = (taps - mean).T @ (taps - mean).conj() / len(taps)
        floor = max(noise_var, float(outside.mean()) / (len(basis.basis) - basis.num_taps))
        power, vectors = np.linalg.eigh(spread)
        power = np.maximum(power - floor, 0)
        white = 1 / (1 + (len(taps) / (2 * basis.num_taps)) ** 2)
        power = (1 - white) * power + white * power.mean()
        return cls(basis, mean, (vectors * power) @ vectors.conj().T, floor)

    @cached_property
    def spectrum(self) -> tuple[Float[np.ndarray, "direction"], Complex[np.ndarray, "tap direction"]]:
        """Powers and directions of the surface's part."""
        power, vectors = np.linalg.eigh(self.covariance)
        return np.maximum(power, 0), vectors

    @cached_property
    def filters(self) -> tuple[Complex[np.ndarray, "tap"], Complex[np.ndarray, "tap direction"]]:
        """`matched`, `scaled` such that 2 re <matched, x> + |scaled^H x|^2 is the log-likelihood of x, up to a constant
        of the sounding that no advance changes."""
        power, vectors = self.spectrum
        total = power + self.noise_var
        matched = vectors @ (vectors.conj().T @ self.mean / total)
        told = power > TOLD * self.noise_var
        return matched, vectors[:, told] * np.sqrt(1 / self.noise_var - 1 / total[told])

    @property
    def log_norm(self) -> float:
        """What is taken from `log_likelihood`, and the response's energy over `noise_var` too, for models to be
        compared."""
        power, vectors = self.spectrum
        total = power + self.noise_var
        others = len(self.basis.basis) - self.basis.num_taps
        mean = float(np.sum(np.abs(vectors.conj().T @ self.mean) ** 2 / total))
        return mean + float(np.log(total).sum()) + others * float(np.log(self.noise_var))

    def log_likelihood(
        self, responses: Complex[np.ndarray, "pattern subcarrier"], fft_size: int
    ) -> Float[np.ndarray, "pattern shift"]:
        """Of each response at each advance, up to a constant of the response."""
        matched, scaled = (self.basis.projector.conj().T @ each for each in self.filters)
        score = 2 * correlate(responses, matched.astype(responses.dtype), fft_size).real
        for direction in scaled.T:
            coordinate = correlate(responses, direction.astype(responses.dtype), fft_size)
            score += coordinate.real**2 + coordinate.imag**2
        return np.asarray(score)

    def joint_log_likelihoods(
        self, groups: Sequence[Complex[np.ndarray, "_ subcarrier"]], fft_size: int
    ) -> Float[np.ndarray, "group shift"]:
        """Of responses that have the same advance, the sum of theirs: their covariance tells it, by one FFT for all.

        Its products stay in single precision where the responses are: that changes a sum by a millionth of it.
        """
        matched, scaled = (self.basis.projector.conj().T @ each for each in self.filters)
        kind = np.result_type(*groups)
        weights, size = (scaled.conj() @ scaled.T).astype(kind), len(scaled)
        width = fft_size - 1 if size < fft_size else 2 * fft_size - 1  # one less than whole periods
        # so that products of one lag stand in one column of `lags`
        flat = np.zeros(-(-size * width // fft_size) * fft_size, dtype=kind)
        products, lags = flat[: size * width].reshape(size, width)[:, :size], flat.reshape(-1, fft_size)
        score = np.empty((len(groups), fft_size))
        for number, responses in enumerate(groups):
            np.multiply(weights, responses.T @ responses.conj(), out=products)
            score[number] = np.fft.fft(lags.sum(axis=0, dtype=complex)).real
            score[number] += 2 * correlate(responses.sum(axis=0, dtype=complex), matched, fft_size).real
        return score

    def pair_log_likelihood(
        self, taps: Complex[np.ndarray, "*#batch tap"], complements: Complex[np.ndarray, "*#batch tap"]
    ) -> Float[np.ndarray, "..."]:
        """Of both soundings of a pair together, up to a constant; broadcasts.

        With x = direct + surface and y = direct - surface, x + y holds no surface and x - y no direct channel.
        """
        power, vectors = self.spectrum
        both = (taps + complements) / np.sqrt(2) - np.sqrt(2) * self.mean
        apart = ((taps - complements) / np.sqrt(2)) @ vectors.conj()
        weight = 1 / (2 * power + self.noise_var)
        inside = (energy(taps) + energy(complements)) / self.noise_var
        inside = inside - energy(both) / (self.noise_var + self.half_sum_var)
        return np.asarray(inside - (np.abs(apart) ** 2) @ weight)


def energy(values: Complex[np.ndarray, "*batch last"]) -> Float[np.ndarray, "*batch"]:
    """Sum of squares along the last axis."""
    return np.asarray(np.vecdot(values, values).real)
