"""Paired differences: exact where nothing scatters, blind to what multiplies a round, right as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.measure.paired import Differences, Scale, differences, level_differences


def test_powers_that_do_not_scatter_give_their_ratio_and_no_interval() -> None:
    found = differences([np.tile([1.0, 10.0], (6, 1))])
    np.testing.assert_allclose(found.value, [[0, -10], [10, 0]])
    np.testing.assert_allclose(found.high - found.low, 0, atol=1e-6)


@given(st.integers(0, 1000))
def test_a_drift_that_all_arms_share_changes_nothing_in_the_intervals_of_equal_arms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drift = np.exp(rng.normal(size=(8, 1)).cumsum(axis=0))
    found = differences([drift * np.array([1.0, 3.0])], resamples=200)
    np.testing.assert_allclose(found.value[1, 0], 10 * np.log10(3), rtol=1e-9)
    np.testing.assert_allclose(found.high[1, 0] - found.low[1, 0], 0, atol=1e-6)


@given(st.integers(0, 1000))
def test_swapping_two_arms_swaps_the_sign(seed: int) -> None:
    powers = 1 + 0.2 * np.random.default_rng(seed).random((9, 3))
    found = differences([powers], resamples=200, seed=seed)
    np.testing.assert_allclose(found.value, -found.value.T)
    np.testing.assert_allclose(found.low, -found.high.T)


def test_visits_weigh_the_same_whatever_their_level_and_their_length() -> None:
    near = np.tile([100.0, 200.0], (20, 1))
    far = np.tile([1.0, 1.0], (6, 1))
    assert differences([near, far]).value[1, 0] == pytest.approx(10 * np.log10(2) / 2)


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    powers = 1 + 0.2 * np.random.default_rng(0).random((9, 2))
    one, again, other = (differences([powers], seed=seed) for seed in (1, 1, 2))
    assert one.to_json() == again.to_json() != other.to_json()
    np.testing.assert_array_equal(Differences.from_json(one.to_json()).value, np.round(one.value, 6))


def scattered(rng: np.random.Generator, rounds: int) -> np.ndarray:
    """Two arms of equal mean power with a drift in common."""
    return np.exp(0.05 * rng.normal(size=(rounds, 1)).cumsum(axis=0)) * (1 + 0.1 * rng.normal(size=(rounds, 2)))


@given(st.integers(0, 1000), st.floats(-50, 50))
def test_means_differ_by_what_they_differ_and_an_offset_in_common_changes_nothing(seed: int, offset: float) -> None:
    rates = 20 + np.random.default_rng(seed).random((9, 2))
    found, moved = (differences([each], scale="linear", resamples=200, seed=seed) for each in (rates, rates + offset))
    assert found.value[0, 1] == pytest.approx(rates[:, 0].mean() - rates[:, 1].mean())
    np.testing.assert_allclose([moved.low, moved.high], [found.low, found.high], atol=1e-6)


def test_the_difference_to_an_arm_without_a_rate_is_the_rate() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for k in range(400):
        rates = np.column_stack([20 + rng.normal(size=10), np.zeros(10)])
        found = differences([rates], scale="linear", resamples=300, seed=k)
        inside += found.low[0, 1] <= 20 <= found.high[0, 1]
    assert 0.92 < inside / 400 < 0.98


@pytest.mark.parametrize("num_visits", [1, 2])
def test_intervals_hold_the_truth_as_often_as_they_say(num_visits: int) -> None:
    rng = np.random.default_rng(3)
    found = [differences([scattered(rng, 10) for _ in range(num_visits)], resamples=300, seed=k) for k in range(600)]
    inside = np.mean([each.low[0, 1] <= 0 <= each.high[0, 1] for each in found])
    assert 0.93 < inside < 0.98


def test_percentiles_alone_would_be_too_short_where_blocks_are_few() -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(600):
        powers = scattered(rng, 6)
        drawn = powers[rng.integers(0, 6, (300, 6))].mean(axis=1)
        low, high = np.quantile(np.log(drawn[:, 0] / drawn[:, 1]), [0.025, 0.975])
        inside += low <= 0 <= high
    assert inside / 600 < 0.92


def test_slow_scatter_shows_as_memory_and_longer_blocks_mend_the_interval() -> None:
    rng = np.random.default_rng(5)
    inside = {1: 0, 8: 0}
    memory = []
    for _ in range(300):
        slow = np.repeat(rng.normal(size=12), 8)
        powers = np.stack([1 + 0.1 * slow, np.ones(96)], axis=1) + 0.02 * rng.normal(size=(96, 2))
        for block in inside:
            found = differences([powers], block_rounds=block, resamples=200)
            inside[block] += found.low[0, 1] <= 0 <= found.high[0, 1]
            if block == 1:
                memory.append(found.memory[0, 1])
    assert np.mean(memory) > 0.5
    assert inside[1] / 300 < 0.7
    assert inside[8] / 300 > 0.88


@pytest.mark.parametrize("scale", ["decibel", "linear"])
def test_scatter_of_each_arm_by_itself_has_no_memory_whatever_both_drift(scale: Scale) -> None:
    rng = np.random.default_rng(8)
    drift = np.exp(0.1 * rng.normal(size=(400, 1)).cumsum(axis=0))
    apart = 1 + 0.1 * rng.normal(size=(400, 2))
    powers = drift * apart if scale == "decibel" else drift + apart
    assert abs(differences([powers], scale=scale, resamples=2).memory[0, 1]) < 0.15


def test_levels_of_two_visits_are_told_apart_with_an_interval_as_often_right_as_it_says() -> None:
    rng = np.random.default_rng(6)
    inside = 0
    for k in range(400):
        one, other = 1 + 0.1 * rng.normal(size=(10, 1)), 2 + 0.2 * rng.normal(size=(10, 1))
        _, low, high = level_differences([(one, other)], resamples=300, seed=k)
        inside += low[0] <= 10 * np.log10(0.5) <= high[0]
    assert 0.92 < inside / 400 < 0.98


@given(st.integers(0, 1000), st.floats(-60, 60))
def test_another_level_of_a_visit_moves_its_difference_and_not_the_interval(seed: int, level_db: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = 1 + 0.1 * rng.normal(size=(10, 2)), 2 + 0.2 * rng.normal(size=(9, 2))
    found, moved = (
        np.array(level_differences([(one, gain * other)], resamples=200, seed=seed))
        for gain in (1, 10 ** (level_db / 10))
    )
    np.testing.assert_allclose(moved, found - level_db, atol=1e-6)


def test_too_few_blocks_and_arms_without_power_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than two blocks"):
        differences([np.ones((5, 2))], block_rounds=3)
    with pytest.raises(ValueError, match="no power above the noise"):
        differences([np.tile([1.0, -1.0], (6, 1))])
