"""Samples of a capture come to their places whatever the blocks, and what clipped is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.drivers.pluto_samples import ADC_FULL_SCALE, Arriving, as_capture

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def counts(num_receivers: int, num_samples: int, seed: int = 0) -> np.ndarray:
    """In ADC units, none of them at an end of its range."""
    parts = np.random.default_rng(seed).integers(-2000, 2000, (2, num_receivers, num_samples))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@given(sizes, st.integers(0, 30), st.integers(1, 2))
def test_blocks_make_one_capture_whose_last_one_may_hold_more(
    block_sizes: list[int], surplus: int, receivers: int
) -> None:
    samples = counts(receivers, sum(block_sizes) + surplus)
    arriving, there = Arriving(sum(block_sizes), 1.5), 0
    for number, size in enumerate(block_sizes):
        last = number == len(block_sizes) - 1
        arriving.add(samples[:, there : there + size + (surplus if last else 0)])
        there += size
        np.testing.assert_array_equal(arriving.samples, samples[0, :there] / ADC_FULL_SCALE)
    capture = arriving.capture()
    assert (capture.time_s, capture.overloaded) == (1.5, False)
    np.testing.assert_array_equal(capture.samples, samples[0, :there] / ADC_FULL_SCALE)
    assert (capture.reference is None) == (receivers == 1)
    if capture.reference is not None:
        np.testing.assert_array_equal(capture.reference, samples[1, :there] / ADC_FULL_SCALE)


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 20), st.integers(0, 10))
def test_what_lies_between_two_blocks_is_zero(blocks: int, size: int, gap: int, end: int) -> None:
    samples = counts(1, blocks * size)
    num_samples = (blocks - 1) * (size + gap) + size + end
    arriving = Arriving(num_samples, 0.0)
    expected = np.zeros((blocks, size + gap), dtype=np.complex64)
    for number in range(blocks):
        block = samples[:, number * size : (number + 1) * size]
        expected[number, :size] = block[0] / ADC_FULL_SCALE
        arriving.add(block, pitch=size + gap)
    there = min(num_samples, expected.size)
    np.testing.assert_array_equal(arriving.samples, expected.reshape(-1)[:there])


@pytest.mark.parametrize("part", [2047, -2047, 2047j, -2048j])
@pytest.mark.parametrize("receiver", [0, 1])
def test_one_part_at_an_end_of_the_adc_is_an_overload_of_the_first_receiver_only(part: complex, receiver: int) -> None:
    samples = counts(2, 100)
    samples[receiver, 63] = part
    assert as_capture(samples, 0.0).overloaded == (receiver == 0)
