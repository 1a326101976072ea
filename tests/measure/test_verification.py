"""The verdict: intervals are Student's, drift that all arms share is no difference, and every round holds every arm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hil.arrays import Complex
from hil.measure.verification import Interval, Outcome, Schedule, Verification, judge


def mean_power(responses: Complex[np.ndarray, "sounding subcarrier"]) -> float:
    return float(np.mean(np.abs(responses) ** 2))


def judged(levels: np.ndarray, names: list[str], confidence: float = 0.95, soundings: int = 2) -> Verification:
    """Arms whose soundings have levels[round, arm], amplitudes, on three subcarriers."""
    schedule = Schedule.interleaved(len(names), len(levels), soundings, seed=3)
    responses = levels[schedule.round_, schedule.arm, None] * np.ones(3, dtype=complex)
    return judge(schedule, names, responses, rate=mean_power, power=mean_power, confidence=confidence)


@given(st.integers(0, 2**32), st.integers(2, 12), st.floats(0.5, 0.99))
def test_the_jackknife_of_a_mean_is_students_interval(seed: int, rounds: int, confidence: float) -> None:
    values = np.random.default_rng(seed).normal(5, 2, rounds)
    left_out = (values.sum() - values) / (rounds - 1)
    found = Interval.jackknife(float(values.mean()), left_out, confidence)
    low, high = stats.t.interval(confidence, rounds - 1, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4), st.integers(0, 100))
def test_each_round_holds_each_arm_as_often_as_asked(arms: int, rounds: int, soundings: int, seed: int) -> None:
    schedule = Schedule.interleaved(arms, rounds, soundings, seed)
    assert np.all(np.diff(schedule.round_) >= 0)
    counts = np.zeros((rounds, arms), dtype=int)
    np.add.at(counts, (schedule.round_, schedule.arm), 1)
    assert np.all(counts == soundings)


def test_the_order_of_arms_is_another_one_in_each_round_and_for_each_seed() -> None:
    orders = [Schedule.interleaved(4, 20, 1, seed).arm.reshape(20, 4) for seed in (0, 0, 1)]
    assert np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[0], orders[2])
    assert len(np.unique(orders[0], axis=0)) > 10
    assert np.all(np.mean(orders[0] == 0, axis=0) > 0)  # no place in a round is always the same arm's


def test_what_every_round_adds_to_all_arms_is_no_difference_between_them() -> None:
    drift = np.linspace(0, 3, 6)[:, None]
    found = judged(np.sqrt(np.array([2.0, 5.0, 4.5]) + drift), ["all_zero", "chosen", "stm"])
    assert found.rate_mbps["chosen"].value == pytest.approx(5 + drift.mean())
    assert found.rate_mbps["chosen"].high - found.rate_mbps["chosen"].low > 1
    for name, advantage in (("all_zero", 3.0), ("stm", 0.5)):
        interval = found.advantage_mbps[name]
        assert (interval.value, interval.low, interval.high) == pytest.approx((advantage,) * 3)
    assert set(found.advantage_mbps) == {"all_zero", "stm"}


def test_the_interval_of_a_mean_over_rounds_is_students() -> None:
    levels = 3 + np.random.default_rng(1).normal(size=(7, 2))
    found = judged(levels, ["all_zero", "chosen"]).rate_mbps["chosen"]
    power = levels[:, 1] ** 2
    low, high = stats.t.interval(0.95, 6, power.mean(), stats.sem(power))
    assert (found.value, found.low, found.high) == pytest.approx((power.mean(), low, high))


def test_gains_are_decibels_of_power_over_all_zero_and_blind_to_what_multiplies_all_arms() -> None:
    fading = np.array([1.0, 3.0, 0.5, 2.0])[:, None]
    found = judged(fading * np.array([2.0, 20.0]), ["all_zero", "chosen"])
    assert found.gain_db["all_zero"].value == 0
    interval = found.gain_db["chosen"]
    assert (interval.value, interval.low, interval.high) == pytest.approx((20.0,) * 3)


def test_more_confidence_is_a_wider_interval_around_the_same_value() -> None:
    levels = 3 + np.random.default_rng(0).normal(size=(8, 2))
    low, high = (judged(levels, ["all_zero", "chosen"], confidence) for confidence in (0.8, 0.99))
    one, other = low.advantage_mbps["all_zero"], high.advantage_mbps["all_zero"]
    assert one.value == other.value
    assert other.low < one.low < one.high < other.high


def test_the_response_of_an_arm_is_the_mean_of_its_own_soundings() -> None:
    levels = np.arange(1.0, 7.0).reshape(3, 2)
    found = judged(levels, ["all_zero", "chosen"])
    np.testing.assert_allclose(found.response["chosen"], 4.0)
    np.testing.assert_allclose(found.response["all_zero"], 3.0)


@pytest.mark.parametrize(
    ("lows", "outcome"),
    [
        ({"all_zero": 0.1}, Outcome.PASS),
        ({"all_zero": 0.0}, Outcome.FAIL),
        ({"all_zero": 0.1, "best_pilot": -0.1}, Outcome.FAIL),
        ({"all_zero": 0.1, "best_pilot": 0.1, "stm": -5.0}, Outcome.PASS),
        ({"all_zero": -0.1, "best_pilot": 0.1}, Outcome.FAIL),
    ],
)
def test_it_passes_where_all_zero_and_the_best_pilot_are_beaten_beyond_doubt(
    lows: dict[str, float], outcome: Outcome
) -> None:
    advantage = {name: Interval(low + 1, low, low + 2) for name, low in lows.items()}
    assert Verification({}, {}, advantage, {}, 0.95).outcome is outcome
