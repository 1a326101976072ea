"""Samples of lines against the sum of their exponentials."""

import numpy as np
import pytest

from hil.sim.synthesis import straight_line, synthesize, synthesize_slipping


def spectrum(size):
    rng = np.random.default_rng(size)
    return (rng.normal(size=size) + 1j * rng.normal(size=size)).astype(np.complex64)


@pytest.mark.parametrize("slip", [0.0, 1e-13, 2e-6, -2e-5, 2e-4, -1e-3])
@pytest.mark.parametrize(("period", "num_samples"), [(80, 3000), (80, 1), (1000, 900), (700, 1500), (1, 700)])
def test_a_wave_taken_by_a_sampler_that_slips_is_the_wave_at_the_slipped_places(slip, period, num_samples):
    amplitude = spectrum(period)
    place = np.arange(num_samples) * (1 + slip)
    expected = np.exp(2j * np.pi * np.outer(place, np.fft.fftfreq(period))) @ amplitude
    assert abs(synthesize_slipping(amplitude, num_samples, slip) - expected).max() < 2e-5 * abs(expected).max()


def test_a_long_period_may_slip_by_many_samples_in_one_piece():
    period, slip, place = 8000, 1.9e-3, np.arange(6000)
    amplitude, lines = np.zeros(period, np.complex64), [0, 7, 1234, 3999, -3999]
    amplitude[lines] = spectrum(5)
    cycles = np.fft.fftfreq(period)[lines]
    expected = np.exp(2j * np.pi * np.outer(place * (1 + slip), cycles)) @ amplitude[lines]
    assert abs(synthesize_slipping(amplitude, place.size, slip) - expected).max() < 2e-5 * abs(expected).max()


@pytest.mark.parametrize("num_samples", [1, 255, 256, 1000])
def test_lines_anywhere_are_the_sum_of_their_exponentials(num_samples):
    amplitude, offset_hz = spectrum(5), np.array([0.0, 1.25e6, -4.9e6, 0.3, 3e5])
    expected = np.exp(2j * np.pi * np.outer(np.arange(num_samples) / 10e6, offset_hz)) @ amplitude
    assert abs(synthesize(offset_hz, amplitude, num_samples, 10e6) - expected).max() < 2e-5 * abs(expected).max()


def test_a_straight_line_starts_at_nothing_and_would_be_whole_at_the_next_sample():
    assert np.allclose(straight_line(5), [0, 0.2, 0.4, 0.6, 0.8])
