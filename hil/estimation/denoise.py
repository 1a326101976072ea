"""Less noise in the cascaded channel, by what a surface's channel is: few plane waves, few delays.

Two filters whose every choice follows from the noise variance: Wiener over the delays alone (sure to keep what it
cannot explain), and Wiener in the subspaces of rows x columns x delays that stand above the noise (a Tucker model,
higher-order orthogonal iteration, De Lathauwer et al. 2000). The mixture of both that Stein's unbiased risk estimate
finds best is taken; the divergences that it needs are found by a random probe (Ramani et al. 2008).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.estimation.least_squares import CascadedEstimate

PROBE = 1e-3  # step of the probe that finds the divergence, in standard deviations of the noise
TURNS, FILL_TURNS = 3, 10

Tensor = Complex[np.ndarray, "row col tap"]
Core = Complex[np.ndarray, "row_mode col_mode tap_mode"]
Filter = Callable[[Tensor], Tensor]


def denoise(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """The same estimate with less error, and the variance that is left."""
    estimate = _untie(estimate, rows, cols) if estimate.tied else estimate
    spread = np.sqrt(np.median(estimate.cascade_var, axis=0))
    noisy = (estimate.cascade / spread).reshape(rows, cols, -1)
    filtered, risk = _least_risk(noisy)
    cascade = (filtered * spread).reshape(estimate.cascade.shape).astype(estimate.cascade.dtype)
    variance = np.minimum(estimate.cascade_var, risk / noisy.size * spread**2)
    return replace(estimate, cascade=cascade, cascade_var=variance)


def _untie(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """Element 1, of which the pilots tell little, combined with what the surface's other elements make of it.

    How much that is worth is seen on some others that are guessed in the same way.
    """
    spread = np.sqrt(np.median(estimate.cascade_var, axis=0))
    noisy = (estimate.cascade / spread).reshape(rows, cols, -1)
    others = 1 + np.random.default_rng(0).permutation(rows * cols - 1)[: min(rows * cols // 8, 32)]
    if not others.size:
        return estimate
    filled = _fill_in(noisy, np.append(0, others)).reshape(estimate.cascade.shape)
    missed = float(np.mean(np.abs((filled - noisy.reshape(filled.shape))[others]) ** 2))
    pilots_var = float(np.mean(estimate.cascade_var[0] / spread**2))
    trust = pilots_var / (pilots_var + missed)
    change = (trust * (filled[0] * spread - estimate.cascade[0])).astype(estimate.cascade.dtype)
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


def _fill_in(noisy: Tensor, missing: Int[np.ndarray, "element"]) -> Tensor:
    """A copy in which the missing elements are what the filter makes of the others.

    Guesses are noise of their own, larger than the noise: it is counted in full at first and halved in each turn, so
    that the strongest waves are filled in first.
    """
    known = noisy.reshape(-1, noisy.shape[2]).copy()
    rest = np.delete(known, missing, axis=0)
    known[missing] = rest.mean(axis=0)
    guess = float(np.mean(np.abs(rest) ** 2)) / 8
    for turn in range(FILL_TURNS):
        level = np.sqrt(1 + guess / 2**turn)
        filtered = level * _filter_subspaces(known.reshape(noisy.shape) / level)
        known[missing] = filtered.reshape(known.shape)[missing]
    return known.reshape(noisy.shape)


def _least_risk(noisy: Tensor) -> tuple[Tensor, float]:
    """The best mixture of both filters for noise of unit variance, and its expected squared error."""
    safe, keen = _filter_taps(noisy), _filter_subspaces(noisy)
    safe_divergence, keen_divergence = (
        _divergence(noisy, each, by) for each, by in ((safe, _filter_taps), (keen, _filter_subspaces))
    )
    step = keen - safe
    slope = float(np.vdot(step, noisy - safe).real) - (keen_divergence - safe_divergence)
    mix = float(np.clip(slope / max(_energy(step), np.finfo(float).tiny), 0, 1))
    mixed = safe + mix * step
    return mixed, _risk(noisy, mixed, safe_divergence + mix * (keen_divergence - safe_divergence))


def _risk(noisy: Tensor, filtered: Tensor, divergence: float) -> float:
    """Stein's estimate of the squared error; never below half of what the noise alone must leave."""
    return max(_energy(filtered - noisy) - noisy.size + 2 * divergence, divergence / 2)


def _divergence(noisy: Tensor, filtered: Tensor, by: Filter) -> float:
    rng = np.random.default_rng([20210817, noisy.size])
    probe = (rng.standard_normal(noisy.shape) + 1j * rng.standard_normal(noisy.shape)) * np.sqrt(0.5)
    return float(np.vdot(probe, by(noisy + PROBE * probe) - filtered).real) / PROBE


def _filter_taps(noisy: Tensor) -> Tensor:
    """Wiener filter over the delays, with the covariance that all elements share."""
    elements = noisy.reshape(-1, noisy.shape[2])
    power, vectors = np.linalg.eigh(elements.T @ elements.conj() / len(elements))
    gain = np.maximum(1 - 1 / np.maximum(power, 1), 0)
    return np.asarray((elements @ ((vectors * gain) @ vectors.conj().T).T).reshape(noisy.shape))


def _filter_subspaces(noisy: Tensor) -> Tensor:
    """Wiener filter in the core of a Tucker model; a coefficient's power is the mean over its neighbours."""
    pilot = _expand(_core(noisy, bases := _subspaces(noisy)), bases)
    ordered = [_leading(_unfold(pilot, mode), bases[mode].shape[1]) for mode in range(3)]
    core = _core(noisy, ordered)
    gain = 1 - 1 / np.maximum(_local_mean(np.abs(core) ** 2), 1)
    return _expand(core * gain, ordered)


def _subspaces(noisy: Tensor) -> list[Complex[np.ndarray, "size rank"]]:
    """For each axis the directions that stand above the edge of the noise's singular values, at least one."""
    bases = [np.eye(size, dtype=complex) for size in noisy.shape]
    for _ in range(TURNS):
        for mode in range(3):
            others = [base if k != mode else np.eye(len(base)) for k, base in enumerate(bases)]
            unfolded = _unfold(_core(noisy, others), mode)
            edge = (np.sqrt(unfolded.shape[0]) + np.sqrt(unfolded.shape[1])) ** 2
            power = np.linalg.eigvalsh(unfolded @ unfolded.conj().T)
            bases[mode] = _leading(unfolded, max(int(np.sum(power > edge)), 1))
    return bases


def _leading(unfolded: Complex[np.ndarray, "size rest"], rank: int) -> Complex[np.ndarray, "size rank"]:
    """The strongest left singular vectors, strongest first."""
    _, vectors = np.linalg.eigh(unfolded @ unfolded.conj().T)
    return np.asarray(vectors[:, : -rank - 1 : -1])


def _unfold(tensor: Core, mode: int) -> Complex[np.ndarray, "size rest"]:
    return np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)


def _core(tensor: Tensor, bases: list[np.ndarray]) -> Core:
    """Coordinates of a tensor in a basis of each axis."""
    rows, cols, taps = (base.conj() for base in bases)
    return np.asarray(np.einsum("rct,ra,cb,td->abd", tensor, rows, cols, taps, optimize=True))


def _expand(core: Core, bases: list[np.ndarray]) -> Tensor:
    return np.asarray(np.einsum("abd,ra,cb,td->rct", core, *bases, optimize=True))


def _local_mean(power: Float[np.ndarray, "row col tap"]) -> Float[np.ndarray, "row col tap"]:
    """Mean over 3 x 3 x 3 neighbours, edges repeated."""
    for axis in range(3):
        padded = np.pad(power, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode="edge")
        size = power.shape[axis]
        power = np.mean([np.take(padded, np.arange(size) + shift, axis=axis) for shift in range(3)], axis=0)
    return power


def _energy(values: Tensor) -> float:
    return float(np.sum(np.abs(values) ** 2))
