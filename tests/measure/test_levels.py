"""Levels by their definition: dB relative to a full-scale sine."""

import numpy as np
import pytest

from hil.measure.levels import Quiet, gain_for, highest_gain_db, image_dbc, mean_dbfs, peak_dbfs

FFT = 64


def noise(rng, count, power):
    return np.sqrt(power / 2) * (rng.normal(size=count) + 1j * rng.normal(size=count))


def test_a_full_scale_sine_is_zero_db():
    sine = np.exp(2j * np.pi * np.arange(FFT) / 8)
    assert mean_dbfs(sine) == pytest.approx(0, abs=1e-9)
    assert peak_dbfs(0.5 * sine) == pytest.approx(-6.02, abs=0.01)


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
