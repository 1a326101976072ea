"""Reflection of the states over frequency, on estimates whose truth is known."""

import numpy as np
import pytest

from hil.estimation.states import (
    Uniform,
    declared_ratio,
    declared_share,
    other_state,
    state_ratio,
    table_over,
    uniform_response,
)
from hil.phy.band import band_powers
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis, delay_response

TONES, FFT = 96, 128
USED = np.arange(TONES) != TONES // 2
BASIS = DelayBasis.build(USED, -2, 10, tolerance=1e-5).basis
X = band_powers(TONES, 2)[1]


def channel(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Direct channel and the sum over all elements in the basis' coordinates: paths at delays of their own."""
    delays, gains = rng.uniform(0, 6, (2, 4)), np.exp(2j * np.pi * rng.random((2, 4))) * [[1, 0.4, 0.3, 0.2]]
    direct, path = (
        BASIS.conj().T @ delay_response(TONES, each) @ gain for each, gain in zip(delays, gains, strict=True)
    )
    return 10 * direct, path


def sounded(rng: np.random.Generator, ratio: complex | np.ndarray, noise: float = 1e-4, drift: float = 0.0):
    """Soundings of a surface, all elements alike, whose two states have that ratio on each subcarrier; and the channel
    past it, heard at another time."""
    direct, cascade = (BASIS @ part for part in channel(rng))
    share = (1 + ratio) / (1 - ratio) * np.ones(TONES)
    signs = np.tile([1.0, -1, -1, 1], 16)
    responses = direct + (share + signs[:, None]) * cascade
    responses = responses * np.exp(1j * drift * np.cumsum(rng.normal(size=64)))[:, None]
    responses = advance(responses, -rng.integers(0, FFT, 64), FFT)
    responses = responses + np.sqrt(noise / 2) * (rng.normal(size=(64, TONES)) + 1j * rng.normal(size=(64, TONES)))
    uniform = uniform_response(responses * USED, signs, direct * USED, BASIS[USED], USED, FFT)
    return uniform, 0.8 * np.exp(1j) * advance(direct, np.array(-5), FFT)  # another gain, phase and start


DECLARED = np.array([1 / 13 + 0j])  # r of two states that reflect 0.7 and -0.6


@pytest.mark.parametrize("ratio", [-1.0, 0.5 * np.exp(2j), 1.2 * np.exp(-1.3j)])
def test_the_ratio_follows_from_the_direct_channel_without_the_surface_and_one_number_is_enough(ratio: complex) -> None:
    told = state_ratio(*sounded(np.random.default_rng(7), ratio), USED, FFT, DECLARED)
    assert told.measured
    assert told.ratio == pytest.approx(ratio, abs=0.02)
    assert told.share is not None
    assert told.terms == 1


def test_a_ratio_that_turns_over_the_band_is_followed_where_the_evidence_asks_for_it() -> None:
    for seed in range(5):
        ratio = 0.8 * np.exp(1j * (2.5 + 0.25 * X))
        told = state_ratio(*sounded(np.random.default_rng(seed), ratio), USED, FFT, DECLARED)
        assert told.measured
        assert told.share is not None
        assert told.terms >= 2
        ends = np.array([-0.9, 0.0, 0.9])
        share = told.share.at(ends)
        true = 0.8 * np.exp(1j * (2.5 + 0.25 * ends))
        np.testing.assert_allclose((share - 1) / (share + 1), true, atol=0.03)


def test_a_ratio_that_turns_as_declared_needs_one_number_only() -> None:
    rows = np.linspace(-1, 1, 5)
    reflection = np.stack([np.ones(5), 0.8 * np.exp(1j * (2.5 + 0.25 * rows))], axis=1)
    shares = declared_share(reflection, rows, 0, 1)
    ratio = 0.9 * np.exp(0.2j) * 0.8 * np.exp(1j * (2.5 + 0.25 * X))  # weaker and later than declared
    told = state_ratio(*sounded(np.random.default_rng(3), ratio, noise=3e-2), USED, FFT, shares)
    assert told.terms == 1
    assert told.ratio == pytest.approx(0.72 * np.exp(2.7j), abs=0.03)


def test_the_error_that_is_told_is_the_error_that_is_made() -> None:
    off, told = [], []
    for seed in range(24):
        found = state_ratio(*sounded(np.random.default_rng(seed), 0.8 * np.exp(2.5j), noise=0.3), USED, FFT, DECLARED)
        if found.measured:
            off.append(abs(found.ratio / (0.8 * np.exp(2.5j)) - 1))
            told.append(found.error)
    assert len(off) > 12
    assert 0.5 < np.sqrt(np.mean(np.square(off)) / np.mean(np.square(told))) < 2


def test_a_radio_that_drifts_blurs_it_little() -> None:
    told = state_ratio(*sounded(np.random.default_rng(7), 0.8j, drift=0.02), USED, FFT, DECLARED)
    assert told.measured
    assert told.ratio == pytest.approx(0.8j, abs=0.05)


def test_a_surface_that_looks_like_the_direct_channel_tells_no_ratio() -> None:
    rng = np.random.default_rng(8)
    alike = (BASIS @ channel(rng)[1])[USED]
    whole = np.zeros(TONES, dtype=complex)
    whole[USED] = 9 * alike
    seen = Uniform(10 * alike + 1e-3 * rng.normal(size=alike.size), alike, 1e-9)
    told = state_ratio(seen, whole, USED, FFT, DECLARED)
    assert not told.measured
    assert told.ratio == pytest.approx(-0.6 / 0.7)
    assert told.error is not None
    assert told.error > 0.2


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_a_third_state_is_told_by_what_its_elements_add_over_frequency_where_it_varies(turn: float) -> None:
    rng = np.random.default_rng(9)
    moved = rng.normal(size=(6, TONES)) + 1j * rng.normal(size=(6, TONES))
    true = 0.7 * np.exp(1j * (1.1 + turn * X))
    noise = 0.02 * (rng.normal(size=moved.shape) + 1j * rng.normal(size=moved.shape))
    told = other_state((true * moved + noise)[:, USED], moved[:, USED], USED)
    np.testing.assert_allclose(told.at(X), true, atol=0.02)
    assert (told.coefficients.size == 1) == (turn == 0)
    assert told.error < 0.005


def test_the_table_holds_what_was_measured_and_the_profiles_word_elsewhere() -> None:
    x = np.array([-1.0, 0.0, 1.0])
    declared = np.tile([1.0, -1.0, 1j, -1j], (3, 1)).astype(complex)
    uniform, covered = sounded(np.random.default_rng(7), 0.5j)
    ratio = state_ratio(uniform, covered, USED, FFT, declared_share(declared, x, 0, 1))
    moved = np.ones((1, TONES), complex)
    table = table_over(declared, x, ratio, {2: other_state(0.3j * moved, moved, np.ones(TONES, bool))}, 0, 1)
    np.testing.assert_allclose(table[:, 0], 1.0)
    np.testing.assert_allclose(table[:, 1], 0.5j, atol=0.02)
    centre, half = (1 + 0.5j) / 2, (1 - 0.5j) / 2
    np.testing.assert_allclose(table[:, 2], centre + 0.3j * half, atol=0.02)
    np.testing.assert_allclose(table[:, 3], centre - 1j * half, atol=0.02)
    unmeasured = table_over(declared, x, declared_ratio(0.0), {}, 0, 1)
    np.testing.assert_allclose(unmeasured, declared)
