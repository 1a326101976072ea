"""Element 1 of an N-pilot sweep by the surface's shape: what the other elements say of it.

N patterns tell N unknowns: all elements but the first, and the sum of the first (times its mask) and the direct
channel. The paper takes the first element as the mean of its column (`least_squares`), exact where transmitter, surface
and receiver are coplanar. Here it follows from its neighbours, or from a subspace of the array that is passed in as
data: the waves that reach it, known from an earlier sweep (`AngularSubspace.basis`) or from where the antennas stand.
The error of such a guess is learnt by guessing every other element in the same way, since those are known.
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float
from hil.estimation.least_squares import CascadedEstimate

MOST_LEVERAGE = 0.99  # of an element: beyond it the others tell next to nothing of it


def resolve_by_neighbours(estimate: CascadedEstimate, rows: int, cols: int) -> CascadedEstimate:
    """Element 1 on the plane through the elements beside, below and diagonally below it.

    Raises ValueError for a surface of one row or column, and where the sweep told element 1 by itself.
    """
    _require_tied(estimate)
    if min(rows, cols) < 2:
        raise ValueError(f"a surface of {rows} x {cols} elements has no neighbours in both directions")
    field = estimate.cascade.reshape(rows, cols, -1)
    guess = field[:-1, 1:] + field[1:, :-1] - field[1:, 1:]
    missed = (guess - field[:-1, :-1]).reshape(-1, field.shape[-1])[1:]
    return _resolved(estimate, guess[0, 0], _mean_square(missed))


def resolve_by_subspace(estimate: CascadedEstimate, modes: Complex[np.ndarray, "element mode"]) -> CascadedEstimate:
    """Element 1 from what the others hold of the modes; each element's own share is left out where it is guessed.

    modes: linearly independent over the elements. Raises ValueError for as many modes as elements, and where the sweep
    told element 1 by itself.
    """
    _require_tied(estimate)
    if modes.shape[1] >= len(modes) - 1:
        raise ValueError(f"{modes.shape[1]} modes of {len(modes)} elements fit any channel")
    others, unitary = estimate.cascade[1:], np.linalg.qr(modes[1:])[0]
    weights = np.linalg.lstsq(modes[1:], others, rcond=None)[0]
    leverage = np.minimum(np.sum(np.abs(unitary) ** 2, axis=1), MOST_LEVERAGE)
    missed = (others - modes[1:] @ weights) / (1 - leverage)[:, None]
    return _resolved(estimate, modes[0] @ weights, _mean_square(missed))


def _resolved(
    estimate: CascadedEstimate, guess: Complex[np.ndarray, "tap"], missed: Float[np.ndarray, "tap"]
) -> CascadedEstimate:
    """The estimate with that element 1, the direct channel being what is left of their sum."""
    cascade, variance = estimate.cascade.copy(), estimate.cascade_var.copy()
    total = estimate.direct + estimate.tied * cascade[0]
    cascade[0], variance[0] = guess, np.maximum(missed, estimate.cascade_var[1:].mean(axis=0))
    direct = (total - estimate.tied * cascade[0]).astype(estimate.direct.dtype)
    return replace(estimate, direct=direct, cascade=cascade, direct_var=variance[0], cascade_var=variance)


def _require_tied(estimate: CascadedEstimate) -> None:
    if estimate.tied == 0 or np.isfinite(estimate.condition):
        raise ValueError("this sweep tells element 1 by itself; the scheme `hadamard` of N = 2^k elements does not")


def _mean_square(values: Complex[np.ndarray, "_ tap"]) -> Float[np.ndarray, "tap"]:
    return np.asarray(np.mean(np.abs(values) ** 2, axis=0), dtype=float)
