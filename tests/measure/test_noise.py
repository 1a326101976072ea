"""Noise on each subcarrier: what repetitions tell, and whether somebody in a part of the band is found there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hil.interfaces import Capture
from hil.measure.dwells import demodulate_dwells, still_scatter, usual_noise
from hil.measure.noise import loud_part, noise_summary, snr_by_subcarrier_db, words
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock
from hil.phy.ofdm import OfdmGrid

K, L, R, STD = 64, 80, 8, 0.02
USED = (np.arange(K) != K // 2) & (np.arange(K) >= 4)
GRID = OfdmGrid.build(K, L, 1e6, USED, "zadoff_chu")
LOUD = np.arange(40, 46)


def received(num_symbols, rng, loud_db=None):
    """Pilots through a wire, in white noise; others on the subcarriers `LOUD`, so many dB over the noise."""
    noise = STD * np.sqrt(0.5) * rng.normal(size=(2, num_symbols * L))
    samples = np.tile(GRID.frame, num_symbols) + noise[0] + 1j * noise[1]
    if loud_db is not None:
        spectrum = np.zeros((num_symbols, L), dtype=complex)
        spread = STD * 10 ** (loud_db / 20) * np.sqrt(L / 2)
        parts = rng.normal(size=(2, num_symbols, LOUD.size))
        spectrum[:, (LOUD - K // 2) % L] = spread * (parts[0] + 1j * parts[1])
        samples = samples + np.fft.ifft(spectrum, axis=1).reshape(-1)
    return samples.astype(np.complex64)


class Air:
    """A radio in that air."""

    identity = "air"

    def unused(self, *_):
        raise AssertionError("a sounder only captures")

    configure = set_rx_gain = transmit = quiet = close = unused

    def __init__(self, loud_db=None):
        self._rng, self._loud_db = np.random.default_rng(1), loud_db

    def capture(self, num_samples):
        return Capture(received(num_samples // L, self._rng, self._loud_db), time_s=0.0, overloaded=False)


def sounded(loud_db=None, count=200):
    sounder = Sounder(Air(loud_db), GRID, R)
    return SoundingBlock.gather([sounder.sound() for _ in range(count)], [0] * count)


def test_white_noise_is_the_same_on_all_used_subcarriers_and_their_mean_is_the_one_number():
    block = sounded()
    noise = block.noise_by_subcarrier
    assert_allclose(noise[USED], STD**2 / L / R, rtol=5 / np.sqrt(200 * (R - 1)))
    assert_allclose(noise[USED].mean(), block.noise_var.mean(), rtol=1e-6)
    assert_array_equal(noise[~USED], 0)
    assert loud_part(noise, block.snr_db(USED), GRID) is None


def test_others_on_some_subcarriers_are_found_on_those_with_their_noise_and_what_is_left_of_the_snr():
    block, quiet = sounded(loud_db=15), sounded()
    found = loud_part(block.noise_by_subcarrier, block.snr_db(USED), GRID)
    assert_array_equal(found.subcarriers, LOUD)
    assert_allclose((found.first_hz, found.last_hz), GRID.frequencies_hz[LOUD[[0, -1]]])
    assert found.over_db == pytest.approx(10 * np.log10(1 + 10**1.5), abs=0.5)
    assert np.median(quiet.snr_db(USED)) - found.snr_db == pytest.approx(found.over_db, abs=1.5)
    assert found.guards is None, "24 of 64 at each edge would be too many"


def test_the_dwells_of_a_long_capture_tell_the_same():
    samples = received(R * 200, np.random.default_rng(2), loud_db=15)
    starts = R * L * np.arange(200)
    _, scatter = demodulate_dwells(samples, starts, GRID, R)
    good = np.arange(200) % 2 == 0
    one, noise = usual_noise(scatter, good, GRID, R)
    assert_allclose(noise, scatter[good].mean(axis=0) / R, rtol=1e-5)
    assert_allclose(noise[USED].mean(), one, rtol=0.1)
    assert_allclose(still_scatter(samples, GRID)[LOUD] / R, noise[LOUD], rtol=0.25)
    assert_array_equal(
        loud_part(noise, snr_by_subcarrier_db(np.ones((1, USED.sum()), dtype=complex), noise[USED]), GRID).subcarriers,
        LOUD,
    )
    assert usual_noise(scatter, good & ~good, GRID, R) == (0.0, None)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30))
def test_noise_that_goes_with_the_signal_is_not_taken_for_somebody(seed, share):
    """Of a radio's phases: loudest where the signal is, however deep the channel's notches are."""
    gain = np.random.default_rng(seed).exponential(size=K)
    noise = (1 + share * gain) * USED
    snr_db = snr_by_subcarrier_db(np.sqrt(100 * gain + noise + 0j)[None, USED], noise[USED])
    assert loud_part(noise, snr_db, GRID) is None


def test_the_line_says_where_and_which_guards_would_do():
    noise = np.where(USED, 1.0, 0.0)
    noise[56:60] = 100.0
    told = noise_summary(noise, -10 * np.log10(noise[USED]) + 30, GRID)
    line = words(told["loud"])
    assert "20.0 dB over the median on 4 subcarriers, 56 to 59 (+0.375 to +0.4219 MHz" in line
    assert "ofdm.guard_subcarriers: 8 leaves them out" in line and "radio.lo_hz" in line
    assert (told["median_dbfs"], told["highest_dbfs"]) == (0.0, 20.0)
    assert told["highest_at_hz"] == GRID.frequencies_hz[56]


def test_where_nobody_is_loud_nothing_is_told_and_guards_are_named_only_where_they_would_do():
    noise = np.where(USED, 1.0, 0.0)
    assert noise_summary(noise, 30 - 0 * noise[USED], GRID)["loud"] is None
    noise[LOUD] = 100.0
    told = noise_summary(noise, -10 * np.log10(noise[USED]) + 30, GRID)
    line = words(told["loud"])
    assert "guard_subcarriers" not in line and "try another radio.lo_hz" in line


def test_blocks_of_unlike_length_weigh_by_their_soundings_and_old_ones_have_one_noise_for_all():
    long, short = sounded(count=6), sounded(loud_db=20, count=2)
    joined = SoundingBlock.join([long, short])
    assert_allclose(joined.noise_by_subcarrier, (6 * long.noise_by_subcarrier + 2 * short.noise_by_subcarrier) / 8)
    again = SoundingBlock.from_records(joined.records(), **joined.facts())
    assert_allclose(again.noise_by_subcarrier, joined.noise_by_subcarrier, rtol=1e-5)
    old = SoundingBlock.from_records(long.records())
    assert old.noise_by_subcarrier is None and SoundingBlock.join([old, short]).noise_by_subcarrier is None
    assert_allclose(old.snr_db(USED), long.snr_db(USED), atol=5)


def test_no_snr_is_told_below_what_so_many_soundings_can_show():
    assert snr_by_subcarrier_db(np.zeros((100, 4), dtype=complex), np.ones(4)) == pytest.approx(-10.0)
