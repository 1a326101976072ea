"""Soundings aligned by their power over delay alone, which needs no phase: where the likelihood may start from."""

import numpy as np
import scipy.fft

from hil.arrays import Complex, Float, Int

MAX_TURNS = 20
SMOOTH = 9  # points of a running mean: one sounding's fades are not the mean profile's


def align_profiles(
    profiles: Float[np.ndarray, "pattern delay"], floor: float, starts: Float[np.ndarray, "start delay"]
) -> tuple[Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Circular advances, as if all delays were independent Gaussians, and the mean profile.

    floor: the noise's power at each delay. starts: mean profiles to set out from; the likeliest outcome is kept.
    """
    spectra = scipy.fft.rfft(profiles, axis=1)
    outcomes = [_climb(profiles, spectra, _smooth(start), floor) for start in starts]
    _, samples, profile = max(outcomes, key=lambda outcome: outcome[0])
    return samples, profile


def of_several_strengths(profiles: Float[np.ndarray, "pattern delay"]) -> Float[np.ndarray, "start delay"]:
    """Where nothing tells where the soundings lie, one sounding or another is like their mean."""
    rank = np.argsort(profiles.sum(axis=1))
    return np.asarray(profiles[rank[[-1, -len(rank) // 4, len(rank) // 2]]])


def _climb(
    profiles: Float[np.ndarray, "pattern delay"],
    spectra: Complex[np.ndarray, "pattern bin"],
    profile: Float[np.ndarray, "delay"],
    floor: float,
) -> tuple[float, Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Log-likelihood, advances and mean profile from one start."""
    size = profiles.shape[1]
    samples = np.full(len(profiles), -1)
    for _ in range(MAX_TURNS):
        expected = np.maximum(profile, floor)
        misfit = scipy.fft.irfft(spectra * scipy.fft.rfft(1 / expected).conj(), n=size, axis=1)
        before, samples = samples, misfit.argmin(axis=1)
        index = (np.arange(size) + samples[:, None]) % size
        profile = np.take_along_axis(profiles, index, axis=1).mean(axis=0)
        if np.array_equal(before, samples):
            break
    likelihood = -misfit.min(axis=1).sum(dtype=float) - len(profiles) * np.log(expected).sum(dtype=float)
    return float(likelihood), samples, profile


def _smooth(profile: Float[np.ndarray, "delay"]) -> Float[np.ndarray, "delay"]:
    return np.asarray(np.mean([np.roll(profile, shift - SMOOTH // 2) for shift in range(SMOOTH)], axis=0))
