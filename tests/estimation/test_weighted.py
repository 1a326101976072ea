"""Weighted least squares against the fast transform, against theory, and where patterns tell too little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.errors import MeasurementError
from hil.estimation.least_squares import least_squares
from hil.estimation.weighted import weighted_least_squares
from hil.interfaces import Geometry
from hil.measure.sweep import SweepPlan
from hil.phy.grouping import block_groups

N, T = 16, 3
BASIS = np.eye(T, dtype=complex)


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def fit(reflection, taps, noise_var=None, gain=None, groups=None):
    noise_var = np.ones(len(taps)) if noise_var is None else noise_var
    return weighted_least_squares(
        reflection, taps, noise_var, np.ones(T) if gain is None else gain, basis=BASIS, groups=groups
    )


@pytest.mark.parametrize(
    ("scheme", "count"), [("pairs", 16), ("pairs", 12), ("hadamard", 12), ("hadamard_plus_one", 16)]
)
def test_whole_hadamard_sets_give_what_the_fast_transform_gives(scheme, count):
    rng = np.random.default_rng(0)
    plan = SweepPlan.from_config(SweepConfig(scheme=scheme), count, seed=1)
    taps, gain = noise(rng, plan.num_patterns, T), np.array([1.0, 2.0, 3.0])
    fast = least_squares(plan, taps, 0.1 * gain, basis=BASIS, cols=4)
    found = fit(plan.signs().astype(float), taps, np.full(len(taps), 0.1), gain)
    if scheme == "hadamard_plus_one":  # the fast way takes element 1 from two soundings alone
        assert np.all(found.cascade_var[0] <= 1.001 * fast.cascade_var[0])
        return
    assert_allclose(found.cascade, fast.cascade, atol=1e-12)
    assert_allclose(found.direct, fast.direct, atol=1e-12)
    assert_allclose(found.cascade_var, fast.cascade_var)
    assert found.condition == pytest.approx(1.0)


def test_the_cascades_condition_is_that_of_patterns_without_what_all_soundings_share():
    """States whose mean is not zero tie the elements' sum to the direct channel, and nothing else to anything."""
    rng = np.random.default_rng(2)
    patterns = 0.6 + rng.choice([-1.0, 1.0], (200, N))
    weight = rng.uniform(0.5, 2, 200)
    found = fit(patterns, noise(rng, 200, T), 1 / weight)
    mean = np.average(patterns, axis=0, weights=weight)
    alone = np.linalg.cond(np.sqrt(weight)[:, None] * (patterns - mean))
    assert found.cascade_condition == pytest.approx(alone, rel=2e-2)
    assert found.condition > 1.5 * found.cascade_condition


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), patterns=st.integers(24, 60), states=st.sampled_from([2, 4, 8]))
def test_any_patterns_that_tell_enough_give_the_channel_back(seed, patterns, states):
    rng = np.random.default_rng(seed)
    direct, cascade = noise(rng, T), noise(rng, N, T)
    reflection = np.exp(2j * np.pi * rng.integers(0, states, (patterns, N)) / states)
    model = np.column_stack([np.ones(patterns), reflection])
    if np.linalg.cond(model) > 1e3:
        return
    found = fit(reflection, direct + reflection @ cascade, rng.uniform(0.1, 10, patterns))
    assert_allclose(found.cascade, cascade, atol=1e-8)
    assert_allclose(found.direct, direct, atol=1e-8)
    assert_allclose(found.predict(reflection), direct + reflection @ cascade, atol=1e-8)


def test_the_variance_told_is_the_scatter_and_noisy_soundings_count_for_little():
    rng = np.random.default_rng(3)
    reflection = rng.choice([-1.0, 1.0], (48, N))
    noise_var = np.where(np.arange(48) % 4 == 0, 100.0, 1.0)
    errors, of_direct, equal = [], [], []
    for _ in range(400):
        taps = np.sqrt(noise_var)[:, None] * noise(rng, 48, T)
        found = fit(reflection, taps, noise_var)
        errors.append(np.abs(found.cascade) ** 2)
        of_direct.append(np.abs(found.direct) ** 2)
        equal.append(np.abs(fit(reflection, taps).cascade) ** 2)
    assert_allclose(np.mean(errors, axis=(0, 2)), found.cascade_var.mean(axis=1), rtol=0.25)
    assert np.mean(of_direct) == pytest.approx(found.direct_var.mean(), rel=0.1)
    assert np.mean(errors) < 0.2 * np.mean(equal)


def test_a_repeated_sounding_is_one_of_half_the_noise():
    rng = np.random.default_rng(4)
    reflection, taps = rng.choice([-1.0, 1.0], (30, N)), noise(rng, 30, T)
    twice = fit(np.repeat(reflection, 2, axis=0), np.repeat(taps, 2, axis=0), np.full(60, 2.0))
    assert_allclose(twice.cascade, fit(reflection, taps).cascade, atol=1e-10)
    assert_allclose(twice.cascade_var, fit(reflection, taps).cascade_var)


def test_states_in_a_fourier_matrix_are_as_good_as_hadamard_rows():
    """N + 1 patterns of as many phases: orthogonal, so each element has the variance of the mean of all soundings."""
    rng = np.random.default_rng(5)
    reflection = np.exp(2j * np.pi * np.outer(np.arange(N + 1), np.arange(1, N + 1)) / (N + 1))
    found = fit(reflection, noise(rng, N + 1, T))
    assert_allclose(found.cascade_var, 1 / (N + 1))
    assert found.condition == pytest.approx(1.0)


def test_elements_that_switch_together_share_what_is_found():
    rng = np.random.default_rng(6)
    groups = block_groups(Geometry(4, 4, 1.0, 1.0), 2, 2)
    signs = rng.choice([-1.0, 1.0], (12, 4))[:, groups]
    cascade, direct = noise(rng, 16, T), noise(rng, T)
    found = fit(signs, direct + signs @ cascade, groups=groups)
    sums = np.stack([cascade[groups == group].sum(axis=0) for group in range(4)])
    assert_allclose(found.cascade, sums[groups] / 4, atol=1e-10)
    assert_allclose(found.cascade_var, fit(signs[:, [0, 2, 8, 10]], noise(rng, 12, T)).cascade_var[groups] / 16)
    assert_allclose(found.predict(signs), direct + signs @ cascade, atol=1e-10)


@pytest.mark.parametrize("patterns", [N, 5])
def test_patterns_that_tell_too_little_are_refused(patterns):
    plan = SweepPlan.from_config(SweepConfig(scheme="hadamard"), N)
    signs = plan.signs().astype(float)[:patterns]
    with pytest.raises(MeasurementError, match=f"{patterns} patterns do not tell 17 unknowns apart"):
        fit(signs, noise(np.random.default_rng(7), patterns, T))


@pytest.mark.parametrize("apart", [0.0, 1e-6])
def test_patterns_in_which_two_elements_always_or_nearly_do_the_same_are_refused_however_many_they_are(apart):
    rng = np.random.default_rng(8)
    reflection = rng.choice([-1.0, 1.0], (60, N))
    reflection[:, 7] = reflection[:, 8] * (1 + apart * rng.standard_normal(60))
    with pytest.raises(MeasurementError, match="60 patterns do not tell 17 unknowns apart"):
        fit(reflection, noise(rng, 60, T))


@pytest.mark.parametrize("states", [2, 4])
def test_conjugate_gradients_give_what_the_inverse_gives(states):
    rng = np.random.default_rng(states)
    unknowns, patterns = 200, 640
    reflection = np.exp(2j * np.pi * rng.integers(0, states, (patterns, unknowns)) / states)
    reflection = (reflection.real if states == 2 else reflection).astype(np.float32 if states == 2 else np.complex64)
    taps, variance = noise(rng, patterns, T).astype(np.complex64), rng.uniform(0.5, 2, patterns)
    one, other = (
        weighted_least_squares(reflection, taps, variance, np.ones(T), basis=BASIS, dense=dense) for dense in (300, 100)
    )
    assert_allclose(other.cascade, one.cascade, atol=1e-4)
    assert_allclose(other.direct, one.direct, atol=1e-4)
    assert other.condition == pytest.approx(one.condition, rel=0.05)
    assert other.cascade_var.sum() == pytest.approx(one.cascade_var.sum(), rel=0.05)
    assert np.abs(10 * np.log10(other.cascade_var / one.cascade_var)).max() < 2


def test_conjugate_gradients_refuse_patterns_that_tell_too_little():
    rng = np.random.default_rng(1)
    reflection = rng.choice([-1.0, 1.0], (300, 200))
    reflection[:, 7] = reflection[:, 8]
    with pytest.raises(MeasurementError, match="do not tell"):
        weighted_least_squares(
            reflection.astype(np.float32), noise(rng, 300, T), np.ones(300), np.ones(T), basis=BASIS, dense=100
        )
