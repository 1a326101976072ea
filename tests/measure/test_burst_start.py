import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import MeasurementError
from hil.measure.burst_start import find_start

TAPS = 8


def captured(late, *, pitch=40.0, settle=12.0, count=20, head=60.0, noise=0.3, seed=0, first=2.0):
    """A track of a surface that changes from 0 to another value every `pitch` symbols, and the dwells as planned.

    Each change takes `settle`; dwells are planned from its end on. The first change is `first` times the others.
    """
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count + 1, TAPS, 2)) @ [1, 1j] / np.sqrt(2)
    values[0] = first * rng.standard_normal((TAPS, 2)) @ [1, 1j] / np.sqrt(2)
    begins = head - late + pitch * np.arange(count)
    time = np.arange(int(begins[-1] + 2 * pitch))
    share = np.clip((time[:, None] - begins) / settle, 0, 1)
    steps = np.diff(values, axis=0)
    track = 10 + values[0] + share @ steps
    track = track + noise * (rng.standard_normal((*track.shape, 2)) @ [1, 1j]) / np.sqrt(2)
    return track.astype(np.complex64), head + settle + pitch * np.arange(count)


@given(late=st.floats(0.0, 45.0), pitch=st.floats(28.0, 120.0), settle=st.floats(1.0, 12.0), seed=st.integers(0, 2**16))
@settings(max_examples=60)
def test_with_the_start_that_is_found_no_dwell_holds_a_change(late, pitch, settle, seed):
    track, planned = captured(late, pitch=pitch, settle=settle, seed=seed, first=4.0)
    found = find_start(track, planned, still=6.0, before=settle + 2, latest=50.0)
    shift = late - found  # dwells are taken by so much later than they are
    assert -1.5 < shift < pitch - settle - 6.0


def test_a_start_that_is_late_by_more_than_a_pattern_is_not_taken_for_an_early_one():
    track, planned = captured(45.0, pitch=30.0, settle=5.0, first=4.0)
    found = find_start(track, planned, still=6.0, before=7.0, latest=50.0)
    assert 45.0 - found < 30.0 - 5.0 - 6.0


@pytest.mark.parametrize("seed", range(20))
def test_a_surface_that_is_not_seen_is_refused(seed):
    track, planned = captured(3.0, seed=seed)
    noise = np.random.default_rng(seed).standard_normal((*track.shape, 2)) @ [1, 1j]
    with pytest.raises(MeasurementError, match="is the surface seen"):
        find_start(noise.astype(np.complex64), planned, still=6.0, before=14.0, latest=50.0)


def test_an_idle_receiver_that_gives_zeros_alone_is_refused_the_same_way():
    track, planned = captured(3.0)
    with pytest.raises(MeasurementError, match="is the surface seen"):
        find_start(np.zeros_like(track), planned, still=6.0, before=14.0, latest=50.0)
