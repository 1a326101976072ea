"""Less noise in the cascaded channel, by what a surface's channel is: few plane waves, few delays.

Two filters whose every choice follows from the noise variance: Wiener over the delays alone (sure to keep what it
cannot explain), and Wiener in the subspaces of rows x columns x delays that stand above the noise. The mixture of both
that Stein's unbiased risk estimate finds best is taken. The divergences that it needs have closed forms, as those of
spectral functions of a matrix (Candes, Sing-Long and Trzasko 2013). Simplification: that the directions of one axis
turn because those of another did is left out of them.
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.tucker import Bases, Powers, Tensor, Tucker, directions, first_bases, times, unfold

TYPICAL = 128  # elements whose median variance is that of all
LEAST_OTHERS = 1e-2  # share of the others in an element that is projected: less of it tells nothing


def denoise(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """The same estimate with less error, and the variance that is left."""
    tied = bool(estimate.tied) and min(rows, cols) > 1
    some = estimate.cascade_var[:: -(-len(estimate.cascade_var) // TYPICAL)]
    spread = np.sqrt(np.median(some, axis=0)).astype(estimate.cascade.real.dtype)
    noisy = (estimate.cascade * (1 / spread)).reshape(rows, cols, -1)
    bases = first_bases(noisy, without_first=tied)
    if tied:
        estimate = _untie(estimate, spread, *_from_others(noisy, bases))
        noisy[0, 0] = estimate.cascade[0] / spread
    filtered, risk = _least_risk(noisy, bases)
    filtered *= spread
    cascade = filtered.reshape(estimate.cascade.shape).astype(estimate.cascade.dtype, copy=False)
    left = risk / noisy.size * np.maximum(estimate.cascade_var, spread**2)  # of a worse one a like share
    variance = np.minimum(estimate.cascade_var, left)
    return replace(estimate, cascade=cascade, cascade_var=variance)


def _untie(
    estimate: CascadedEstimate, spread: Float[np.ndarray, "tap"], guess: Complex[np.ndarray, "tap"], missed: float
) -> CascadedEstimate:
    """Element 1, of which the pilots tell little, combined with what the surface's other elements make of it.

    guess, missed: that, and its error variance, in units of `spread`.
    """
    pilots_var = float(np.mean(estimate.cascade_var[0] / spread**2))
    trust = pilots_var / (pilots_var + missed)
    change = (trust * (guess * spread - estimate.cascade[0])).astype(estimate.cascade.dtype)
    cascade, variance = estimate.cascade.copy(), estimate.cascade_var.copy()
    cascade[0] += change
    variance[0] *= 1 - trust
    return replace(
        estimate,
        direct=estimate.direct - estimate.tied * change,
        cascade=cascade,
        direct_var=variance[0],
        cascade_var=variance,
    )


def _from_others(noisy: Tensor, bases: Bases) -> tuple[Complex[np.ndarray, "tap"], float]:
    """Element 1 from all others, and the mean squared error of such guesses, seen on all others.

    Under a projection on subspaces, what the others make of an element is its projection without its own share.
    """
    rows, cols, taps = bases
    share = np.outer(*(np.sum(base.real**2 + base.imag**2, axis=1) for base in (rows, cols)))[..., None]
    own = noisy @ taps.conj()
    core = times(times(own, rows.conj(), 0), cols.conj(), 1)
    told = times(times(core, cols.T, 1), rows.T, 0)
    told -= share * own
    told *= 1 / np.maximum(1 - share, LEAST_OTHERS)
    left = (_energies(told - own) + _energies(noisy) - _energies(own))[1:].sum()
    return told[0, 0] @ taps.T, float(left) / (noisy.size - noisy.shape[2])


def _least_risk(noisy: Tensor, bases: Bases) -> tuple[Tensor, float]:
    """The best mixture of both filters for noise of unit variance, and its expected squared error."""
    (taken, safe_divergence), (keen, keen_divergence) = _filter_taps(noisy), _filter_subspaces(noisy, bases)
    step = keen - noisy
    step += taken  # from the safe filter to the keen one
    slope = float(np.vdot(step, taken).real) - (keen_divergence - safe_divergence)
    mix = float(np.clip(slope / max(_energy(step), np.finfo(float).tiny), 0, 1))
    step *= mix
    step -= taken
    risk = _risk(step, safe_divergence + mix * (keen_divergence - safe_divergence))
    step += noisy
    return step, risk


def _risk(change: Tensor, divergence: float) -> float:
    """Stein's estimate of a filter's squared error by what it changes; never below half of what noise must leave."""
    return max(_energy(change) - change.size + 2 * divergence, divergence / 2)


def _filter_taps(noisy: Tensor) -> tuple[Tensor, float]:
    """What a Wiener filter over the delays takes away, with the covariance that all elements share; and the filter's
    divergence."""
    elements = noisy.shape[0] * noisy.shape[1]
    energy, vectors = directions(noisy, 2)
    gain = np.maximum(1 - 1 / np.maximum(energy / elements, 1), 0)
    weights = ((vectors * (1 - gain)) @ vectors.conj().T).T.astype(noisy.dtype)
    divergence = elements * gain.sum() + np.sum(1 - gain, where=gain > 0)
    return noisy @ weights, float(divergence) + _turning(energy, gain[:, None], energy[:, None])


def _filter_subspaces(noisy: Tensor, bases: Bases) -> tuple[Tensor, float]:
    """Wiener filter in the core of a Tucker model; a coefficient's power is the mean over its neighbours."""
    model = Tucker.refine(noisy, bases)
    power = np.asarray(model.core.real**2 + model.core.imag**2, dtype=float)
    mean = np.maximum(_local_mean(power), 1)
    gain = 1 - 1 / mean
    divergence = gain.sum() + np.sum(_own_weight(power.shape) * power / mean**2, where=mean > 1)
    turning = (_turning(all_powers, unfold(gain, m), unfold(power, m)) for m, all_powers in enumerate(model.powers))
    return model.expand((model.core * gain).astype(noisy.dtype)), float(divergence) + sum(turning)


def _turning(powers: Powers, gain: Float[np.ndarray, "rank other"], power: Float[np.ndarray, "rank other"]) -> float:
    """Divergence of a filter because the noise turns the directions of one axis, to first order.

    powers: of all directions, those beyond the rank without gain. gain, power: of the coordinates in each direction.
    Directions as strong as each other turn freely, but for the noise in their strengths.
    """
    rank = len(gain)
    strength = np.append(power.sum(axis=1), powers[rank:])
    beyond = np.outer(gain.mean(axis=1), powers[rank:])
    taken = np.sum(gain * power, axis=1)[:, None] + np.concatenate([-power @ gain.T, beyond], axis=1)
    apart, both = strength[:rank, None] - strength, strength[:rank, None] + strength
    return float(np.sum(taken * apart / (apart**2 + both / 2 + np.finfo(float).tiny)))


def _local_mean(power: Float[np.ndarray, "_ _ _"]) -> Float[np.ndarray, "_ _ _"]:
    """Mean over 3 x 3 x 3 neighbours, edges repeated."""
    for axis in range(3):
        along = np.moveaxis(power, axis, 0)
        before, after = np.concatenate([along[:1], along[:-1]]), np.concatenate([along[1:], along[-1:]])
        power = np.moveaxis((before + along + after) / 3, 0, axis)
    return power


def _own_weight(shape: tuple[int, ...]) -> Float[np.ndarray, "_ _ _"]:
    """Weight of a coefficient in the mean over its neighbours."""
    along = [(1.0 + (np.arange(size) == 0) + (np.arange(size) == size - 1)) / 3 for size in shape]
    return np.asarray(np.einsum("i,j,k->ijk", *along))


def _energy(values: Complex[np.ndarray, "*any"]) -> float:
    return float(np.vdot(values, values).real)


def _energies(values: Tensor) -> Float[np.ndarray, "element"]:
    return np.asarray(np.vecdot(values, values).real.ravel())
