import numpy as np
from numpy.testing import assert_allclose

from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.prediction import compare_held_out, nmse_to_truth_db
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis, delay_response

L = 128


def exact(channel, error=0.0, seed=0):
    """An estimate that is the channel itself, or errs by a share of it."""
    rng = np.random.default_rng(seed)
    wrong = np.exp(2j * np.pi * rng.random((len(channel.cascade), 1))) * channel.cascade
    basis = DelayBasis.build(np.ones(channel.direct.size, dtype=bool), 19.0, 31.0)
    cascade = basis.project(channel.cascade + error * wrong)
    return CascadedEstimate(
        basis.project(channel.direct), cascade, basis.basis, np.zeros(basis.num_taps), np.zeros(cascade.shape)
    )


def held_out(channel, snr_db, seed=1, count=32):
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 2, (count, len(channel.cascade))).astype(np.uint8)
    block, _ = channel.sound(1.0 - 2.0 * patterns, snr_db, rng, phase=2.2)
    return patterns, block


def test_the_soundings_own_noise_is_no_error_of_the_prediction(make_channel):
    """At 6 dB SNR a perfect prediction misses the soundings by -6 dB; that is not held against it."""
    channel = make_channel(direct_db=-5.0)
    patterns, block = held_out(channel, 6.0)
    prediction = compare_held_out(exact(channel), patterns, block, channel.grid)
    assert prediction.resolution_db < -20
    assert prediction.nmse_db < prediction.resolution_db + 5


def test_an_estimates_error_is_measured(make_channel):
    channel = make_channel(direct_db=-20.0)
    patterns, block = held_out(channel, 15.0)
    prediction = compare_held_out(exact(channel, 0.1), patterns, block, channel.grid)
    assert_allclose(prediction.nmse_db, -20.0, atol=1.0)


def test_what_the_estimates_window_misses_is_an_error_too(make_channel):
    """A path far outside of the delays that the estimate can hold, 20 dB below the rest."""
    channel = make_channel(direct_db=0.0)
    estimate = exact(channel)
    channel.direct = channel.direct + 0.1 * np.sqrt(2) * delay_response(100, np.array([70.0]))[:, 0]
    patterns, block = held_out(channel, 15.0)
    assert_allclose(compare_held_out(estimate, patterns, block, channel.grid).nmse_db, -20.0, atol=1.0)


def test_small_errors_are_told_from_noise_far_above_them(make_channel):
    channel = make_channel(direct_db=-20.0)
    patterns, block = held_out(channel, 10.0, count=256)
    prediction = compare_held_out(exact(channel, 0.06), patterns, block, channel.grid)
    assert_allclose(prediction.nmse_db, 20 * np.log10(0.06), atol=1.5)


def test_noise_as_strong_as_the_signal_hides_no_error_within_the_estimates_delays(make_channel):
    """-18 dB: over all subcarriers together noise would hide it; the signal is that of the channel alone."""
    channel = make_channel(direct_db=-20.0)
    estimate = exact(channel, 10 ** (-18 / 20))
    errors = []
    for seed in range(9):
        patterns, block = held_out(channel, 0.0, seed, count=64)
        errors.append(compare_held_out(estimate, patterns, block, channel.grid).nmse_db)
    assert_allclose(np.median(errors), -18.0, atol=1.5)


def test_what_can_be_told_is_one_standard_deviation_of_noise(make_channel):
    """A perfect prediction's figure is below it, so cut off there, in five of six cases."""
    channel = make_channel()
    estimate = exact(channel)
    found = [compare_held_out(estimate, *held_out(channel, 20.0, seed, 64), channel.grid) for seed in range(120)]
    assert 0.75 < np.mean([each.nmse_db == each.resolution_db for each in found]) < 0.93


def test_it_is_never_better_than_can_be_told(make_channel):
    channel = make_channel()
    for seed in range(20):
        patterns, block = held_out(channel, 10.0, seed, count=4)
        prediction = compare_held_out(exact(channel), patterns, block, channel.grid)
        assert prediction.nmse_db >= prediction.resolution_db


def test_measured_responses_lie_on_the_predicted_ones(make_channel):
    """The paper's Fig. 2: amplitude and phase."""
    channel = make_channel()
    patterns, block = held_out(channel, 40.0)
    prediction = compare_held_out(exact(channel), patterns, block, channel.grid)
    assert np.linalg.norm(prediction.measured - prediction.predicted) < 0.02 * np.linalg.norm(prediction.predicted)


def test_phases_that_wander_between_soundings_are_an_error(make_channel):
    """One common phase is unknown, not one for each sounding: a coherent prediction must hold its phase."""
    channel = make_channel()
    patterns, block = held_out(channel, 40.0)
    turns = np.exp(1j * np.random.default_rng(3).uniform(-1, 1, len(patterns)))
    block.response[:] *= turns[:, None]
    assert compare_held_out(exact(channel), patterns, block, channel.grid).nmse_db > -10


def test_truth_is_compared_up_to_one_phase_and_one_advance(make_channel):
    channel = make_channel()
    truth = channel.response(np.random.default_rng(2).choice([-1.0, 1.0], (5, 64)))
    elsewhere = advance(truth, np.full(5, 17), L) * np.exp(0.4j)
    assert nmse_to_truth_db(elsewhere, truth, L) < -200
    assert_allclose(nmse_to_truth_db(1.1 * elsewhere, truth, L), -20.0)
    uneven = advance(truth, np.array([17, 17, 17, 17, 40]), L)
    assert nmse_to_truth_db(uneven, truth, L) > -12


def test_where_nothing_was_held_out_nothing_is_told(make_channel):
    channel = make_channel()
    patterns, block = held_out(channel, 10.0)
    prediction = compare_held_out(exact(channel), patterns[:0], block[:0], channel.grid)
    assert (prediction.nmse_db, prediction.resolution_db) == (None, None)
    assert prediction.measured.shape == (0, channel.direct.size)
