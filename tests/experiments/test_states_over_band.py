"""States that vary over the band: what is foretold and what is chosen follow it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hil.config import load_testbed
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.choose import problem_of
from hil.interfaces import LinkBudget
from hil.measure.setup import Setup
from hil.optimize.solve import solve
from hil.phy.band import band_powers
from hil.phy.taps import DelayBasis

STATION = load_testbed(Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml")
SIDE, TURN_RAD = 8, np.radians(20)  # of the last two states, from the lower end of the band to the upper


def station_of_four() -> Setup:
    states = np.array([1.0, -1.0, 1j, -1j])
    dispersion = np.array([0.5j * TURN_RAD * states, -((0.5 * TURN_RAD) ** 2) / 2 * states])
    dispersion[:, :2] = 0
    budget = LinkBudget(0.0, -120.0, STATION.ofdm.bandwidth_hz, 1.0, True)
    return Setup(STATION, "desk", SIDE, SIDE, states, 0, 1, budget, True, dispersion)


def estimate_for(setup: Setup, seed: int) -> CascadedEstimate:
    rng = np.random.default_rng(seed)
    basis = DelayBasis.build(setup.grid.used, 0, 6).basis
    shape = (SIDE * SIDE, basis.shape[1])
    cascade = 1e-6 * (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * 0.6 ** np.arange(shape[1])
    direct = 1e-6 * (rng.normal(size=shape[1]) + 1j * rng.normal(size=shape[1]))
    zeros = np.zeros(shape)
    return CascadedEstimate(direct, cascade, basis, zeros[0], zeros, setup.states, setup.dispersion)


def test_a_prediction_is_what_each_element_reflects_on_each_subcarrier() -> None:
    setup = station_of_four()
    estimate, pattern = estimate_for(setup, 1), np.random.default_rng(2).integers(0, 4, (3, SIDE * SIDE))
    assert setup.dispersion is not None
    reflection = setup.states + band_powers(len(estimate.basis), 3)[1:].T @ setup.dispersion
    cascade = estimate.cascade @ estimate.basis.T
    true = estimate.basis @ estimate.direct + np.einsum("pnk,nk->pk", reflection.T[pattern], cascade)
    np.testing.assert_allclose(estimate.predict_patterns(pattern.astype(np.uint8)), true)
    flat = replace(estimate, dispersion=None).predict_patterns(pattern.astype(np.uint8))
    error = np.sum(np.abs(flat - true) ** 2) / np.sum(np.abs(true) ** 2)
    assert 10 * np.log10(error) > -35  # what one number would leave of a held-out prediction


@pytest.mark.parametrize("seed", [1, 2])
def test_a_chosen_pattern_is_rated_by_what_is_foretold_of_it_and_no_single_change_is_foretold_to_help(
    seed: int,
) -> None:
    setup = replace(station_of_four(), dead=(3, 17))
    estimate = estimate_for(setup, seed)
    problem = problem_of(estimate, setup)
    solution = solve(problem, "tap-space", seed=0, certify=False)
    pattern = solution.pattern
    assert pattern is not None
    follows = estimate.cascade.copy()
    follows[[3, 17]] = 0
    without = replace(estimate, cascade=follows)
    changed = np.repeat(pattern[None], 4 * SIDE * SIDE, axis=0)
    changed[np.arange(len(changed)), np.arange(len(changed)) // 4] = np.arange(len(changed)) % 4
    foretold = [setup.rate_mbps(setup.budget.scale * each) for each in without.predict_patterns(changed)]
    best = setup.rate_mbps(setup.budget.scale * without.predict_patterns(pattern[None])[0])
    assert best == pytest.approx(float(solution.rate_mbps)) == pytest.approx(float(problem.rate_of(pattern)))
    assert max(foretold) <= best * (1 + 1e-9)
