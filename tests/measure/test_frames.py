"""Frames that are heard piece by piece are those that are heard as a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.config import OfdmConfig
from hil.measure import frames as room
from hil.measure.frames import FrameHearing, Frames
from hil.phy.ofdm import OfdmGrid

GRID = OfdmGrid.from_config(OfdmConfig(num_subcarriers=48, num_taps=4, bandwidth_hz=3e6, fft_size=64))
PERIOD, FRAME, STILL, COUNT = 64, 200, 150, 120
ENDS = FRAME * (1 + np.arange(COUNT)) + 170


def captured(noise: float = 0.02, seed: int = 0) -> np.ndarray:
    """A pilot over a strong path and a surface that takes another value 20 samples before each of its frames."""
    rng = np.random.default_rng(seed)
    index = np.arange(FRAME * (COUNT + 3))
    values = 1 + rng.standard_normal((COUNT + 3, 2)) @ [0.2, 0.2j]
    pilot = GRID.transmit_frame(0.0)[index % PERIOD]
    hiss = noise * (rng.standard_normal((index.size, 2)) @ [1, 1j])
    return (pilot * values[(index + 20) // FRAME % (COUNT + 3)] + hiss).astype(np.complex64)


def heard(samples: np.ndarray, cuts: list[int]) -> Frames:
    hearing = FrameHearing(GRID, ENDS, STILL, repetitions=2, num_taps=4)
    for cut in sorted(cuts):
        hearing.hear(samples[:cut])
    return hearing.frames(samples)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GROUP_SAMPLES", 3000)


@given(cuts=st.lists(st.integers(0, FRAME * COUNT), max_size=12), seed=st.integers(0, 9))
@settings(max_examples=25)
def test_the_pieces_in_which_frames_arrive_do_not_matter_to_the_bit(cuts: list[int], seed: int) -> None:
    samples = captured(seed=seed)
    whole, parts = heard(samples, []), heard(samples, cuts)
    assert whole.good.all() and whole.repeated is whole.slipped is None
    for name in ("response", "scatter", "good", "delays"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_a_frame_that_changes_in_its_midst_is_told_from_the_others() -> None:
    samples = captured()
    samples[ENDS[40] - 70 : ENDS[40]] *= 1.5
    assert np.array_equal(np.flatnonzero(~heard(samples, [4000, 9000]).good), [40])


def test_frames_that_came_twice_and_frames_that_are_missing_are_found() -> None:
    samples = captured()
    at = FRAME * 60
    twice = np.insert(samples, at, samples[at - 20 * FRAME : at])[: samples.size]
    assert heard(twice, [5000]).repeated == at
    gap = np.concatenate([samples[:at], samples[at + 30 :], samples[-30:]])
    assert heard(gap, [5000]).slipped is not None


def test_samples_that_were_not_taken_hide_no_block_that_came_twice() -> None:
    """Between blocks there are zeros, each time the same."""
    samples = captured()
    at = FRAME * 60
    twice = np.insert(samples, at, samples[at - 12 * FRAME : at])[: samples.size]
    spare = (np.arange(samples.size) % (2 * FRAME)) >= 2 * FRAME - 20
    assert heard(np.where(spare, 0, twice).astype(np.complex64), []).repeated is not None
