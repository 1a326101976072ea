"""What dwells of a long capture show, wherever in the pilot's period they begin."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.config import OfdmConfig
from hil.measure.dwells import demodulate_dwells, dwell_means
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import to_delays

GRID = OfdmGrid.from_config(OfdmConfig(num_subcarriers=16, num_taps=3, bandwidth_hz=1e6, fft_size=20))
NUM_SAMPLES = 50 * GRID.fft_size


@given(
    starts=st.lists(st.integers(0, NUM_SAMPLES - 5 * GRID.fft_size), min_size=1, max_size=9),
    repetitions=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_a_dwells_mean_is_the_same_by_its_mean_samples_and_by_its_symbols(starts, repetitions, seed):
    rng = np.random.default_rng(seed)
    samples = (rng.standard_normal((NUM_SAMPLES, 2)) @ [1, 1j]).astype(np.complex64)
    response, _ = demodulate_dwells(samples, np.array(starts), GRID, repetitions)
    np.testing.assert_allclose(dwell_means(samples, np.array(starts), GRID, repetitions), response, atol=1e-5)


@given(start=st.integers(0, NUM_SAMPLES - GRID.fft_size))
def test_a_channel_looks_the_same_from_wherever_a_dwell_begins(start):
    channel = np.exp(2j * np.pi * np.arange(16) / 16) * GRID.used
    period = to_delays(channel * GRID.pilot, GRID.fft_size)
    samples = np.tile(period, 50).astype(np.complex64)
    np.testing.assert_allclose(dwell_means(samples, np.array([start]), GRID, 1)[0], channel, atol=1e-5)
