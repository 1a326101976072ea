"""Soundings aligned by their power over delay alone, which needs no phase: where the likelihood may start from."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from hil.arrays import Complex, Float, Int
from hil.phy.taps import delay_profile, place_window

MAX_TURNS, FEW_TURNS = 20, 8
ENOUGH = 128  # soundings, for a comb's mean profile
BESIDE_TAPS = 10  # of a comb's period, beyond the channel's length: room between its end and its next beginning
SMOOTH = 9  # points of a running mean: one sounding's fades are not the mean profile's


def align_profiles(
    profiles: Float[np.ndarray, "pattern delay"],
    floor: float,
    starts: Float[np.ndarray, "start delay"],
    *,
    turns: int = MAX_TURNS,
) -> tuple[Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Circular advances, as if all delays were independent Gaussians, and the mean profile.

    floor: the noise's power at each delay. starts: mean profiles to set out from; the likeliest outcome is kept.
    """
    outcomes = [_climb(profiles, _smooth(start), floor, turns) for start in starts]
    _, samples, profile = max(outcomes, key=lambda outcome: outcome[0])
    return samples, profile


@dataclass(frozen=True)
class Comb:
    """Every so-many-th subcarrier: delays at full resolution, but modulo a period somewhat longer than the channel.

    period: in taps of 1/B.
    """

    first: int
    step: int
    teeth: int
    period: float
    size: int

    @classmethod
    def of(cls, num_subcarriers: int, num_taps: float) -> "Comb":
        step = max(int(num_subcarriers / (num_taps + BESIDE_TAPS)), 1)
        teeth = num_subcarriers // step
        return cls(num_subcarriers % step // 2, step, teeth, num_subcarriers / step, scipy.fft.next_fast_len(2 * teeth))

    def profiles(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> Float[np.ndarray, "pattern delay"]:
        """Power over circular delay on `size` points of the period."""
        return delay_profile(responses[:, self.first :: self.step][:, : self.teeth], self.size)


def place_by_power(
    profiles: Float[np.ndarray, "pattern delay"],
    learnt: Int[np.ndarray, "learnt"],
    floor: float,
    *,
    length: int,
    apart: int,
) -> tuple[Int[np.ndarray, "pattern"], Float[np.ndarray, "pattern"]]:
    """Circular advances after which most power lies in the first `length` points; what the profiles have in common is
    learnt from some of them.

    Returns with each its log-likelihood ratio to the best one that lies more than `apart` points off.
    """
    known = profiles[learnt[:ENOUGH]]
    typical = known[np.argsort(known.sum(axis=1))[len(known) // 2]]
    _, profile = align_profiles(known, floor, typical[None], turns=FEW_TURNS)
    misfit = _misfit(profiles, np.maximum(profile, floor))
    best = misfit.argmin(axis=1)
    steps = np.subtract.outer(np.arange(profile.size), np.arange(profile.size)) % profile.size
    near = np.where(np.minimum(steps, profile.size - steps) > apart, 0, np.inf).astype(misfit.dtype)
    margin = (misfit + near[best]).min(axis=1) - misfit[np.arange(len(best)), best]
    return (best + place_window(profile, length)) % profile.size, margin


def of_several_strengths(profiles: Float[np.ndarray, "pattern delay"]) -> Float[np.ndarray, "start delay"]:
    """Where nothing tells where the soundings lie, one sounding or another is like their mean."""
    rank = np.argsort(profiles.sum(axis=1))
    return np.asarray(profiles[rank[[-1, -len(rank) // 4, len(rank) // 2]]])


def _climb(
    profiles: Float[np.ndarray, "pattern delay"],
    profile: Float[np.ndarray, "delay"],
    floor: float,
    turns: int,
) -> tuple[float, Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Log-likelihood, advances and mean profile from one start."""
    size = profiles.shape[1]
    samples, every = np.full(len(profiles), -1), np.arange(len(profiles))
    advanced = np.lib.stride_tricks.sliding_window_view(np.tile(profiles, 2), size, axis=1)  # [pattern, advance, delay]
    for _ in range(turns):
        expected = np.maximum(profile, floor)
        misfit = _misfit(profiles, expected)
        before, samples = samples, misfit.argmin(axis=1)
        profile = advanced[every, samples].mean(axis=0)
        if np.array_equal(before, samples):
            break
    likelihood = -misfit.min(axis=1).sum(dtype=float) - len(profiles) * np.log(expected).sum(dtype=float)
    return float(likelihood), samples, profile


def _misfit(
    profiles: Float[np.ndarray, "pattern delay"], expected: Float[np.ndarray, "delay"]
) -> Float[np.ndarray, "pattern advance"]:
    """Sum over the delays of each profile's power over the expected one, at each circular advance."""
    twice = np.tile((1 / expected).astype(profiles.dtype), 2)[1:]
    circulant = np.lib.stride_tricks.sliding_window_view(twice, expected.size)[::-1]  # [advance, delay]
    return np.asarray(profiles @ circulant.T)


def _smooth(profile: Float[np.ndarray, "delay"]) -> Float[np.ndarray, "delay"]:
    return np.asarray(np.mean([np.roll(profile, shift - SMOOTH // 2) for shift in range(SMOOTH)], axis=0))
