"""Least squares from any set of patterns: partial sweeps, repetitions, grouped elements, states of several bits,
soundings that are not equally good.

Each sounding is direct + sum_n reflection[n] cascade[n] plus noise of its own variance, the same problem on each
coordinate. So one matrix of normal equations serves all of them, and its inverse tells what each element's error is.
Where the patterns are whole Hadamard rows with equal noise, `least_squares` gives the same by a fast transform.
"""

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.errors import MeasurementError
from hil.estimation.least_squares import CascadedEstimate

WORST_CONDITION = 1e5  # of the patterns: beyond it some elements are not told at all
POWER_TURNS = 50


def weighted_least_squares(
    reflection: Complex[np.ndarray, "pattern element"] | Float[np.ndarray, "pattern element"],
    taps: Complex[np.ndarray, "pattern tap"],
    noise_var: Float[np.ndarray, "pattern"],
    noise_gain: Float[np.ndarray, "tap"],
    *,
    basis: Complex[np.ndarray, "subcarrier tap"],
    groups: Int[np.ndarray, "element"] | None = None,
) -> CascadedEstimate:
    """The channel from aligned soundings of any patterns, each weighted by its noise.

    reflection: of each element under each pattern, in the units in which the estimate shall predict.
    taps: coordinates of each sounding. noise_var: of each on one subcarrier. noise_gain: the basis's.
    groups: of each element, numbered from 0; those of a group switch together and get equal shares of what is found.
    Raises MeasurementError where the patterns do not tell direct channel and elements apart. Memory and time grow with
    the square and the cube of the number of groups: 4096 take 10 s and 400 MB.
    """
    from scipy.linalg import cho_factor, cho_solve

    groups = np.arange(reflection.shape[1]) if groups is None else groups
    _, first, size = np.unique(groups, return_index=True, return_counts=True)
    model = np.column_stack([np.ones(len(reflection)), reflection[:, first]])
    weighted = model.conj().T / noise_var
    information = weighted @ model
    try:
        factor = cho_factor(information, lower=True)
    except np.linalg.LinAlgError:
        raise _untold(model) from None
    covariance = cho_solve(factor, np.eye(len(information), dtype=information.dtype))
    condition = float(np.sqrt(_largest(information) * _largest(covariance)))
    if not condition < WORST_CONDITION:
        raise _untold(model)
    found = covariance @ (weighted @ taps)
    variance = np.diag(covariance).real[:, None] * noise_gain
    share = 1 / size[groups][:, None]
    return CascadedEstimate(
        direct=found[0],
        cascade=found[1:][groups] * share,
        basis=basis,
        direct_var=variance[0],
        cascade_var=variance[1:][groups] * share**2,
        condition=condition,
    )


def _untold(model: Complex[np.ndarray, "pattern unknown"] | Float[np.ndarray, "pattern unknown"]) -> MeasurementError:
    patterns, unknowns = model.shape
    return MeasurementError(
        f"{patterns} patterns do not tell {unknowns} unknowns apart (the direct channel and {unknowns - 1} groups of "
        "elements): sound more patterns, or complements, or let more elements switch together"
    )


def _largest(matrix: Complex[np.ndarray, "size size"] | Float[np.ndarray, "size size"]) -> float:
    """Largest eigenvalue of a positive definite matrix, by power iteration from a fixed start."""
    vector = np.random.default_rng(0).standard_normal(len(matrix)).astype(matrix.dtype)
    for _ in range(POWER_TURNS):
        vector = matrix @ vector
        length = float(np.linalg.norm(vector))
        vector /= length
    return length
