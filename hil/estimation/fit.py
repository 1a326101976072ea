"""The channel from the aligned soundings of any plan: by a fast transform where its rows are whole and orthogonal, by
weighted least squares elsewhere (parts of a sweep, lost soundings, groups, states that do not lie on a circle).
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.least_squares import CascadedEstimate, least_squares, too_many_lost
from hil.estimation.weighted import weighted_least_squares
from hil.measure.roots import RootPlan
from hil.phy.roots import transform

MAX_LOST = 0.5  # share of the soundings of a plan that is solved by weights; whether the rest suffices they tell


def fit_channel(heard: AlignedSoundings, *, cols: int, states: Complex[np.ndarray, "state"]) -> CascadedEstimate:
    """The channel that explains the soundings best.

    cols: of the surface. states: reflection of each, in units in which the sweep shows +1 and -1.
    Raises MeasurementError where the soundings that are left do not tell direct channel and elements apart.

    >>> fit_channel(heard, cols=16, states=setup.states).condition
    1.0
    """
    plan, taps, lost = heard.plan, heard.taps, heard.lost
    if isinstance(plan, RootPlan):
        if plan.whole and plan.ring.exact and not lost.any():
            return root_least_squares(plan, taps, heard.tap_var, basis=heard.basis)
    elif plan.whole and (plan.scheme == "pairs" or plan.num_groups == plan.num_elements):
        return least_squares(plan, taps, heard.tap_var, basis=heard.basis, cols=cols, lost=lost)
    return _by_weights(heard, states)


def root_least_squares(
    plan: RootPlan,
    taps: Complex[np.ndarray, "pattern tap"],
    tap_var: Float[np.ndarray, "tap"],
    *,
    basis: Complex[np.ndarray, "subcarrier tap"],
) -> CascadedEstimate:
    """By the Fourier transform over the digits of the rows; the plan is whole, its ring exact.

    With states middle + radius w^e the transform gives radius times the cascade, and the direct channel together with
    the middle's share of all elements.
    """
    order, ring = plan.order, plan.ring
    values = np.empty_like(taps)
    values[plan.row] = taps
    columns = transform(values, plan.radices) / order
    back = np.exp(-2j * np.pi * plan.turn / ring.num_roots) / ring.radius / plan.group_size
    cascade = columns[plan.column] * back[:, None]
    direct = columns[0] - ring.middle * cascade.sum(axis=0)
    own = tap_var / (order * abs(ring.radius) ** 2)
    return CascadedEstimate(
        direct=direct.astype(taps.dtype),
        cascade=cascade.astype(taps.dtype),
        basis=basis,
        direct_var=tap_var / order + abs(ring.middle) ** 2 * plan.num_groups * own,
        cascade_var=np.asarray(own / plan.group_size[:, None] ** 2),
        condition=_condition(plan),
    )


def _condition(plan: RootPlan) -> float:
    """Of the patterns and the constant: columns are orthogonal, but for what the middle adds of the constant."""
    spread, both = abs(plan.ring.radius) ** 2, abs(plan.ring.middle) * np.sqrt(plan.num_groups)
    ends = np.linalg.eigvalsh(np.array([[1.0, both], [both, spread + both**2]]))
    return float(np.sqrt(max(ends[1], spread) / min(ends[0], spread)))


def _by_weights(heard: AlignedSoundings, states: Complex[np.ndarray, "state"]) -> CascadedEstimate:
    lost, kept = heard.lost, np.flatnonzero(~heard.lost)
    if lost.mean() > MAX_LOST or (lost.any() and kept.size <= heard.plan.num_groups):
        raise too_many_lost(lost)
    values = states if np.abs(states.imag).max() > 1e-9 else states.real
    single = np.float32 if values.dtype == np.float64 else np.complex64
    found = weighted_least_squares(
        values.astype(single)[heard.plan.patterns(kept)],
        heard.taps[kept],
        np.ones(kept.size),
        heard.tap_var,
        basis=heard.basis,
        groups=np.unique(heard.plan.column, return_inverse=True)[1],
    )
    return replace(found, lost=int(lost.sum()))
