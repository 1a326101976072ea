"""A capture whose symbols are followed piece by piece is the one that is followed as a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.config import OfdmConfig
from hil.measure import track as room
from hil.measure.track import TrackHearing
from hil.phy.ofdm import OfdmGrid

GRID = OfdmGrid.from_config(OfdmConfig(num_subcarriers=48, num_taps=4, bandwidth_hz=3e6, fft_size=64))
PERIOD, SIZE = 64, 20_011


def captured(seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """A pilot whose level changes once, and noise."""
    rng, index = np.random.default_rng(seed), np.arange(SIZE)
    hiss = noise * (rng.standard_normal((SIZE, 2)) @ [1, 1j])
    return (GRID.transmit_frame(0.0)[index % PERIOD] * np.where(index < 9600, 1.0, 2.0) + hiss).astype(np.complex64)


def heard(samples: np.ndarray, cuts: list[int]) -> tuple[np.ndarray, int | None]:
    hearing = TrackHearing(GRID, 4)
    for cut in sorted(cuts):
        hearing.hear(samples[:cut])
    return hearing.track(samples), hearing.repeated_from(samples)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GROUP_SAMPLES", 1000)


@given(cuts=st.lists(st.integers(0, SIZE), max_size=12), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_the_pieces_in_which_a_capture_arrives_do_not_matter_to_the_bit(cuts: list[int], seed: int) -> None:
    samples = captured(seed)
    (whole, twice), (parts, again) = heard(samples, []), heard(samples, cuts)
    assert np.array_equal(whole, parts)
    assert twice is again is None


def test_each_symbol_is_there_once_and_shows_its_level() -> None:
    track, _ = heard(captured(), [7000])
    assert len(track) == SIZE // PERIOD
    level = np.linalg.norm(track, axis=1)
    np.testing.assert_allclose(level / level[0], np.where(np.arange(len(track)) < 150, 1, 2), rtol=0.05)


def test_a_block_that_came_twice_is_found_at_the_end() -> None:
    samples = captured(noise=0.1)
    twice = np.insert(samples, 12_800, samples[12_800 - 3200 : 12_800])[:SIZE]
    assert heard(twice, [5000])[1] == 12_800
