"""The quick way to a sounding's advance tells what the slow one does."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hil.estimation import start_search
from hil.estimation.align import align_sweep
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.exhaustive import search
from hil.estimation.lags import Lags, by_parts, centroid_error, told_by_neighbours
from hil.estimation.profiles import Comb, place_by_power
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis, delay_response, delay_span

K, L, NUM_TAPS = 100, 128, 12


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


@pytest.fixture
def soundings():
    """Responses with delays in the window, each at its own start; unused subcarriers are zero."""

    def make(used, count=40, seed=0, noise_var=0.0):
        rng = np.random.default_rng(seed)
        delay = rng.uniform(0, NUM_TAPS - 1, (count, 5))
        clean = np.einsum("np,knp->nk", noise(rng, count, 5), delay_response(K, delay.ravel()).reshape(K, count, 5))
        start = rng.integers(0, L, count)
        heard = advance(clean, start, L) + np.sqrt(noise_var) * noise(rng, count, K)
        return (heard * used).astype(np.complex64), start

    return make


@pytest.mark.parametrize("gap", [1, 5])
def test_advance_and_projection_are_one_small_product(soundings, gap):
    used = np.abs(np.arange(K) - K // 2) > gap // 2
    responses, start = soundings(used)
    lags = Lags.build(used, -1.0, float(NUM_TAPS), L, 6)
    for fine in (-6, 0, 5):
        rough = -start - fine
        advances = rough + fine
        expected = lags.basis.project(advance(responses.astype(complex), advances, L))
        found = lags.taps(lags.coordinates(responses, rough), np.full(len(start), fine))
        assert np.linalg.norm(found - expected) < 2e-3 * np.linalg.norm(expected)


def test_the_likelihood_of_an_advance_is_that_of_the_whole_response(soundings):
    used = np.arange(K) != K // 2
    responses, start = soundings(used, noise_var=0.1)
    lags = Lags.build(used, -1.0, float(NUM_TAPS), L, 6)
    taps = lags.basis.project(advance(responses, -start, L))
    model = DelayModel.fit(lags.basis, taps, energy(responses) - energy(taps), 0.1)
    rough = -start
    quick = lags.log_likelihood(model, lags.coordinates(responses, rough), 5)
    every = model.log_likelihood(responses, L)
    slow = np.take_along_axis(every, (rough[:, None] + np.arange(-5, 6)) % L, axis=1)
    assert_allclose(quick, slow, atol=0.02 * np.abs(every).max())


def test_the_likelihood_of_an_advance_that_all_share_is_the_sum_of_theirs(soundings):
    responses, start = soundings(np.arange(K) != K // 2, noise_var=0.1)
    basis = DelayBasis.build(np.arange(K) != K // 2, -1.0, float(NUM_TAPS))
    responses = advance(responses, -start + 17, L)
    model = DelayModel.fit(basis, basis.project(advance(responses, np.full(len(start), -17), L)), np.ones(40), 0.1)
    every = model.log_likelihood(responses, L)
    both = np.stack([every.sum(axis=0, dtype=float), every[:7].sum(axis=0, dtype=float)])
    assert_allclose(model.joint_log_likelihoods([responses, responses[:7]], L), both, rtol=1e-5)
    assert np.all(both.argmax(axis=1) == L - 17)


@pytest.mark.parametrize(("direct_db", "snr_db"), [(-10.0, 5.0), (0.0, 20.0), (20.0, 5.0)])
@pytest.mark.parametrize("kind", ["few", "rough"])
def test_what_is_found_where_power_places_it_is_the_best_of_all_advances(make_channel, sweep, kind, direct_db, snr_db):
    channel = make_channel(12, 12, direct_db, kind)
    _plan, block, _ = sweep(channel, "hadamard", snr_db=snr_db)
    found = align_sweep(block.response, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    samples, _, taps = search(found.model, block.response, L)
    clear = ~found.ambiguous
    assert_array_equal(found.samples[clear], samples[clear])
    assert_allclose(found.taps[clear], taps[clear], atol=3e-3 * np.abs(taps).max())


def test_a_sounding_far_from_where_power_places_it_is_found_by_every_advance(make_channel, sweep):
    """A strong echo far outside the window hides where one sounding lies: it is looked for everywhere."""
    channel = make_channel(12, 12, 10.0)
    _plan, block, starts = sweep(channel, "hadamard", snr_db=20.0)
    echo = delay_response(K, 65.0 - starts[3:4] * K / L)[:, 0] * channel.grid.used
    block.response[3] += (np.sqrt(np.mean(np.abs(block.response[3]) ** 2)) * echo).astype(np.complex64)
    found = align_sweep(block.response, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    left = (found.samples + starts) % L
    assert found.samples[3] == search(found.model, block.response[3:4], L)[0][0]
    assert left[3] == np.bincount(left).argmax()


def test_what_power_cannot_place_is_looked_for_in_all_of_the_combs_period(make_channel, sweep, monkeypatch):
    channel = make_channel(12, 12, 10.0)
    _plan, block, starts = sweep(channel, "hadamard", snr_db=20.0)
    misplaced, doubted, looked = np.array([3, 70]), np.array([3, 70, 90]), []

    def misplace(profiles, *rest, **more):
        place, margin = place_by_power(profiles, *rest, **more)
        place[misplaced] += profiles.shape[1] // 3
        margin[doubted] = 1.0
        return place, margin

    def spy(self, model, which, rough, reach):
        looked.append((which, reach))
        return near(self, model, which, rough, reach)

    near = start_search.StartSearch._near
    monkeypatch.setattr(start_search, "place_by_power", misplace)
    monkeypatch.setattr(start_search.StartSearch, "_near", spy)
    found = align_sweep(block.response, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    left = (found.samples + starts) % L
    assert np.all(left == left[0])
    (every, _), (again, reach) = looked
    assert every == slice(None)
    assert set(doubted) <= set(again)
    assert reach > Comb.of(K, NUM_TAPS).period * L / K / 2


def test_the_centroid_is_the_mean_delay_and_its_error_that_of_noise():
    rng = np.random.default_rng(1)
    clean = delay_response(K, np.array([7.3])).T
    strength, place = told_by_neighbours(clean)
    assert_allclose(place, 7.3, atol=1e-9)
    assert_allclose(strength, K)
    for snr, least in ((10.0, 0.2), (0.5, 0.7)):  # of a single delay neighbours' noise cancels, but for its square
        error = np.std(told_by_neighbours(clean + np.sqrt(1 / snr) * noise(rng, 4000, K))[1])
        assert least * centroid_error(snr, K) < error < 1.05 * centroid_error(snr, K)


def test_a_basis_that_is_built_once_is_kept():
    used = np.ones(K, dtype=bool)
    assert Lags.build(used, -1.0, 12.0, L, 8) is Lags.build(used.copy(), -1.0, 12.0, L, 8)
    assert DelayBasis.build(used, -1.0, 12.0).num_taps == Lags.build(used, -1.0, 12.0, L, 8).basis.num_taps


@pytest.mark.parametrize("num_subcarriers", [K, 131, 40])
def test_a_window_seen_by_parts_of_the_band_is_the_window(num_subcarriers):
    """Whatever the parts' size: the last one may be cut short."""
    window = delay_span(num_subcarriers, -3.0, 16.0, tolerance=1e-4)
    part, parts = by_parts(window.conj())
    size, directions = part.shape
    whole = (part @ parts.reshape(-1, directions, window.shape[1])).reshape(-1, window.shape[1])
    assert_allclose(whole, np.pad(window.conj(), ((0, len(whole) - num_subcarriers), (0, 0))), atol=5e-4)
    assert directions < size
