"""How long a surface takes: the response followed symbol by symbol through a change of its pattern."""

import math
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float

STILL = 0.2  # share of a capture's symbols, at each end, in which nothing changes
CLEAR_SIGMAS = 5.0
SMOOTHED = (1, 3, 10, 30, 100, 300)  # symbols on either side, over which a drift may be the same
BEGUN = 0.3  # share of the change at which captures are laid over each other


@dataclass(frozen=True)
class Settling:
    """settle_s: from the first sign of the change until less than `floor` (amplitude, relative) is left of it for good.

    curve: mean progress of the change, 0 before and 1 after; its first sign shows at symbol `before`.
    floor: what was asked for, or what noise lets be seen; hidden: the latter.
    resolution_s: settle_s may be too long by so much, since symbols are whole.
    """

    settle_s: float
    floor: float
    curve: Complex[np.ndarray, "symbol"]
    before: int
    hidden: bool = False
    resolution_s: float = 0.0

    def given(self, declared_s: float) -> float:
        """The settle time, knowing the declared one: that, where it is within the resolution of what was seen."""
        within = self.settle_s - self.resolution_s <= declared_s <= self.settle_s
        return declared_s if within else self.settle_s


def progress_of(symbols: Complex[np.ndarray, "symbol subcarrier"]) -> tuple[Complex[np.ndarray, "symbol"], float]:
    """Progress of a change over the symbols of one capture, and the standard deviation of its noise.

    The first and the last fifth of the symbols must be still. A radio that drifts multiplies what stands still too:
    what that adds along the change is foretold from what it adds beside it, and taken out.
    """
    still = max(2, int(STILL * len(symbols)))
    first, last = symbols[:still].mean(axis=0), symbols[-still:].mean(axis=0)
    change = last - first
    energy = max(float(np.sum(np.abs(change) ** 2)), np.finfo(float).tiny)
    along = complex(np.vdot(change, first)) / energy
    beside = first - along * change
    left = max(float(np.sum(np.abs(beside) ** 2)), np.finfo(float).tiny)
    drift = _smooth((symbols - first) @ beside.conj() / left)
    progress = ((symbols - first) @ change.conj() / energy - along * drift) / (1 + drift)
    return progress, float(np.std(np.concatenate([progress[:still], progress[-still:] - 1])))


def _smooth(values: Complex[np.ndarray, "symbol"]) -> Complex[np.ndarray, "symbol"]:
    """Means over as many neighbours as foretell each value best; zero where nothing foretells it better than zero."""
    best, least = np.zeros_like(values), float(np.mean(np.abs(values) ** 2))
    for reach in SMOOTHED:
        if 2 * reach + 1 > values.size:
            break
        total = _sums(values, reach)
        counts = _sums(np.ones(values.size), reach)
        missed = float(np.mean(np.abs((total - values) / (counts - 1) - values) ** 2))
        if missed < least:
            best, least = total / counts, missed
    return best


def _sums(
    values: Complex[np.ndarray, "symbol"] | Float[np.ndarray, "symbol"], reach: int
) -> Complex[np.ndarray, "symbol"] | Float[np.ndarray, "symbol"]:
    """Over each value and its neighbours up to `reach` away, fewer at the ends."""
    whole = np.concatenate([[0], np.cumsum(values)])
    at = np.arange(values.size)
    return np.asarray(whole[np.minimum(at + reach + 1, values.size)] - whole[np.maximum(at - reach, 0)])


def settle_time(
    curves: Complex[np.ndarray, "switch symbol"],
    noise: Float[np.ndarray, "switch"],
    symbol_s: float,
    *,
    settled_db: float,
) -> Settling | None:
    """From progress curves of several changes; None where the changes do not stand out of the noise.

    The time is rounded up to whole symbols at both ends.
    """
    sigma = float(np.median(noise))
    if 2 * CLEAR_SIGMAS * sigma > 1:
        return None
    begun = [int(np.argmax(np.abs(curve) > max(BEGUN, CLEAR_SIGMAS * sigma))) for curve in curves]
    before, after = min(begun), curves.shape[1] - max(begun)
    mean = np.mean([curve[at - before : at + after] for curve, at in zip(curves, begun, strict=True)], axis=0)
    asked, seen = float(10 ** (settled_db / 20)), CLEAR_SIGMAS * sigma / math.sqrt(len(curves))
    floor = max(asked, seen)
    moved, unsettled = np.flatnonzero(np.abs(mean) > floor), np.flatnonzero(np.abs(mean - 1) > floor)
    if not moved.size or not unsettled.size:
        return None
    return Settling(
        max(int(unsettled[-1] - moved[0]) + 1, 1) * symbol_s, floor, mean, int(moved[0]), seen > asked, 2 * symbol_s
    )
