import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.phy.taps import DelayBasis, delay_profile, delay_response, place_window

K = 500
RNG = np.random.default_rng(3)


def without_dc(num_subcarriers=K):
    used = np.ones(num_subcarriers, dtype=bool)
    used[num_subcarriers // 2] = False
    return used


def with_guards():
    used = without_dc()
    used[:50] = used[-50:] = False
    return used


def noise(*shape):
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)) * np.sqrt(0.5)


def test_the_basis_is_orthonormal_and_little_larger_than_its_window():
    basis = DelayBasis.build(without_dc(), -2.0, 22.0)
    assert_allclose(basis.basis.conj().T @ basis.basis, np.eye(basis.num_taps), atol=1e-10)
    assert 25 <= basis.num_taps <= 33


def test_any_fractional_delay_inside_keeps_all_but_minus_45_db():
    basis = DelayBasis.build(without_dc(), -2.0, 22.0)
    paths = delay_response(K, np.linspace(-2, 22, 777)).T
    lost = np.sum(np.abs(basis.respond(basis.project(paths)) - paths) ** 2, axis=1) / K
    assert 10 * np.log10(lost.max()) < -45


def test_integer_taps_would_lose_a_fractional_delay():
    """Why the basis exists: the same number of integer taps keeps far less of a path between two of them."""
    path = delay_response(K, np.array([10.5]))[:, 0]
    taps = np.linalg.qr(delay_response(K, np.arange(-4.0, 27.0)))[0]
    lost = np.sum(np.abs(path - taps @ (taps.conj().T @ path)) ** 2) / K
    assert 10 * np.log10(lost) > -20


def test_delays_outside_the_window_are_kept_out():
    basis = DelayBasis.build(without_dc(), -2.0, 22.0)
    path = delay_response(K, np.array([60.0])).T
    assert np.sum(np.abs(basis.respond(basis.project(path))) ** 2) / K < 0.01


def test_the_unused_subcarrier_is_interpolated_and_what_stands_on_it_ignored():
    basis = DelayBasis.build(without_dc(), 0.0, 20.0)
    path = delay_response(K, np.array([3.3, 7.9])).sum(axis=1)
    spoiled = path.copy()
    spoiled[K // 2] = 1e6
    assert_allclose(basis.respond(basis.project(spoiled)), path, atol=0.03)


def test_noise_gain_and_leverage_are_what_white_noise_shows():
    basis = DelayBasis.build(without_dc(), 0.0, 20.0)
    taps = basis.project(noise(4000, K))
    assert_allclose(np.mean(np.abs(taps) ** 2, axis=0), basis.noise_gain, rtol=0.12)
    heard = np.mean(np.abs(basis.respond(taps)) ** 2, axis=0)
    assert_allclose(heard.mean(), basis.leverage.mean(), rtol=0.03)
    assert_allclose(basis.leverage.sum(), basis.num_taps, rtol=0.02)


def test_guards_do_not_blow_up_the_noise():
    """Plain least squares over 80 % of the band multiplies it by 100,000 on the unseen edges."""
    basis = DelayBasis.build(with_guards(), 0.0, 20.0)
    plain = DelayBasis.build(with_guards(), 0.0, 20.0, ridge=0.0)
    assert plain.leverage.mean() > 1e5
    assert basis.leverage.mean() < 1
    assert basis.effective_taps < basis.num_taps - 2
    path = delay_response(K, np.array([3.3, 7.9])).sum(axis=1)
    used = with_guards()
    error = (basis.respond(basis.project(path)) - path)[used]
    assert np.sum(np.abs(error) ** 2) / np.sum(np.abs(path[used]) ** 2) < 1e-4


def test_single_precision_stays_single():
    basis = DelayBasis.build(without_dc(), 0.0, 20.0)
    responses = noise(5, K).astype(np.complex64)
    assert basis.project(responses).dtype == np.complex64
    assert basis.respond(basis.project(responses)).dtype == np.complex64


@pytest.mark.parametrize(("first", "last"), [(3.0, 2.0), (0.0, float(K))])
def test_an_impossible_window_is_refused(first, last):
    with pytest.raises(ValueError, match="window"):
        DelayBasis.build(without_dc(), first, last)


@pytest.mark.parametrize("size", [K, 640])
def test_the_profile_shows_a_path_at_its_delay(size):
    path = delay_response(K, np.array([17.0]))[:, 0]
    assert np.argmax(delay_profile(path, size)) == round(17 * size / K)


def test_the_window_is_placed_on_the_energy_across_the_symbols_seam():
    profile = np.zeros(100)
    profile[[97, 98, 1, 3]] = 1
    assert place_window(profile, 7) == 97
    assert place_window(np.roll(profile, 50), 7) == 47
