"""The radio's drift during a sweep, taken out of its soundings.

A radio's drift multiplies what is received, motion in the room adds to it. Where complements follow each other, their
half-sum is the direct channel times the pair's complex gain, whatever the surface does. The log gain is a random walk
(Wiener process) in each part, phase and amplitude; its pace is the likeliest, and where the evidence speaks against any
pace above zero, nothing is touched.

Half-sums cannot tell most of the drift's step between the two complements of a pair. It stays in the cascade, as an
error along the direct channel (in quadrature with it where the phase has stepped) and nowhere else. So the soundings
are turned to axes of which the first is the direct channel, and that axis is given the variance of what is left.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.random_walk import Factors, evidence_of, likeliest_pace
from hil.units import DB_PER_NEPER

MIN_PAIRS = 16
MIN_SNR = 10.0  # of the direct channel in one half-sum: below it phases cannot be followed


@dataclass(frozen=True)
class Drift:
    """Soundings without drift, on axes of which the first is the direct channel, there real and positive.

    tap_var: of each coordinate of one sounding: noise, and on the first axis what is left of the drift.
    quadrature_var: share of tap_var[0] that the phase left, in the imaginary part alone.
    log_gain: taken out of each sounding, mean zero. phase_deg, gain_db: pace of the walks, rms after one second.
    """

    taps: Complex[np.ndarray, "pattern axis"]
    tap_var: Float[np.ndarray, "axis"]
    quadrature_var: float
    axes: Complex[np.ndarray, "tap axis"]
    log_gain: Complex[np.ndarray, "pattern"]
    phase_deg: float
    gain_db: float


@dataclass(frozen=True)
class Walk:
    """A Wiener process seen through means of neighbours, each with white noise.

    mean: of what was seen. values: at each sounding, beyond that mean.
    pace: variance after one second; zero where there is no evidence of any.
    step_var: error variance of half the step between two complements.
    """

    mean: float
    values: Float[np.ndarray, "pattern"]
    pace: float
    step_var: float


def remove_drift(heard: AlignedSoundings) -> Drift | None:
    """The soundings with the radio's drift taken out; None where none is seen, or where nothing could show it.

    Simplification: noise of different axes is taken as uncorrelated, which holds exactly where the delay basis sees all
    subcarriers.
    """
    taps, (order, first) = heard.taps, heard.following_pairs()
    place, time_s = np.argsort(order), heard.time_s[order]
    if first.size < MIN_PAIRS or not np.all(np.diff(time_s) > 0):
        return None
    half_sums = (taps[order[first]] + taps[order[first + 1]]) / 2
    axes = _axes_along_direct(half_sums)
    noise = (np.abs(axes) ** 2).T @ heard.tap_var
    seen = half_sums @ axes.conj()
    power = np.mean(np.abs(seen) ** 2, axis=0) - noise / 2
    if power[0] < MIN_SNR * noise[0] / 2:
        return None
    blur = (noise[0] / 2 + max(float(power[1:].sum()), 0.0)) / float(power[0]) / 2
    phase, gain = (
        follow_walk(values, blur, time_s, first)
        for values in (np.unwrap(np.angle(seen[:, 0])), np.log(np.abs(seen[:, 0])))
    )
    if not (phase.pace or gain.pace):
        return None
    log_gain = (gain.values + 1j * phase.values)[place]
    turned, left = axes * np.exp(1j * float(phase.mean)), 2 * float(power[0])
    noise[0] += left * (phase.step_var + gain.step_var)
    return Drift(
        taps=((taps * np.exp(-log_gain)[:, None]) @ turned.conj()).astype(taps.dtype),
        tap_var=noise,
        quadrature_var=left * phase.step_var,
        axes=turned,
        log_gain=log_gain,
        phase_deg=float(np.degrees(np.sqrt(phase.pace))),
        gain_db=float(DB_PER_NEPER * np.sqrt(gain.pace)),
    )


def _axes_along_direct(half_sums: Complex[np.ndarray, "pair tap"]) -> Complex[np.ndarray, "tap axis"]:
    """Unitary; the first axis is the strongest direction of the half-sums, which a common gain does not turn."""
    _, vectors = np.linalg.eigh(half_sums.T.astype(complex) @ half_sums.conj())
    return np.asarray(vectors[:, ::-1])


def follow_walk(
    seen: Float[np.ndarray, "pair"],
    noise_var: float,
    time_s: Float[np.ndarray, "pattern"],
    first: Int[np.ndarray, "pair"],
) -> Walk:
    """The walk that the means of neighbours `first` and `first` + 1 show; smoothing is one tridiagonal system."""
    mean = float(seen.mean())
    seen = seen - mean
    field = _Field(np.diff(time_s), first, noise_var)
    span_s = float(time_s[-1] - time_s[0])
    slowest = 1e-3 * noise_var / (first.size * span_s)
    pace = likeliest_pace(field.evidence(seen), seen, noise_var, slowest)
    if not pace:
        return Walk(mean, np.zeros(time_s.size), 0.0, 0.0)
    return Walk(mean, field.smooth(seen, pace), pace, field.step_var(pace))


class _Field:
    """Precision of a Wiener process at its soundings, given means of neighbours."""

    def __init__(self, steps_s: Float[np.ndarray, "step"], first: Int[np.ndarray, "pair"], noise_var: float) -> None:
        self._steps_s, self._first, self._noise_var = steps_s, first, noise_var
        self._told = np.zeros(steps_s.size)
        self._told[first] = 1 / (4 * noise_var)

    def evidence(self, seen: Float[np.ndarray, "pair"]) -> Callable[[float], float]:
        """Of what is seen, `evidence_of` by pace."""
        information = self._information(seen)
        return lambda pace: evidence_of(seen, self._noise_var, pace * self._steps_s, self._precision(pace), information)

    def smooth(self, seen: Float[np.ndarray, "pair"], pace: float) -> Float[np.ndarray, "pattern"]:
        """Expected values at all soundings."""
        return Factors.of(self._precision(pace)).solve(self._information(seen))

    def step_var(self, pace: float) -> float:
        """Mean error variance of half the step between complements, from the inverse's three diagonals."""
        factors = Factors.of(self._precision(pace))
        variance, ratio = 1 / factors.pivot, factors.ratio
        for i in range(ratio.size - 1, -1, -1):
            variance[i] += ratio[i] ** 2 * variance[i + 1]
        covariance = -ratio * variance[1:]
        return float(np.mean((variance[:-1] + variance[1:] - 2 * covariance)[self._first]) / 4)

    def _precision(self, pace: float) -> Float[np.ndarray, "2 pattern"]:
        """Diagonal and the one below it."""
        stiff = 1 / (pace * self._steps_s)
        precision = np.zeros((2, stiff.size + 1))
        diagonal, below = precision
        diagonal[:-1] = stiff + self._told
        diagonal[1:] += stiff + self._told
        below[:-1] = self._told - stiff
        return precision

    def _information(self, seen: Float[np.ndarray, "pair"]) -> Float[np.ndarray, "pattern"]:
        right = np.zeros(self._steps_s.size + 1)
        right[self._first] = right[self._first + 1] = seen / (2 * self._noise_var)
        return right
