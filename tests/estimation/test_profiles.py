"""Power over delay alone places a sounding, and says where it could not."""

import numpy as np
import pytest

from hil.estimation.profiles import Comb, place_by_power

L, K, NUM_TAPS = 128, 100, 12


def placed(channel, plan, block, comb, learnt=None):
    learnt = np.arange(plan.num_patterns) if learnt is None else learnt
    floor = float(np.mean(np.abs(block.response[learnt]) ** 2)) / 10 * comb.teeth
    return place_by_power(comb.profiles(block.response), learnt, floor, length=2 * NUM_TAPS, apart=6)


def off(comb, place, starts):
    """Samples by which a placement misses what most are placed at, modulo the comb's period."""
    period = comb.period * L / K
    left = (place / comb.size * period + starts) % period
    return (left - np.median(left) + period / 2) % period - period / 2


def test_a_comb_sees_delays_modulo_a_period_longer_than_the_channel():
    comb = Comb.of(500, 20)
    assert comb.step * comb.period == 500
    assert comb.period > 20 + 8
    assert comb.first + comb.step * (comb.teeth - 1) < 500


def test_a_comb_of_few_subcarriers_takes_all():
    assert Comb.of(24, 20).step == 1


@pytest.mark.parametrize("direct_db", [0.0, 20.0])
def test_power_places_a_sounding_to_about_a_sample(make_channel, sweep, direct_db):
    channel = make_channel(12, 12, direct_db)
    plan, block, starts = sweep(channel, snr_db=30.0)
    comb = Comb.of(K, NUM_TAPS)
    place, _ = placed(channel, plan, block, comb)
    assert np.quantile(np.abs(off(comb, place, starts)), 0.95) < 1.5


def test_what_power_misplaces_has_no_margin(make_channel, sweep):
    misplaced = 0
    for seed in range(6):
        channel = make_channel(12, 12, 0.0, "rough", seed)
        plan, block, starts = sweep(channel, snr_db=3.0, seed=seed)
        comb = Comb.of(K, NUM_TAPS)
        place, margin = placed(channel, plan, block, comb)
        wrong = np.abs(off(comb, place, starts)) > 4
        misplaced += int(wrong.sum())
        assert np.median(margin) > 14
        assert margin[wrong].max(initial=0.0) < 12
    assert misplaced > 0


def test_what_is_common_is_learnt_from_those_that_are_named(make_channel, sweep):
    """Soundings that hold something else do not move the others."""
    channel = make_channel(12, 12)
    plan, block, _ = sweep(channel, snr_db=30.0)
    comb, learnt = Comb.of(K, NUM_TAPS), np.arange(100)
    place, _ = placed(channel, plan, block, comb, learnt)
    block.response[100:] = block.response[100:, ::-1].conj() * 3
    again, _ = placed(channel, plan, block, comb, learnt)
    assert np.array_equal(place[:100], again[:100])
