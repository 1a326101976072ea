"""Soundings are brought to the reference of what is known, whether they share a capture or not."""

import numpy as np
import pytest

from hil.estimation.reception import Reception
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis

SUBCARRIERS, SIZE, PATTERNS = 64, 80, 12
USED = np.arange(SUBCARRIERS) != SUBCARRIERS // 2
BASIS = DelayBasis.build(USED, -1.0, 6.0).basis
RECEIVE = Reception(BASIS, USED, SIZE)


def soundings(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Taps, and the responses that they have at no offset."""
    taps = np.random.default_rng(seed).standard_normal((PATTERNS, BASIS.shape[1], 2)) @ [1, 1j]
    return taps, ((taps @ BASIS.T) * USED).astype(np.complex64)


def test_one_offset_and_one_phase_are_taken_out_of_a_capture() -> None:
    taps, responses = soundings()
    heard = advance(responses, np.full(PATTERNS, 33), SIZE) * np.exp(0.8j).astype(np.complex64)
    found = RECEIVE.taps(heard, taps, one_capture=True)
    np.testing.assert_allclose(found, taps, atol=0.02)


def test_the_offset_of_a_capture_is_found_although_each_pattern_turned_by_itself() -> None:
    taps, responses = soundings()
    turns = np.exp(2j * np.pi * np.random.default_rng(1).uniform(size=(PATTERNS, 1)))
    found = RECEIVE.taps(advance(responses, np.full(PATTERNS, 5), SIZE), taps * turns, one_capture=True)
    likeness = np.abs(np.sum(found.conj() * taps, axis=1)) / np.linalg.norm(taps, axis=1) ** 2
    np.testing.assert_allclose(likeness, 1, atol=0.02)


def test_captures_of_their_own_are_each_aligned_and_keep_their_phases() -> None:
    taps, _ = soundings()
    direct = 20 * np.ones((1, BASIS.shape[1]))
    turning = np.exp(0.05j * np.arange(PATTERNS))[:, None]  # what the prediction does not know
    shown = ((((direct * turning) + taps) @ BASIS.T) * USED).astype(np.complex64)
    offsets = np.random.default_rng(2).integers(SIZE, size=PATTERNS)
    found = RECEIVE.taps(advance(shown, offsets, SIZE), direct + taps, one_capture=False)
    common = np.angle(np.vdot(direct + taps, (direct * turning) + taps))
    np.testing.assert_allclose(found * np.exp(1j * common), direct * turning + taps, atol=0.3)


@pytest.mark.parametrize("offset", [0, 17, 79])
def test_what_was_foreseen_is_no_surprise_at_any_offset_and_phase(offset: int) -> None:
    taps, responses = soundings()
    heard = advance(responses[0], np.asarray(offset), SIZE) * np.exp(2j).astype(np.complex64)
    assert RECEIVE.surprise(heard, taps[0], 0.0) < 1e-3
    assert RECEIVE.surprise(heard, taps[1], 0.0) > 0.3


def test_noise_is_no_surprise() -> None:
    taps, responses = soundings()
    noise = np.random.default_rng(3).standard_normal((SUBCARRIERS, 2)) @ [0.1, 0.1j]
    heard = (responses[0] + noise * USED).astype(np.complex64)
    assert RECEIVE.surprise(heard, taps[0], 0.02) < 0.03 < RECEIVE.surprise(heard, taps[0], 0.0)
