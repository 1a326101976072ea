"""Levels by their definition: dB relative to a full-scale sine."""

import numpy as np
import pytest

from hil.measure.levels import STEP, Quiet, Steps, gain_for, highest_gain_db, image_dbc, mean_dbfs, peak_dbfs

FFT = 64


def noise(rng, count, power):
    return np.sqrt(power / 2) * (rng.normal(size=count) + 1j * rng.normal(size=count))


def test_a_full_scale_sine_is_zero_db():
    sine = np.exp(2j * np.pi * np.arange(FFT) / 8)
    assert mean_dbfs(sine) == pytest.approx(0, abs=1e-9)
    assert peak_dbfs(0.5 * sine) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("turn", [1, 1j, -1, -1j])
def test_the_peak_is_that_of_either_part_and_either_sign(turn):
    """Each part goes to an ADC of its own: one that clips is enough."""
    assert peak_dbfs(turn * np.array([0.1 - 0.05j, 1.0 + 0.2j, -0.3 + 0.1j])) == pytest.approx(0)


def test_the_strongest_bin_is_told_against_the_mean_one_wherever_it_lies():
    for offset in (1, 5, FFT - 1):
        tone = np.exp(2j * np.pi * offset / FFT * np.arange(64 * FFT))
        assert Quiet.of(tone, FFT).tone_db == pytest.approx(10 * np.log10(FFT - 1), abs=0.01)


def test_silence_is_noise_and_an_offset_and_a_foreign_tone_stands_out():
    rng = np.random.default_rng(0)
    still = noise(rng, 128 * FFT, 1e-4) + (0.01 - 0.02j)
    quiet = Quiet.of(still, FFT)
    assert quiet.noise_dbfs == pytest.approx(-40, abs=0.2)
    assert quiet.dc == pytest.approx(0.01 - 0.02j, abs=1e-3)
    assert quiet.tone_db < 3
    tone = 0.02 * np.exp(2j * np.pi * 5 / FFT * np.arange(still.size))
    assert Quiet.of(still + tone, FFT).tone_db > 15


def test_the_gain_leaves_the_headroom_within_what_the_receiver_has():
    assert gain_for(-60.4, 9, 2.4e9) == 51
    assert gain_for(-90.0, 9, 5.5e9) == highest_gain_db(5.5e9) == 62
    assert gain_for(20.0, 9, 5.5e9) == -3


@pytest.mark.parametrize("level_db", [-50.0, -30.0])
def test_the_image_is_what_stands_mirrored_at_the_carrier(level_db):
    rng = np.random.default_rng(1)
    sent = np.zeros(FFT)
    sent[[3, 9, 14]] = 1
    period = np.fft.ifft(sent * np.exp(2j * np.pi * rng.random(FFT)))
    samples = np.tile(period + 10 ** (level_db / 20) * np.exp(1j) * period.conj(), 64)
    assert image_dbc(samples + noise(rng, samples.size, 1e-9), FFT, sent) == pytest.approx(level_db, abs=0.3)
    assert image_dbc(np.tile(period, 64) + noise(rng, samples.size, 1e-6), FFT, sent) is None


def test_noise_is_no_part_of_an_image():
    """Ten noisy bins lie under each: what is told is what stands there without them."""
    rng = np.random.default_rng(2)
    sent = np.zeros(FFT)
    sent[2:12] = 1
    period = np.fft.ifft(sent * np.exp(2j * np.pi * rng.random(FFT))) * FFT / np.sqrt(10)
    samples = np.tile(period + 0.1 * period.conj(), 32)
    told = [image_dbc(samples + noise(rng, samples.size, 0.8), FFT, sent) for _ in range(40)]
    assert np.median([each for each in told if each is not None]) == pytest.approx(-20, abs=0.7)


@pytest.mark.parametrize(
    ("signal_steps", "noise_steps", "off", "told"),
    [(1.0, 0.6, False, False), (1.0, 0.1, True, True), (0.4, 0.2, True, True), (60.0, 0.1, True, False)],
)
def test_rounding_counts_as_channel_where_noise_does_not_hide_it_and_is_told_where_it_is_much(
    signal_steps, noise_steps, off, told
):
    """`off`: what a sounding of many symbols is off by is more than its noise accounts for."""
    rng, symbols, pilots = np.random.default_rng(3), 256, np.arange(FFT) % FFT < 40
    channel = pilots * np.exp(2j * np.pi * rng.random(FFT))
    channel *= signal_steps * STEP * np.sqrt(2 / pilots.sum())  # which is the rms of either part
    sent = np.tile(np.fft.ifft(channel) * FFT, symbols)
    heard = sent + noise(rng, sent.size, 2 * (noise_steps * STEP) ** 2)
    heard = STEP * (np.round(heard.real / STEP) + 1j * np.round(heard.imag / STEP))
    each = np.fft.fft(heard.reshape(symbols, FFT), norm="forward") * pilots
    response = each.mean(axis=0)
    noise_var = np.mean(np.abs(each - response)[:, pilots] ** 2) / (symbols - 1)
    error = np.mean(np.abs(response - channel)[pilots] ** 2)
    assert (error > 3 * noise_var) == off
    steps = Steps.of(response[None], np.array([noise_var]), symbols=symbols, fft_size=FFT)
    assert steps.rms == pytest.approx(signal_steps, rel=0.1)
    assert (steps.advice is not None) == told
    assert told == (error > 2e-3 * np.mean(np.abs(channel[pilots]) ** 2) and off)


def test_silence_without_noise_has_steps_that_show():
    steps = Steps.of(np.zeros((2, FFT), dtype=complex), np.zeros(2), symbols=4, fft_size=FFT)
    assert steps.advice is not None
