import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.phy.taps import DelayBasis, delay_profile, delay_response, delay_span, place_window

K = 500
RNG = np.random.default_rng(3)


def without_dc(num_subcarriers=K):
    used = np.ones(num_subcarriers, dtype=bool)
    used[num_subcarriers // 2] = False
    return used


def with_guards(guards):
    used = without_dc()
    used[:guards] = used[K - guards :] = False
    return used


def noise(*shape):
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)) * np.sqrt(0.5)


@pytest.mark.parametrize("num_subcarriers", [8, 9])
def test_a_delay_turns_each_subcarrier_by_its_frequency_and_the_carrier_not_at_all(num_subcarriers):
    frequency = np.arange(num_subcarriers) - num_subcarriers // 2  # in cycles a symbol
    found = delay_response(num_subcarriers, np.array([0.0, 0.3, -2.5]))
    assert_allclose(found[num_subcarriers // 2], 1)
    assert_allclose(found[:, 1], np.exp(-2j * np.pi * frequency * 0.3 / num_subcarriers))


def test_a_window_of_one_delay_is_spanned_by_its_response():
    basis = DelayBasis.build(np.ones(K, dtype=bool), 3.5, 3.5)
    assert basis.num_taps == 1
    assert_allclose(abs(np.vdot(basis.basis[:, 0], delay_response(K, np.array([3.5]))[:, 0])), np.sqrt(K))


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


@pytest.mark.parametrize("guards", [25, 50, 100])
def test_between_guards_the_basis_is_orthonormal_and_noise_stays_white(guards):
    """Least squares over a part of the band on the whole band's basis multiply noise by 100,000 on the unseen edges."""
    used = with_guards(guards)
    basis = DelayBasis.build(used, 0.0, 20.0)
    assert_allclose(basis.basis.conj().T @ basis.basis, np.eye(basis.num_taps), atol=1e-10)
    assert not basis.basis[:guards].any()
    assert not basis.basis[-guards:].any()
    assert np.sum(np.abs(basis.projector) ** 2) == pytest.approx(basis.num_taps, rel=0.02)
    covariance = basis.projector @ basis.projector.conj().T
    assert_allclose(covariance, np.eye(basis.num_taps), atol=0.06)
    whole = delay_span(K, 0.0, 20.0, tolerance=3e-3)
    seen = whole[used]
    assert np.sum(np.abs(whole @ np.linalg.pinv(seen)) ** 2) > 100 * basis.num_taps


@pytest.mark.parametrize("guards", [25, 50, 100])
def test_any_fractional_delay_keeps_all_but_minus_45_db_of_what_lies_between_guards(guards):
    used = with_guards(guards)
    basis = DelayBasis.build(used, -2.0, 22.0)
    paths = delay_response(K, np.linspace(-2, 22, 777)).T * used
    lost = np.sum(np.abs(basis.respond(basis.project(paths)) - paths)[:, used] ** 2, axis=1) / used.sum()
    assert 10 * np.log10(lost.max()) < -45


def test_a_narrower_band_tells_fewer_taps():
    """As many as the window has of the band's own, longer taps, and a few."""
    taps = [DelayBasis.build(with_guards(guards), 0.0, 40.0).effective_taps for guards in (0, 50, 100)]
    assert_allclose(np.diff(taps), -8, atol=2)


def test_a_basis_between_guards_is_that_of_a_narrower_band():
    wide = DelayBasis.build(with_guards(50), -1.0, 19.0)
    narrow = DelayBasis.build(without_dc(K - 100), -0.8, 15.2)
    assert_allclose(wide.basis[50:-50] @ wide.projector[:, 50:-50], narrow.basis @ narrow.projector, atol=1e-9)
    assert (wide.first, wide.last) == pytest.approx((-1.0, 19.0))


def test_a_band_without_subcarriers_has_no_basis():
    with pytest.raises(ValueError, match="no subcarrier"):
        DelayBasis.build(np.zeros(K, dtype=bool), 0.0, 20.0)


def test_gaps_inside_the_band_do_not_blow_up_the_noise():
    used = without_dc()
    used[150:350] = False
    assert DelayBasis.build(used, 0.0, 20.0, ridge=0.0).leverage.mean() > 1e4
    basis = DelayBasis.build(used, 0.0, 20.0)
    assert basis.leverage.mean() < 1
    assert basis.effective_taps < basis.num_taps - 1


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
    assert_allclose(delay_profile(1j * path, size), delay_profile(path, size))
    assert_allclose(delay_profile(path, size).sum(), size * K)


def test_the_window_is_placed_on_the_energy_across_the_symbols_seam():
    profile = np.zeros(100)
    profile[[97, 98, 1, 3]] = 1
    assert place_window(profile, 7) == 97
    assert place_window(np.roll(profile, 50), 7) == 47
    assert place_window(1e-3 * np.roll(profile, 3), 7) == 0
