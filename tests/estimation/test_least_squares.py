import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.errors import MeasurementError
from hil.estimation.least_squares import CascadedEstimate, least_squares
from hil.measure.sweep import SweepPlan

T = 5
VAR = np.array([1.0, 1.0, 2.0, 0.5, 1.0])
RNG = np.random.default_rng(8)
SHAPES = [
    ("pairs", 8, 8),
    ("hadamard_plus_one", 8, 8),
    ("pairs", 6, 8),
    ("hadamard", 6, 8),
    ("hadamard_plus_one", 6, 8),
]


def noise(*shape):
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)) * np.sqrt(0.5)


def plan_of(scheme, rows, cols, seed=3):
    return SweepPlan.from_config(SweepConfig(scheme=scheme), rows * cols, seed=seed)


def estimate(plan, direct, cascade, cols, *, scale=0.0, lost=None):
    taps = direct + plan.signs().astype(float) @ cascade
    taps = taps + scale * np.sqrt(VAR) * noise(*taps.shape)
    if lost is not None:
        taps[lost] = 1e3
    return least_squares(plan, taps, scale**2 * VAR, basis=np.eye(T, dtype=complex), cols=cols, lost=lost)


@pytest.mark.parametrize(("scheme", "rows", "cols"), SHAPES)
def test_without_noise_the_channel_is_exact(scheme, rows, cols):
    direct, cascade = noise(T), noise(rows * cols, T)
    found = estimate(plan_of(scheme, rows, cols), direct, cascade, cols)
    assert_allclose(found.direct, direct, atol=1e-6)
    assert_allclose(found.cascade, cascade, atol=1e-6)


def test_n_pilots_are_exact_where_columns_are_alike():
    """The paper's assumption: transmitter, surface and receiver in one plane."""
    cascade = np.tile(noise(8, T), (8, 1))
    direct = noise(T)
    found = estimate(plan_of("hadamard", 8, 8), direct, cascade, 8)
    assert_allclose(found.cascade, cascade, atol=1e-6)
    assert_allclose(found.direct, direct, atol=1e-6)


def test_n_pilots_are_wrong_by_element_one_alone_where_they_are_not_and_know_it():
    direct, cascade = noise(T), noise(64, T)
    plan = plan_of("hadamard", 8, 8)
    found = estimate(plan, direct, cascade, 8)
    assert_allclose(found.cascade[1:], cascade[1:], atol=1e-6)
    assert_allclose(found.direct + found.tied * found.cascade[0], direct + plan.mask[0] * cascade[0], atol=1e-6)
    assert found.condition == np.inf
    assert 0.2 < np.sum(np.abs(found.cascade[0] - cascade[0]) ** 2) / found.cascade_var[0].sum() < 5


@pytest.mark.parametrize(("scheme", "rows", "cols"), SHAPES)
def test_variances_are_what_noise_does(scheme, rows, cols):
    direct, cascade, plan = noise(T), noise(rows * cols, T), plan_of(scheme, rows, cols)
    found = [estimate(plan, direct, cascade, cols, scale=0.3) for _ in range(300)]
    cascade_error = np.mean([np.abs(each.cascade - cascade) ** 2 for each in found], axis=0)
    direct_error = np.mean([np.abs(each.direct - direct) ** 2 for each in found], axis=0)
    assert_allclose(cascade_error[0], found[0].cascade_var[0], rtol=0.3)
    assert_allclose(cascade_error[1:].mean(axis=0), found[0].cascade_var[1], rtol=0.05)
    assert_allclose(direct_error, found[0].direct_var, rtol=0.3)


def test_pairs_are_worth_twice_the_rows():
    direct, cascade = noise(T), noise(64, T)
    pairs = estimate(plan_of("pairs", 8, 8), direct, cascade, 8, scale=1.0)
    rows = estimate(plan_of("hadamard", 8, 8), direct, cascade, 8, scale=1.0)
    assert_allclose(rows.cascade_var[1], 2 * pairs.cascade_var[1])


def test_a_lost_sounding_is_told_by_its_complement():
    direct, cascade, plan = noise(T), noise(64, T), plan_of("pairs", 8, 8)
    lost = np.zeros(plan.num_patterns, dtype=bool)
    lost[[4, 9, 77]] = True
    found = estimate(plan, direct, cascade, 8, lost=lost)
    assert_allclose(found.cascade, cascade, atol=1e-6)
    assert_allclose(found.direct, direct, atol=1e-6)
    assert found.lost == 3


def test_a_lost_sounding_without_complement_costs_its_share_of_the_energy():
    direct, cascade, plan = noise(T), noise(48, T), plan_of("hadamard", 6, 8)
    lost = np.zeros(plan.num_patterns, dtype=bool)
    lost[[5, 6]] = True
    found = estimate(plan, direct, cascade, 8, lost=lost)
    error = np.sum(np.abs(found.cascade - cascade) ** 2) / np.sum(np.abs(cascade) ** 2)
    assert error < 4 * 2 / 64


def test_too_many_lost_soundings_are_no_estimate():
    plan = plan_of("pairs", 8, 8)
    lost = np.arange(plan.num_patterns) < plan.num_patterns // 5
    with pytest.raises(MeasurementError, match="25 of 128"):
        estimate(plan, noise(T), noise(64, T), 8, lost=lost)


def test_prediction_is_the_paper_s_equation():
    """h = basis (direct + sum_n reflection_n cascade_n), for any reflection and for states."""
    basis = np.linalg.qr(noise(20, T))[0]
    direct, cascade = noise(T), noise(3, T)
    states = np.array([1.0, -1.0, 0.3j])
    found = CascadedEstimate(direct, cascade, basis, VAR, np.tile(VAR, (3, 1)), states)
    by_hand = basis @ (direct + cascade[0] - cascade[1] + 0.3j * cascade[2])
    assert_allclose(found.predict_patterns(np.array([[0, 1, 2]], dtype=np.uint8))[0], by_hand)
    assert_allclose(found.predict(np.array([1, -1, 0.3j])), by_hand)


def test_the_foreseen_error_is_the_error():
    direct, cascade = noise(T), noise(64, T)
    found = estimate(plan_of("pairs", 8, 8), direct, cascade, 8, scale=3.0)
    actual = 10 * np.log10(np.sum(np.abs(found.cascade - cascade) ** 2) / np.sum(np.abs(cascade) ** 2))
    assert_allclose(found.nmse_db, actual, atol=1.0)
    assert found.summary()["foreseen_nmse_db"] == found.nmse_db


def test_of_a_surface_that_is_not_seen_the_foreseen_error_stays_a_number_that_means_something():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        error = (rng.standard_normal((64, T, 2)) @ [1, 1j]) / np.sqrt(2)
        found = CascadedEstimate(noise(T), error, np.eye(T) + 0j, np.ones(T), np.ones((64, T)))
        assert 5 < found.nmse_db <= 10 * np.log10(np.sqrt(64 * T)) + 1e-9
