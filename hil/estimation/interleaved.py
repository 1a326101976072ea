"""The radio's drift by references: one pattern that is sounded again and again between the others of a sweep.

What multiplies all that is received multiplies the references alike. Phase and level of each, along what they have in
common, show the log gain's two random walks (Wiener processes) with noise; between two references the likeliest value
lies on the straight line (a Brownian bridge). What changes beside that common direction is motion in the room: it adds,
no reference can undo it, and it counts as noise, so that people alone are seldom taken for a drift.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from hil.arrays import Complex, Float
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.drift import MIN_SNR
from hil.estimation.random_walk import evidence_of, likeliest_pace
from hil.units import DB_PER_NEPER

MIN_REFERENCES = 6
BRIDGE = 1 / 6  # mean variance of a Brownian bridge, of that of the walk over its whole length
FEWEST, MOST = 4, 1024  # soundings from one reference to the next


@dataclass(frozen=True)
class Followed:
    """log_gain: of each sounding, mean zero. left_var: of what is left in it, real and imaginary part together.

    phase_deg, gain_db: pace of the walks, rms after one second; zero where there is no evidence of any.
    """

    log_gain: Complex[np.ndarray, "pattern"]
    left_var: float
    phase_deg: float
    gain_db: float


def follow_references(heard: AlignedSoundings) -> Followed | None:
    """The radio's gain at all soundings; None where no drift is seen, or too few references could show it."""
    chosen = heard.references()
    if chosen.size < MIN_REFERENCES:
        return None
    same = heard.taps[chosen].astype(complex)
    axes = np.linalg.eigh(same.T @ same.conj())[1]
    along = same @ axes[:, -1].conj()
    noise = (np.abs(axes) ** 2).T @ heard.tap_var
    power = float(np.mean(np.abs(along) ** 2)) - float(noise[-1])
    if power < MIN_SNR * noise[-1]:
        return None
    beside = float(np.mean(np.sum(np.abs(same @ axes[:, :-1].conj()) ** 2, axis=1)) - noise[:-1].sum())
    seen_var = (float(noise[-1]) + max(beside, 0.0)) / power / 2
    phase, level = (
        _walk(values, seen_var, heard.time_s[chosen], heard.time_s)
        for values in (np.unwrap(np.angle(along)), np.log(np.abs(along)))
    )
    if not (phase.pace or level.pace):
        return None
    return Followed(
        level.values + 1j * phase.values,
        level.left_var + phase.left_var,
        float(np.degrees(np.sqrt(phase.pace))),
        float(DB_PER_NEPER * np.sqrt(level.pace)),
    )


def spacing_for(drift_deg: float, noise: float, interval_s: float) -> int | None:
    """Soundings from one reference to the next at which drift leaves as much as noise; None where none is needed.

    drift_deg: rms walk of the phase after one second. noise: energy of a sounding's noise over that of the sounding, in
    the channel's taps. interval_s: from sounding to sounding.
    """
    pace = np.radians(drift_deg) ** 2
    if pace * interval_s * BRIDGE * MOST < noise:
        return None
    return int(np.clip(noise / (BRIDGE * pace * interval_s), FEWEST, MOST))


@dataclass(frozen=True)
class _Walk:
    values: Float[np.ndarray, "pattern"]
    pace: float
    left_var: float


def _walk(
    seen: Float[np.ndarray, "reference"],
    noise_var: float,
    seen_s: Float[np.ndarray, "reference"],
    time_s: Float[np.ndarray, "pattern"],
) -> _Walk:
    """Through noisy values, and straight from each to the next."""
    seen, steps_s = seen - seen.mean(), np.diff(seen_s)
    slowest = 1e-3 * noise_var / float(seen_s[-1] - seen_s[0])

    def evidence(pace: float) -> float:
        precision = _precision(noise_var, steps_s, pace)
        return evidence_of(seen, noise_var, pace * steps_s, precision, seen / noise_var)

    pace = likeliest_pace(evidence, seen, noise_var, slowest)
    if not pace:
        return _Walk(np.zeros(time_s.size), 0.0, 0.0)
    covariance = solveh_banded(_precision(noise_var, steps_s, pace), np.eye(seen.size), lower=True)
    values = np.interp(time_s, seen_s, covariance @ seen / noise_var)
    left = float(np.mean(np.diag(covariance))) + BRIDGE * pace * float(np.mean(steps_s))
    return _Walk(values - values.mean(), pace, left)


def _precision(noise_var: float, steps_s: Float[np.ndarray, "step"], pace: float) -> Float[np.ndarray, "2 reference"]:
    """Diagonal and the one below it."""
    stiff = 1 / (pace * steps_s)
    diagonal = 1 / noise_var + np.append(stiff, 0.0) + np.append(0.0, stiff)
    return np.stack([diagonal, np.append(-stiff, 0.0)])
