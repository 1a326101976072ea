import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.measure.continuity import BEYOND_DOUBT, CLEARLY, FEW, Repeats, first_slip, slipped_from

PERIOD = 320


def capture(num_samples=60_000, noise=3.0, seed=0):
    """ADC codes over full scale: a strong periodic wave and noise of a few steps."""
    rng = np.random.default_rng(seed)
    wave = 400 * np.exp(1j * np.pi * np.arange(PERIOD) ** 2 / PERIOD)
    samples = np.tile(wave, -(-num_samples // PERIOD))[:num_samples]
    samples = samples + noise * (rng.standard_normal((num_samples, 2)) @ [1, 1j])
    return ((np.round(samples.real) + 1j * np.round(samples.imag)) / 2048).astype(np.complex64)


def repeated_from(samples):
    repeats = Repeats()
    repeats.hear(samples)
    return repeats.first(samples)


@given(
    start=st.integers(0, 20_000),
    length=st.sampled_from([4096, 5000, 8192, 10 * PERIOD, 32 * PERIOD]),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_a_block_that_came_twice_is_found_wherever_it_lies_also_by_whole_periods(start, length, seed):
    samples = capture(seed=seed)
    twice = np.insert(samples, start + length, samples[start : start + length])[: samples.size]
    found = repeated_from(twice)
    assert found is not None
    assert abs(found - (start + length)) <= 64


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3, 1.0, 3.0, 30.0])
def test_a_capture_without_repeats_is_not_accused_however_little_noise_there_is(noise):
    assert all(repeated_from(capture(noise=noise, seed=seed)) is None for seed in range(5))


def responses(shift, first, count=40, surface=0.3, seed=0):
    """A direct path and a changing part; from dwell `first` on the pilot is heard `shift` samples on."""
    rng = np.random.default_rng(seed)
    k = np.arange(256) - 128
    changing = (
        surface * (rng.standard_normal((count, 6, 2)) @ [1, 1j]) @ np.exp(-2j * np.pi * np.outer(range(6), k) / 256)
    )
    whole = np.exp(-2j * np.pi * 2 * k / 256) * 2 + changing
    late = np.where(np.arange(count) >= first, shift, 0)
    return (whole * np.exp(2j * np.pi * np.outer(late, k) / PERIOD)).astype(np.complex64)


@given(shift=st.integers(20, 300), first=st.integers(11, 39), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_pilot_that_goes_on_elsewhere_is_found_at_the_dwell_where_it_does(shift, first, seed):
    assert slipped_from(responses(shift, first, seed=seed), PERIOD, 6) == first


@pytest.mark.parametrize("seed", range(10))
def test_a_surface_stronger_than_the_direct_path_is_no_slip(seed):
    assert slipped_from(responses(0, 40, surface=2.0, seed=seed), PERIOD, 6) is None


def slip_of(dwells, better, place=100, spread=6):
    """Where a slip is told of whose last dwells fit at `place` so much better, after ten that fit where they were."""
    places = np.concatenate([np.zeros(10, dtype=int), np.full(dwells, place)])
    return first_slip(places, np.concatenate([np.ones(10), np.full(dwells, better)]), spread, PERIOD)


@pytest.mark.parametrize(
    ("dwells", "better", "told"),
    [
        (FEW, 1.01 * CLEARLY, True),
        (FEW, CLEARLY, False),
        (FEW - 1, 0.99 * BEYOND_DOUBT, False),
        (FEW - 1, BEYOND_DOUBT, True),
        (1, BEYOND_DOUBT, True),
    ],
)
def test_few_dwells_must_be_beyond_doubt_where_more_need_only_be_clear(dwells, better, told):
    assert slip_of(dwells, better) == (10 if told else None)


@pytest.mark.parametrize(("place", "told"), [(6, False), (7, True), (PERIOD - 6, False), (PERIOD - 7, True)])
def test_a_slip_lies_beyond_the_channel_on_either_side(place, told):
    assert slip_of(5, 10.0, place) == (10 if told else None)


@pytest.mark.parametrize(("jump", "found"), [(1, 10), (2, 11)])
def test_what_follows_a_slip_lies_at_one_place_within_a_sample(jump, found):
    places = np.array(10 * [0] + [100 + jump] + 4 * [100])
    assert first_slip(places, np.full(15, 10.0), 6, PERIOD) == found
