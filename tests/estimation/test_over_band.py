"""Sweeps over all states of a board whose states vary over the band."""

from dataclasses import replace

import numpy as np

from hil.config import SweepConfig
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.estimate import estimate_taps
from hil.estimation.fit import fit_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.over_band import ROUNDS, added_over_band
from hil.measure.roots import RootPlan
from hil.phy.band import band_powers
from hil.phy.taps import DelayBasis

STATES = np.array([1, 1j, -1, -1j])
DISPERSION = np.array([0.5j, -0.125])[:, None] * STATES * np.array([0, 1, 0, -1])
USED = np.arange(64) != 32


def channel(basis: DelayBasis, elements: int) -> CascadedEstimate:
    rng = np.random.default_rng(0)
    cascade = rng.standard_normal((elements, basis.num_taps, 2)) @ [1, 1j]
    direct = 10 * rng.standard_normal((basis.num_taps, 2)) @ [1, 1j]
    zero = np.zeros(cascade.shape)
    return CascadedEstimate(direct, cascade, basis.basis, zero[0], zero, STATES, DISPERSION)


def test_what_states_add_over_the_band_is_what_a_sounding_shows_beyond_one_number_each() -> None:
    basis = DelayBasis.build(USED, 0, 6)
    true, plan = channel(basis, 20), RootPlan.of_states(SweepConfig(scheme="dft"), STATES, 20, seed=1)
    added = added_over_band(plan, true, DISPERSION, basis.projector)
    for row, pattern in zip(added[:5], plan.patterns(slice(0, 5)), strict=True):
        varying = band_powers(64, 3)[1:].T @ DISPERSION[:, pattern]
        response = np.einsum("kn,nt,kt->k", varying, true.cascade, true.basis)
        np.testing.assert_allclose(row, basis.projector @ response, rtol=1e-4, atol=1e-5)


def test_taken_out_by_each_estimate_in_turn_it_leaves_a_channel_without_error() -> None:
    basis = DelayBasis.build(USED, 0, 6)
    true, plan = channel(basis, 20), RootPlan.of_states(SweepConfig(scheme="dft"), STATES, 20, seed=1)
    taps = true.predict_patterns(plan.patterns()) @ basis.projector.T
    time_s, lost = 5e-3 * np.arange(plan.num_patterns), np.zeros(plan.num_patterns, dtype=bool)
    found, errors = replace(true, cascade=0 * true.cascade), []
    for _ in range(1 + ROUNDS):
        left = taps - added_over_band(plan, found, DISPERSION, basis.projector)
        heard = AlignedSoundings(plan, left, np.ones(basis.num_taps), time_s, lost, basis.basis)
        found = fit_channel(heard, cols=5, states=STATES)
        errors.append(np.linalg.norm(found.cascade - true.cascade) / np.linalg.norm(true.cascade))
    assert errors[0] > 0.05
    assert errors[-1] < 0.01 * errors[0]


def test_it_is_taken_out_behind_the_drift_that_references_show() -> None:
    basis = DelayBasis.build(USED, 0, 6)
    true = channel(basis, 20)
    plan = RootPlan.of_states(SweepConfig(scheme="dft"), STATES, 20, seed=1).with_references(4)
    time_s, lost = 5e-3 * np.arange(plan.num_patterns), np.zeros(plan.num_patterns, dtype=bool)
    turn = np.exp(1j * np.linspace(-1, 1, plan.num_patterns))[:, None]
    taps = turn * (true.predict_patterns(plan.patterns()) @ basis.projector.T)
    heard = AlignedSoundings(plan, taps, np.full(basis.num_taps, 1e-4), time_s, lost, basis.basis)
    found, errors = None, []
    for _ in range(1 + ROUNDS):
        added = None if found is None else added_over_band(plan, found, DISPERSION, basis.projector)
        found = estimate_taps(heard, rows=4, cols=5, denoised=False, states=STATES, added=added)
        phase = np.exp(1j * np.angle(np.vdot(found.cascade, true.cascade)))
        errors.append(np.linalg.norm(phase * found.cascade - true.cascade) / np.linalg.norm(true.cascade))
    assert found is not None and found.drift_deg
    assert errors[-1] < 0.1 * errors[0]
