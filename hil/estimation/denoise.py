"""Less noise in the cascaded channel, by what a surface's channel is: few plane waves, few delays.

Two filters whose every choice follows from the noise variance: Wiener over the delays alone (sure to keep what it
cannot explain), and Wiener in the subspaces of rows x columns x delays that stand above the noise (a Tucker model,
higher-order orthogonal iteration, De Lathauwer et al. 2000). The mixture of both that Stein's unbiased risk estimate
finds best is taken; the divergences that it needs are found by a random probe (Ramani et al. 2008).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float
from hil.estimation.least_squares import CascadedEstimate

PROBE = 3e-2  # step of the probe that finds the divergence, in standard deviations of the noise
TURNS = 3
LEAST_OTHERS = 1e-2  # share of the others in an element that is projected: less of it tells nothing

Tensor = Complex[np.ndarray, "row col tap"]
Core = Complex[np.ndarray, "_ _ _"]
Bases = list[Complex[np.ndarray, "_ _"]]
Filter = Callable[[Tensor], Tensor]


def denoise(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """The same estimate with less error, and the variance that is left."""
    estimate = _untie(estimate, rows, cols) if estimate.tied else estimate
    spread = np.sqrt(np.median(estimate.cascade_var, axis=0)).astype(estimate.cascade.real.dtype)
    noisy = (estimate.cascade / spread).reshape(rows, cols, -1)
    filtered, risk = _least_risk(noisy)
    cascade = (filtered * spread).reshape(estimate.cascade.shape).astype(estimate.cascade.dtype)
    variance = np.minimum(estimate.cascade_var, risk / noisy.size * spread**2)
    return replace(estimate, cascade=cascade, cascade_var=variance)


def _untie(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """Element 1, of which the pilots tell little, combined with what the surface's other elements make of it."""
    spread = np.sqrt(np.median(estimate.cascade_var, axis=0)).astype(estimate.cascade.real.dtype)
    noisy = (estimate.cascade / spread).reshape(rows, cols, -1)
    if min(rows, cols) < 2:
        return estimate
    guess, missed = _from_others(noisy)
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


def _from_others(noisy: Tensor) -> tuple[Complex[np.ndarray, "tap"], float]:
    """Element 1 from all others, and the mean squared error of such guesses, seen on all others.

    Under a projection on subspaces, what the others make of an element is its projection without its own share.
    """
    known = noisy.copy()
    known[0, 0] = noisy[1:, 0].mean(axis=0)
    bases = _subspaces_of_others(known)
    known[0, 0] = _leaving_itself_out(known, bases, _core(known, bases))[0, 0]
    guess = _leaving_itself_out(known, *_tucker(known, turns=1))
    missed = (guess - noisy).reshape(-1, noisy.shape[2])[1:]
    return guess[0, 0], float(np.mean(missed.real**2 + missed.imag**2))


def _leaving_itself_out(known: Tensor, bases: Bases, core: Core) -> Tensor:
    """Each element from all others."""
    rows, cols, taps = bases
    share = np.outer(*(np.sum(base.real**2 + base.imag**2, axis=1) for base in (rows, cols)))[..., None]
    own = share * ((known @ taps.conj()) @ taps.T)
    return np.asarray((_expand(core, bases) - own) / np.maximum(1 - share, LEAST_OTHERS))


def _subspaces_of_others(noisy: Tensor) -> Bases:
    """For each axis the directions above the noise's edge of what has nothing to do with element 1."""
    return [_above_noise(part, mode) for mode, part in enumerate((noisy[:, 1:], noisy[1:], noisy[1:]))]


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
    probe = rng.choice(np.array([1, 1j, -1, -1j], dtype=noisy.dtype), noisy.shape)
    return float(np.vdot(probe, by(noisy + noisy.dtype.type(PROBE) * probe) - filtered).real) / PROBE


def _filter_taps(noisy: Tensor) -> Tensor:
    """Wiener filter over the delays, with the covariance that all elements share."""
    elements = noisy.reshape(-1, noisy.shape[2])
    power, vectors = np.linalg.eigh(_gram(noisy, 2) / len(elements))
    gain = np.maximum(1 - 1 / np.maximum(power, 1), 0)
    return np.asarray((elements @ ((vectors * gain) @ vectors.conj().T).T).reshape(noisy.shape))


def _filter_subspaces(noisy: Tensor) -> Tensor:
    """Wiener filter in the core of a Tucker model; a coefficient's power is the mean over its neighbours."""
    bases, core = _tucker(noisy)
    turns = [_principal(_gram(core, mode))[1] for mode in range(3)]  # neighbours in the core: of similar strength
    for mode, turn in enumerate(turns):
        core = _times(core, turn.conj(), mode)
    filtered = core * (1 - 1 / np.maximum(_local_mean(core.real**2 + core.imag**2), 1))
    return _expand(filtered, [base @ turn for base, turn in zip(bases, turns, strict=True)])


def _tucker(noisy: Tensor, turns: int = TURNS) -> tuple[Bases, Core]:
    """For each axis the directions that stand above the edge of the noise's singular values, at least one, and the
    coordinates in them."""
    bases: dict[int, Complex[np.ndarray, "_ _"]] = {}
    for _ in range(turns):
        for mode in range(3):
            core = noisy
            for other in sorted(bases.keys() - {mode}, reverse=mode == 0):
                core = _times(core, bases[other].conj(), other)
            bases[mode] = _above_noise(core, mode)
    return [bases[mode] for mode in range(3)], _times(core, bases[mode].conj(), mode)


def _above_noise(tensor: Core, mode: int) -> Complex[np.ndarray, "size rank"]:
    """Directions along one axis that stand above the edge of the noise's singular values, at least one."""
    power, vectors = _principal(_gram(tensor, mode))
    size = tensor.shape[mode]
    edge = (np.sqrt(size) + np.sqrt(tensor.size / size)) ** 2
    return vectors[:, : max(int(np.sum(power > edge)), 1)]


def _principal(
    gram: Complex[np.ndarray, "size size"],
) -> tuple[Float[np.ndarray, "size"], Complex[np.ndarray, "size size"]]:
    """Powers and directions, strongest first."""
    power, vectors = np.linalg.eigh(gram)
    return power[::-1], vectors[:, ::-1]


def _gram(tensor: Core, mode: int) -> Complex[np.ndarray, "size size"]:
    unfolded = np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)
    return np.asarray(unfolded @ unfolded.conj().T)


def _core(tensor: Tensor, bases: Bases) -> Core:
    """Coordinates of a tensor in a basis of each axis."""
    for mode in (2, 0, 1):
        tensor = _times(tensor, bases[mode].conj(), mode)
    return tensor


def _expand(core: Core, bases: Bases) -> Tensor:
    for mode in range(3):
        core = _times(core, bases[mode].T, mode)
    return core


def _times(tensor: Core, matrix: Complex[np.ndarray, "size other"], mode: int) -> Core:
    """One axis of a tensor replaced by its products with the columns of a matrix."""
    if mode == 2:
        return np.asarray(tensor @ matrix)
    if mode == 1:
        return np.asarray(matrix.T @ tensor)
    return np.asarray((matrix.T @ tensor.reshape(len(tensor), -1)).reshape(-1, *tensor.shape[1:]))


def _local_mean(power: Float[np.ndarray, "row col tap"]) -> Float[np.ndarray, "row col tap"]:
    """Mean over 3 x 3 x 3 neighbours, edges repeated."""
    for axis in range(3):
        along = np.moveaxis(power, axis, 0)
        before, after = np.concatenate([along[:1], along[:-1]]), np.concatenate([along[1:], along[-1:]])
        power = np.moveaxis((before + along + after) / 3, 0, axis)
    return power


def _energy(values: Tensor) -> float:
    return float(np.vdot(values, values).real)
