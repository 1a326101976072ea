"""Least squares from any set of patterns: partial sweeps, repetitions, grouped elements, states of several bits,
soundings that are not equally good.

Each sounding is direct + sum_n reflection[n] cascade[n] plus noise of its own variance, the same problem on each
coordinate. So one matrix of normal equations serves all of them, and its inverse tells what each element's error is.
Where the patterns are whole rows of an orthogonal matrix with equal noise, `fit` gives the same by a fast transform.
Up to `DENSE` unknowns the matrix is inverted; beyond, conjugate gradients solve it for all coordinates at once, and for
random signs, whose answers tell its inverse's diagonal (Hutchinson 1990).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigvalsh_tridiagonal

from hil.arrays import Complex, Float, Int
from hil.errors import MeasurementError
from hil.estimation.least_squares import CascadedEstimate

WORST_CONDITION = 1e5  # of the patterns: beyond it some elements are not told at all
WORST_BY_GRADIENTS = 300.0  # in single precision, and in turns of conjugate gradients that are worth their time
POWER_TURNS = 50
DENSE = 1536  # unknowns: 1 s and 100 MB
PROBES = 32
MAX_TURNS, SOLVED = 300, 1e-5  # of conjugate gradients: what is left, relative to what was asked

Model = Complex[np.ndarray, "pattern unknown"] | Float[np.ndarray, "pattern unknown"]


@dataclass(frozen=True)
class _Solved:
    """found: of each coordinate. variance: for unit noise of the soundings. condition: of the weighted patterns;
    cascade_condition: of what is left of them when the direct channel is not asked for."""

    found: Complex[np.ndarray, "unknown tap"]
    variance: Float[np.ndarray, "unknown"]
    condition: float
    cascade_condition: float


def weighted_least_squares(
    reflection: Complex[np.ndarray, "pattern element"] | Float[np.ndarray, "pattern element"],
    taps: Complex[np.ndarray, "pattern tap"],
    noise_var: Float[np.ndarray, "pattern"],
    noise_gain: Float[np.ndarray, "tap"],
    *,
    basis: Complex[np.ndarray, "subcarrier tap"],
    groups: Int[np.ndarray, "element"] | None = None,
    dense: int = DENSE,
) -> CascadedEstimate:
    """The channel from aligned soundings of any patterns, each weighted by its noise.

    reflection: of each element under each pattern, in the units in which the estimate shall predict.
    taps: coordinates of each sounding. noise_var: of each on one subcarrier. noise_gain: the basis's.
    groups: of each element, numbered from 0; those of a group switch together and get equal shares of what is found.
    dense: unknowns up to which the normal equations are inverted; beyond, variances are estimates, good to 1 or 2 dB.
    Raises MeasurementError where the patterns do not tell direct channel and elements apart.
    """
    groups = np.arange(reflection.shape[1]) if groups is None else groups
    _, first, size = np.unique(groups, return_index=True, return_counts=True)
    reflection = reflection[:, first]
    model = np.column_stack([np.ones(len(reflection), dtype=reflection.dtype), reflection])
    if len(model) < model.shape[1]:
        raise _untold(model)
    solve = _by_inverse if model.shape[1] <= dense else _by_gradients
    solved = solve(model, 1 / noise_var, taps)
    if not solved.condition < WORST_CONDITION:
        raise _untold(model)
    variance = solved.variance[:, None] * noise_gain
    share = 1 / size[groups][:, None]
    return CascadedEstimate(
        direct=solved.found[0],
        cascade=solved.found[1:][groups] * share,
        basis=basis,
        direct_var=variance[0],
        cascade_var=variance[1:][groups] * share**2,
        condition=solved.condition,
        cascade_condition=solved.cascade_condition,
    )


def _by_inverse(
    model: Model, weight: Float[np.ndarray, "pattern"], taps: Complex[np.ndarray, "pattern tap"]
) -> _Solved:
    double = model.astype(np.result_type(model.dtype, np.float64))
    weighted = double.conj().T * weight
    information = weighted @ double
    try:
        factor = cho_factor(information, lower=True)
    except np.linalg.LinAlgError:
        raise _untold(model) from None
    covariance = cho_solve(factor, np.eye(len(information), dtype=information.dtype))
    condition = float(np.sqrt(_largest(information) * _largest(covariance)))
    direct = information[1:, 0]
    of_cascade = information[1:, 1:] - np.outer(direct, direct.conj()) / information[0, 0]
    cascade_condition = float(np.sqrt(_largest(of_cascade) * _largest(covariance[1:, 1:])))
    return _Solved(covariance @ (weighted @ taps), np.diag(covariance).real, condition, cascade_condition)


def _by_gradients(
    model: Model, weight: Float[np.ndarray, "pattern"], taps: Complex[np.ndarray, "pattern tap"]
) -> _Solved:
    narrow = np.result_type(model.dtype, np.complex64)

    def told(values: np.ndarray) -> np.ndarray:
        return np.asarray((values.conj().T @ model).conj().T)

    def inform(values: np.ndarray) -> np.ndarray:
        return told(weight[:, None].astype(np.float32) * (model @ values))

    probes = np.random.default_rng(0).choice([-1.0, 1.0], (model.shape[1], PROBES)).astype(narrow)
    asked = np.concatenate([told((weight[:, None] * taps).astype(narrow)), probes], axis=1)
    found, condition = _conjugate_gradients(inform, asked, model)
    num_taps = taps.shape[1]
    variance = np.mean((probes.conj() * found[:, num_taps:]).real, axis=1)
    alone = 1 / (weight @ (np.abs(model) ** 2))  # if all others were known: no variance is below it
    return _Solved(found[:, :num_taps], np.maximum(variance, alone), condition, condition)  # the bound by interlacing


def _conjugate_gradients(
    inform: Callable[[np.ndarray], np.ndarray], asked: np.ndarray, model: Model
) -> tuple[np.ndarray, float]:
    """All columns at once, each with its own steps, and the condition of the model (Hestenes and Stiefel 1952).

    The last column's steps are those of Lanczos' method, whose eigenvalues are nearly the extreme ones.
    """
    found, left = np.zeros_like(asked), asked.copy()
    step, steepest = left.copy(), 0.0
    energy = _energy(left)
    goal = SOLVED**2 * energy
    steps: list[tuple[float, float]] = []
    for _ in range(MAX_TURNS):
        answer, open_ = inform(step), energy > goal
        bent = np.where(open_, np.sum((step.conj() * answer).real, axis=0, dtype=np.float64), 1.0)
        curvature = bent[open_] / _energy(step[:, open_])
        steepest = max(steepest, float(curvature.max()))
        if curvature.min() * WORST_BY_GRADIENTS**2 < steepest:
            raise _untold(model)
        length = np.where(open_, energy / bent, 0.0)
        found += (length * step).astype(found.dtype)
        left -= (length * answer).astype(left.dtype)
        before, energy = energy, _energy(left)
        ratio = np.where(open_, energy / before, 0.0)
        if open_[-1]:
            steps.append((float(length[-1]), float(ratio[-1])))
        if np.all(energy <= goal):
            return found, _condition(steps)
        step = left + (ratio * step).astype(left.dtype)
    raise _untold(model)


def _condition(steps: list[tuple[float, float]]) -> float:
    """Root of the ratio of the extreme eigenvalues of Lanczos' tridiagonal matrix."""
    length, ratio = np.array(steps).T
    diagonal = 1 / length + np.append(0.0, ratio[:-1] / length[:-1])
    values = eigvalsh_tridiagonal(diagonal, np.sqrt(ratio[:-1]) / length[:-1])
    return float(np.sqrt(values[-1] / values[0]))


def _energy(values: np.ndarray) -> Float[np.ndarray, "column"]:
    return np.asarray(np.sum(np.abs(values) ** 2, axis=0, dtype=np.float64))


def _untold(model: Model) -> MeasurementError:
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
