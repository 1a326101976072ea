import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.config import OfdmConfig
from hil.phy.ofdm import OfdmGrid, pilot_sequence

PILOTS = ("constant", "zadoff_chu", "newman")


def grid(pilot="zadoff_chu", *, num_subcarriers=500, fft_size=640):
    config = OfdmConfig(num_subcarriers=num_subcarriers, num_taps=20, bandwidth_hz=10e6, fft_size=fft_size, pilot=pilot)
    return OfdmGrid.from_config(config)


@pytest.mark.parametrize("pilot", PILOTS)
def test_pilots_have_unit_modulus(pilot):
    assert_allclose(np.abs(pilot_sequence(pilot, 499)), 1)


@pytest.mark.parametrize("length", [64, 65, 99])
def test_zadoff_and_chus_pilots_spread_their_power_evenly_over_time(length):
    assert_allclose(np.abs(np.fft.fft(pilot_sequence("zadoff_chu", length))), np.sqrt(length))


@pytest.mark.parametrize("skip_dc", [True, False])
@pytest.mark.parametrize(("num_subcarriers", "guards"), [(64, 6), (65, 0), (63, 1)])
def test_guards_carry_nothing_and_the_band_between_them_holds_the_carrier(num_subcarriers, guards, skip_dc):
    config = OfdmConfig(
        num_subcarriers=num_subcarriers,
        num_taps=8,
        bandwidth_hz=1e6,
        fft_size=80,
        guard_subcarriers=guards,
        skip_dc=skip_dc,
    )
    g = OfdmGrid.from_config(config)
    k = np.arange(num_subcarriers)
    inside = (k >= guards) & (k < num_subcarriers - guards)
    assert np.array_equal(g.band, inside)
    assert np.array_equal(g.used, inside & ~(skip_dc & (g.frequencies_hz == 0)))
    assert np.array_equal(g.pilot != 0, g.used)


def test_a_symbol_is_one_period_of_the_frame():
    g = grid()
    assert (
        g.symbol_s == pytest.approx(len(g.frame) / g.sample_rate_hz) == pytest.approx(1 / np.diff(g.frequencies_hz)[0])
    )


def test_more_subcarriers_than_samples_are_refused():
    with pytest.raises(ValueError, match="do not fit in 63 samples"):
        OfdmGrid.build(64, 63, 1e6, np.ones(64, dtype=bool), "newman")


def test_no_part_of_any_frame_passes_full_scale():
    rng = np.random.default_rng(3)
    for pilot, _ in itertools.product(PILOTS, range(20)):
        frame = OfdmGrid.build(16, 20, 1e6, rng.random(16) < 0.6, pilot).frame
        assert max(np.abs(frame.real).max(), np.abs(frame.imag).max()) == pytest.approx(1)


@pytest.mark.parametrize("pilot", PILOTS)
@pytest.mark.parametrize("peak_dbfs", [0.0, -6.0])
def test_the_frame_peaks_where_it_is_told(pilot, peak_dbfs):
    frame = grid(pilot).transmit_frame(peak_dbfs)
    peak = max(np.abs(frame.real).max(), np.abs(frame.imag).max())
    assert_allclose(20 * np.log10(peak), peak_dbfs, atol=1e-3)


def test_a_peak_above_full_scale_is_refused():
    with pytest.raises(ValueError, match="DAC"):
        grid().transmit_frame(0.1)


def test_the_constant_pilot_has_27_db_of_crest_and_the_others_less_than_3():
    assert_allclose(grid("constant").crest_factor_db, 10 * np.log10(499), atol=0.1)
    assert grid("zadoff_chu").crest_factor_db < 3
    assert grid("newman").crest_factor_db < 3


def test_mean_power_is_the_pilots_power():
    g = grid()
    assert_allclose(10 ** (g.mean_power_dbfs / 10), g.used.sum() * g.amplitude**2, rtol=1e-5)


@pytest.mark.parametrize("pilot", PILOTS)
def test_a_wire_is_heard_as_the_pilots_amplitude(pilot):
    g = grid(pilot)
    response = g.demodulate(np.tile(g.frame, 3))
    assert_allclose(response[:, g.used], g.amplitude, rtol=1e-4)
    assert_allclose(response[:, ~g.used], 0)


@pytest.mark.parametrize(("num_subcarriers", "fft_size"), [(500, 640), (64, 64), (63, 80)])
def test_a_tone_in_the_channel_is_found_on_its_subcarrier(num_subcarriers, fft_size):
    """The channel multiplies each sinusoid of the frame; written out in time, no FFT."""
    g = grid(num_subcarriers=num_subcarriers, fft_size=fft_size)
    rng = np.random.default_rng(1)
    channel = rng.normal(size=num_subcarriers) + 1j * rng.normal(size=num_subcarriers)
    time_s = np.arange(2 * fft_size) / g.sample_rate_hz
    received = sum(
        g.amplitude * channel[k] * g.pilot[k] * np.exp(2j * np.pi * g.frequencies_hz[k] * time_s)
        for k in range(num_subcarriers)
    )
    assert_allclose(g.demodulate(received)[:, g.used] / g.amplitude, np.tile(channel[g.used], (2, 1)), atol=1e-9)


def test_frequencies_are_monotonic_with_zero_at_the_unused_carrier():
    g = grid()
    assert np.all(np.diff(g.frequencies_hz) > 0)
    assert g.frequencies_hz[~g.used] == 0
    assert_allclose(np.diff(g.frequencies_hz), 20e3)


def test_noise_shrinks_by_the_length_of_the_symbol():
    g = grid()
    rng = np.random.default_rng(2)
    noise = (rng.normal(size=(2, 200 * 640)) * np.sqrt(0.5)).T @ np.array([1, 1j])
    heard = g.demodulate(noise)[:, g.used]
    assert_allclose(np.mean(np.abs(heard) ** 2), 1 / 640, rtol=0.03)


@pytest.mark.parametrize("size", [0, 639, 641])
def test_part_periods_are_refused(size):
    with pytest.raises(ValueError, match="whole symbols"):
        grid().demodulate(np.zeros(size, dtype=complex))
