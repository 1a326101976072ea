from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hil.errors import MeasurementError
from hil.estimation.align import Together, align_sweep, align_together, prepare
from hil.estimation.alignment import Alignment, resolve_pairs
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.lags import _build
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance

K, L, NUM_TAPS = 100, 128, 12


def align(channel, plan, block, *, pairs=True):
    return align_sweep(
        block.response,
        block.noise_var,
        used=channel.grid.used,
        fft_size=L,
        num_taps=NUM_TAPS,
        partner=plan.partner if pairs else None,
    )


def with_guards(channel, guards):
    used = channel.grid.used.copy()
    used[:guards] = used[K - guards :] = False
    return replace(channel, grid=OfdmGrid.build(K, L, 10e6, used, "newman"))


def wrong(alignment, starts):
    """Soundings whose start, undone, is not that of most."""
    left = (alignment.samples + starts) % L
    return left != np.bincount(left).argmax()


@pytest.mark.parametrize("kind", ["few", "rough"])
@pytest.mark.parametrize("scheme", ["pairs", "hadamard", "hadamard_plus_one"])
@pytest.mark.parametrize("direct_db", [-10.0, 0.0, 30.0])
def test_every_start_is_found_whatever_the_direct_path(make_channel, sweep, kind, scheme, direct_db):
    channel = make_channel(12, 12, direct_db, kind)
    plan, block, starts = sweep(channel, scheme, snr_db=8.0)
    alignment = align(channel, plan, block)
    assert not np.any(wrong(alignment, starts) & ~alignment.ambiguous)
    assert alignment.ambiguous.mean() <= 0.01


@pytest.mark.parametrize(("direct_db", "snr_db"), [(20.0, 20.0), (0.0, 8.0), (-10.0, 3.0)])
def test_what_was_prepared_is_all_that_an_alignment_needs(make_channel, sweep, direct_db, snr_db):
    channel = make_channel(12, 12, direct_db)
    plan, block, _ = sweep(channel, "pairs", snr_db=snr_db)
    _build.cache_clear()
    prepare(used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    built = _build.cache_info().misses
    align(channel, plan, block)
    assert _build.cache_info().misses == built


@pytest.mark.parametrize("seed", range(6))
def test_what_is_wrong_is_marked_when_noise_hides_the_start(make_channel, sweep, seed):
    """One delay, surface alone, 0 dB: soundings in which the surface fades cannot be placed, and say so."""
    channel = make_channel(12, 12, -20.0, "flat", seed)
    plan, block, starts = sweep(channel, "hadamard", snr_db=0.0, seed=seed)
    alignment = align(channel, plan, block)
    lost = wrong(alignment, starts)
    assert alignment.ambiguous.any()
    assert not np.any(lost & ~alignment.ambiguous)


def test_complements_help_each_other(make_channel, sweep):
    together = alone = 0
    for seed in range(4):
        channel = make_channel(12, 12, -6.0, "flat", seed)
        plan, block, starts = sweep(channel, "pairs", snr_db=-1.0, seed=seed)
        resolved = align(channel, plan, block)
        assert not np.any(wrong(resolved, starts) & ~resolved.ambiguous)
        together += resolved.ambiguous.sum()
        alone += align(channel, plan, block, pairs=False).ambiguous.sum()
    assert together < 0.7 * alone


def test_small_surfaces_are_aligned_too(make_channel, sweep):
    """Thirty-two soundings could confirm any alignment of themselves; the covariance must not let them."""
    for seed in range(5):
        channel = make_channel(4, 4, 20.0, seed=seed)
        plan, block, starts = sweep(channel, "pairs", snr_db=8.0, seed=seed)
        assert not wrong(align(channel, plan, block), starts).any()


@pytest.mark.parametrize("kind", ["few", "flat"])
def test_what_lay_wrong_among_few_does_not_tell_where_it_lies_itself(make_channel, sweep, kind):
    """It has drawn the mean towards itself, to which half-sums of complements are held."""
    for seed in range(3):
        channel = make_channel(4, 4, 4.0, kind, seed)
        plan, block, starts = sweep(channel, "pairs", snr_db=25.0, seed=seed)
        right = align(channel, plan, block)
        assert not wrong(right, starts).any()
        for count in (4, 6, 8, 10):
            moved = 2 * np.random.default_rng(count).permutation(16)[:count]
            samples, margin = right.samples.copy(), np.full(right.samples.size, 100.0)
            samples[moved], margin[moved] = (samples[moved] + 2) % L, 0.0
            taps = right.model.basis.project(advance(block.response, samples, L))
            outside = energy(block.response) - energy(taps)
            model = DelayModel.fit(right.model.basis, taps, outside, right.model.noise_var)
            misled = Alignment(model, L, samples, margin, taps)
            found = resolve_pairs(misled.with_mean_of_sure(plan.partner), block.response, plan.partner)
            assert_array_equal(found.samples, right.samples)


def test_a_symbol_of_few_samples_has_few_advances_to_choose_from(make_channel, sweep):
    channel, size = make_channel(2, 2, 3.0), 8
    plan, block, _ = sweep(channel, "pairs", snr_db=-3.0)
    few = slice(K // 2 - size // 2, K // 2 + size // 2)
    used, responses = channel.grid.used[few], block.response[:, few]
    found = align_sweep(responses, block.noise_var, used=used, fft_size=size, num_taps=1, partner=plan.partner)
    assert np.all((found.samples >= 0) & (found.samples < size))
    assert found.ambiguous.any()


def test_half_sums_that_differ_by_more_than_noise_leave_their_pairs_in_doubt(make_channel, sweep):
    channel = make_channel(4, 4, -10.0, "rough")
    plan, block, _ = sweep(channel, "pairs", snr_db=30.0)
    right = align(channel, plan, block)
    sharp = right.with_mean_of_sure(plan.partner)
    assert sharp.model.half_sum_var < right.model.noise_var
    moved = replace(right, taps=right.taps * np.exp(1j * np.random.default_rng(1).uniform(0, 1, (len(right.taps), 1))))
    assert moved.with_mean_of_sure(plan.partner).model.half_sum_var > 20 * right.model.noise_var
    unsure = replace(right, margin=np.zeros_like(right.margin)).with_mean_of_sure(plan.partner)
    assert unsure.model.half_sum_var == pytest.approx(4 / 32 * np.mean(np.abs(right.taps) ** 2))
    assert_array_equal(unsure.model.mean, right.model.mean)


def test_few_soundings_that_cannot_be_placed_are_marked(make_channel, sweep):
    unmarked = []
    for seed in range(6):
        channel = make_channel(4, 4, -10.0, "rough", seed)
        plan, block, starts = sweep(channel, "pairs", snr_db=8.0, seed=seed)
        alignment = align(channel, plan, block)
        unmarked.append(np.mean(wrong(alignment, starts) & ~alignment.ambiguous))
    assert np.mean(unmarked) < 0.03


def test_aligned_coordinates_are_the_channels(make_channel, sweep):
    """Up to one advance and one phase the projected soundings are the responses: superposition holds between them."""
    channel = make_channel()
    plan, block, _ = sweep(channel, snr_db=60.0)
    alignment = align(channel, plan, block)
    taps = alignment.taps
    sums = taps[::2] + taps[1::2]  # a row and its complement: twice the direct channel
    assert np.linalg.norm(sums - sums.mean(axis=0)) < 0.02 * np.linalg.norm(sums)
    clean = np.linalg.norm(channel.response(plan.signs()), axis=1)
    assert_allclose(np.linalg.norm(taps, axis=1), clean, rtol=0.03)


def test_later_soundings_are_placed_at_the_same_reference(make_channel, sweep):
    channel = make_channel(12, 12)
    plan, block, starts = sweep(channel, snr_db=8.0)
    alignment = align(channel, plan, block)
    rng = np.random.default_rng(5)
    later, later_starts = channel.sound(rng.choice([-1.0, 1.0], (20, 144)), 8.0, rng)
    located = alignment.locate(later.response)
    assert_array_equal((located.samples + later_starts) % L, np.full(20, (alignment.samples[0] + starts[0]) % L))


def test_a_retaken_sounding_takes_its_place(make_channel, sweep):
    channel = make_channel(12, 12)
    plan, block, starts = sweep(channel, snr_db=8.0)
    alignment = align(channel, plan, block)
    which = np.array([7, 3])
    again, again_starts = channel.sound(plan.signs()[which].astype(float), 8.0, np.random.default_rng(6))
    replaced = alignment.retaken(which, alignment.locate(again.response))
    starts = starts.copy()
    starts[which] = again_starts
    assert not wrong(replaced, starts).any()
    assert_array_equal(np.delete(replaced.samples, which), np.delete(alignment.samples, which))


@pytest.mark.parametrize("kind", ["few", "rough"])
@pytest.mark.parametrize("guards", [5, 10, 15])
@pytest.mark.parametrize("direct_db", [-10.0, 10.0, 30.0])
def test_starts_are_right_or_marked_whatever_part_of_the_band_is_guards(make_channel, sweep, kind, guards, direct_db):
    channel = with_guards(make_channel(12, 12, direct_db, kind), guards)
    plan, block, starts = sweep(channel, "pairs", snr_db=8.0)
    alignment = align(channel, plan, block)
    assert not np.any(wrong(alignment, starts) & ~alignment.ambiguous)
    assert alignment.ambiguous.mean() <= 0.05


def test_what_stands_between_guards_is_found_to_the_noise(make_channel, sweep):
    """Coordinates, basis, and the reference of later soundings are those of the whole symbol."""
    channel = with_guards(make_channel(12, 12, 10.0), 12)
    used, (plan, block, starts) = channel.grid.used, sweep(channel, snr_db=30.0)
    found = align(channel, plan, block)
    basis = found.model.basis
    assert not basis.basis[:12].any()
    left = advance(found.taps @ basis.basis.T, -found.samples - starts, L) - channel.response(plan.signs()) * np.exp(1j)
    noise = float(block.noise_var[0] * basis.noise_gain.sum())
    assert np.sum(np.abs(left[:, used]) ** 2) / len(left) == pytest.approx(noise, rel=0.15)
    later, later_starts = channel.sound(np.ones((5, 144)), 30.0, np.random.default_rng(5))
    assert_array_equal((found.locate(later.response).samples + later_starts - found.samples[0] - starts[0]) % L, 0)


def test_noise_alone_is_no_pilot(make_channel, sweep):
    channel = make_channel()
    plan, block, _ = sweep(channel, snr_db=-40.0)
    with pytest.raises(MeasurementError, match="no pilot"):
        align(channel, plan, block)


@pytest.mark.parametrize("direct_db", [-10.0, 20.0])
def test_soundings_that_share_their_start_show_the_channel_to_the_noise(make_channel, sweep, direct_db):
    channel = make_channel(12, 12, direct_db)
    plan, block, starts = sweep(channel, snr_db=30.0)
    shared = advance(block.response, 77 - starts, L)
    found = align_together(shared, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    assert len(set(found.samples)) == 1
    assert not found.ambiguous.any()
    wanted = channel.response(plan.signs()) * np.exp(1j)
    left = advance(found.taps @ found.model.basis.basis.T, -77 - found.samples, L) - wanted
    noise = float(block.noise_var[0] * found.model.basis.noise_gain.sum())
    assert np.sum(np.abs(left[:, channel.grid.used]) ** 2) / len(left) == pytest.approx(noise, rel=0.15)


def test_a_shared_start_is_found_where_no_sounding_alone_could_be_placed(make_channel, sweep):
    channel = make_channel(12, 12)
    plan, block, starts = sweep(channel, snr_db=-8.0)
    shared = advance(block.response, -starts, L)
    found = align_together(shared, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    clean = channel.response(plan.signs()) * channel.grid.used
    held = found.model.basis.project(advance(clean, found.samples, L))
    assert np.sum(np.abs(held) ** 2) > 0.98 * np.sum(np.abs(clean) ** 2)


def test_noise_alone_is_no_pilot_though_its_start_be_known(make_channel, sweep):
    channel = make_channel()
    _plan, block, _ = sweep(channel, snr_db=-40.0)
    with pytest.raises(MeasurementError, match="no pilot"):
        align_together(block.response, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)


@pytest.mark.parametrize("counts", [[], [63], [64, 65, 100], [10, 200, 511], [512]])
def test_soundings_that_share_their_start_may_come_in_any_pieces_to_the_bit(make_channel, sweep, monkeypatch, counts):
    monkeypatch.setattr("hil.estimation.align.SUBSET", 64)
    monkeypatch.setattr("hil.estimation.align.TOGETHER", 24)
    channel = make_channel(12, 12)
    _, block, starts = sweep(channel, snr_db=10.0)
    shared = advance(block.response, 31 - starts, L)
    room = np.full_like(shared, np.nan)  # what is not there yet is not looked at
    together = Together(room, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    for count in counts:
        room[:count] = shared[:count]
        together.there(count)
    room[:] = shared
    found = together.alignment(block.noise_var)
    whole = align_together(shared, block.noise_var, used=channel.grid.used, fft_size=L, num_taps=NUM_TAPS)
    assert_array_equal(found.taps, whole.taps)
    assert_array_equal(found.samples, whole.samples)
    assert_array_equal(found.model.covariance, whole.model.covariance)
