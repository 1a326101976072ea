import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.phy.metrics import nmse_db, rate_mbps, unbiased_rate, unbiased_rates
from hil.phy.taps import DelayBasis, delay_response

K = 500
LINK = {"snr_scale": 10 ** (-5 / 10), "num_taps": 20, "bandwidth_hz": 10e6}


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def channel(rng):
    """A Rayleigh channel of ten paths, unit mean power, so that the mean SNR is LINK's snr_scale."""
    paths = delay_response(K, rng.uniform(0, 15, 10)) @ noise(rng, 10)
    return paths / np.sqrt(np.mean(np.abs(paths) ** 2))


def basis():
    used = np.ones(K, dtype=bool)
    used[K // 2] = False
    return DelayBasis.build(used, 0.0, 19.0)


def test_rate_by_hand():
    """K = 4, M = 1: four subcarriers at SNR 3 carry 2 bits each in 4 samples, at 1 MHz."""
    assert_allclose(rate_mbps(np.full(4, 1j), snr_scale=3.0, num_taps=1, bandwidth_hz=1e6), 2.0)


def test_the_cyclic_prefix_costs_its_share():
    response = np.ones(500, dtype=complex)
    plain = rate_mbps(response, snr_scale=7.0, num_taps=1, bandwidth_hz=10e6)
    prefixed = rate_mbps(response, snr_scale=7.0, num_taps=20, bandwidth_hz=10e6)
    assert_allclose(prefixed / plain, 500 / 519)
    assert_allclose(plain, 30.0)


def test_rates_keep_their_batch():
    assert rate_mbps(np.ones((3, 2, 8), dtype=complex), snr_scale=1.0, num_taps=2, bandwidth_hz=1e6).shape == (3, 2)


def test_more_taps_than_subcarriers_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        rate_mbps(np.ones(8, dtype=complex), snr_scale=1.0, num_taps=9, bandwidth_hz=1e6)


def test_noise_raises_the_naive_rate_and_not_the_unbiased_one():
    """-5 dB SNR a symbol, 16 averages in all (4 soundings of 4 symbols)."""
    rng = np.random.default_rng(4)
    h, b = channel(rng), basis()
    noise_var = 1 / LINK["snr_scale"] / 4
    true = rate_mbps(h, **LINK)
    naive, fair = [], []
    for _ in range(300):
        soundings = h + np.sqrt(noise_var) * noise(rng, 4, K)
        naive.append(rate_mbps(soundings.mean(axis=0), **LINK))
        fair.append(unbiased_rate(soundings, noise_var, basis=b, **LINK)[0])
    assert np.mean(naive) / true > 1.1
    assert abs(np.mean(fair) / true - 1) < 0.005


def test_the_bias_is_gone_without_a_projection_too():
    """The expansion alone, on a basis that spans everything."""
    rng = np.random.default_rng(5)
    h = channel(rng)[::10]
    everything = DelayBasis(*(np.eye(50, dtype=complex) for _ in range(3)), 0.0, 50.0)
    noise_var = 1 / LINK["snr_scale"] / 4
    soundings = h + np.sqrt(noise_var) * noise(rng, 3000, 4, 50)
    fair = [unbiased_rate(s, noise_var, basis=everything, **LINK)[0] for s in soundings]
    assert abs(np.mean(fair) / rate_mbps(h, **LINK) - 1) < 0.005


def test_the_standard_error_is_the_scatter_of_repeated_measurements():
    rng = np.random.default_rng(6)
    h, b = channel(rng), basis()
    results = np.array([unbiased_rate(h + np.sqrt(2.0) * noise(rng, 8, K), 2.0, basis=b, **LINK) for _ in range(300)])
    assert_allclose(np.sqrt(np.mean(results[:, 1] ** 2)), results[:, 0].std(), rtol=0.15)


def test_of_two_soundings_the_error_is_half_the_difference_of_what_each_tells_alone():
    rng, noise_var = np.random.default_rng(7), 0.3
    both = channel(rng) + np.sqrt(noise_var) * noise(rng, 2, K)
    one, other = unbiased_rates(both, np.full(2, noise_var), basis=basis(), **LINK)
    assert_allclose(unbiased_rate(both, noise_var, basis=basis(), **LINK)[1], abs(one - other) / 2)


def test_each_sounding_has_the_noise_corrected_that_is_in_it():
    rng = np.random.default_rng(8)
    h, noise_var = channel(rng), np.repeat([0.1, 2.0], 400)
    heard = h + np.sqrt(noise_var)[:, None] * noise(rng, 800, K)
    rates = unbiased_rates(heard, noise_var, basis=basis(), **LINK).reshape(2, -1).mean(axis=1)
    assert_allclose(rates, rate_mbps(h, **LINK), rtol=0.01)


@pytest.mark.parametrize("amplitude", [0.3, 0.8, 2.0])
def test_what_the_correction_leaves_of_the_bias_is_of_third_order_in_the_noise(amplitude):
    """The mean over circular noise by quadrature: Gauss and Laguerre's in power, even in phase."""
    power, weight = np.polynomial.laguerre.laggauss(40)
    nodes = (np.sqrt(power)[:, None] * np.exp(2j * np.pi * np.arange(24) / 24)).reshape(-1, 1)
    alone = DelayBasis(*(np.eye(1, dtype=complex) for _ in range(3)), 0.0, 0.0)
    link = {"snr_scale": 1.0, "num_taps": 1, "bandwidth_hz": 1e6}
    bias = []
    for noise_var in (0.04, 0.02):
        heard = amplitude + np.sqrt(noise_var) * nodes
        rates = unbiased_rates(heard, np.full(len(heard), noise_var), basis=alone, **link)
        bias.append(
            np.sum(weight[:, None] * rates.reshape(40, 24)) / 24 - rate_mbps(np.array([amplitude + 0j]), **link)
        )
    assert 6.5 < bias[0] / bias[1] < 9.5
    assert abs(bias[0]) < 2e-4


def test_a_rate_far_below_one_bit_keeps_its_digits():
    """log2(1 + x) is x / ln 2 where x is small."""
    found = rate_mbps(np.ones(4, dtype=complex), snr_scale=1e-12, num_taps=1, bandwidth_hz=1e6)
    assert_allclose(found, 1e-12 / np.log(2), rtol=1e-9)


def test_one_sounding_is_not_enough():
    with pytest.raises(ValueError, match="at least two"):
        unbiased_rate(np.ones((1, K), dtype=complex), 1.0, basis=basis(), **LINK)


def test_nmse_of_a_tenth_in_amplitude_is_minus_20_db():
    truth = np.array([1 + 1j, 2, -3j])
    assert_allclose(nmse_db(1.1 * truth, truth), -20)
    assert nmse_db(truth, truth) == -np.inf
