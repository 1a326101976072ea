import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.errors import ConfigError, MeasurementError, Overload
from hil.interfaces import Capture
from hil.measure.sounder import Sounder, clean_symbols
from hil.phy.ofdm import OfdmGrid

K, L, REPETITIONS = 64, 80, 16
GRID = OfdmGrid.build(K, L, 1e6, np.arange(K) != K // 2, "zadoff_chu")


class Air:
    """A radio that hears its own frame through a wire, with noise; `spoil` may damage each capture."""

    identity = "air"

    def unused(self, *_):
        raise AssertionError("a sounder only captures")

    configure = set_rx_gain = transmit = quiet = close = unused

    def __init__(self, noise_std=0.01, spoil=lambda count, samples: False, seed=0):
        self.captures = 0
        self._noise_std, self._spoil = noise_std, spoil
        self._rng = np.random.default_rng(seed)

    def capture(self, num_samples):
        noise = self._rng.normal(size=(2, num_samples)) * self._noise_std * np.sqrt(0.5)
        samples = (np.tile(GRID.frame, num_samples // L) + noise[0] + 1j * noise[1]).astype(np.complex64)
        overloaded = self._spoil(self.captures, samples)
        self.captures += 1
        return Capture(samples, time_s=float(self.captures), overloaded=overloaded)


def burst(*symbols, level=0.3):
    """Noise of a foreign transmitter over the given symbols."""

    def spoil(_count, samples):
        for symbol in symbols:
            rng = np.random.default_rng(symbol)
            samples[symbol * L : (symbol + 1) * L] += level * rng.normal(size=L)
        return False

    return spoil


def test_the_response_is_the_received_amplitude_and_the_noise_is_known():
    sounding = Sounder(Air(noise_std=0.02), GRID, REPETITIONS).sound()
    assert_allclose(sounding.response[GRID.used], GRID.amplitude, atol=0.003)
    assert sounding.response[K // 2] == 0
    assert_allclose(sounding.noise_var, 0.02**2 / L / REPETITIONS, rtol=0.15)
    assert (sounding.retakes, sounding.overloaded, sounding.symbols) == (0, False, REPETITIONS)


def test_the_noise_variance_is_that_of_the_mean():
    sounder = Sounder(Air(noise_std=0.05), GRID, 4)
    soundings = [sounder.sound() for _ in range(200)]
    scatter = np.var([s.response[GRID.used] for s in soundings], axis=0).mean()
    assert_allclose(np.mean([s.noise_var for s in soundings]), scatter, rtol=0.05)


def test_the_snr_does_not_count_the_noise_as_signal():
    """One symbol at -5 dB SNR, 16 averages: 7 dB."""
    noise_std = GRID.amplitude * np.sqrt(L * 10 ** (5 / 10))
    snr = np.mean([Sounder(Air(noise_std, seed=s), GRID, REPETITIONS).sound().snr_db for s in range(30)])
    assert_allclose(snr, 10 * np.log10(16) - 5, atol=0.3)


def test_a_clipped_capture_is_retaken_and_never_averaged_in():
    def clip_twice(count, samples):
        if count < 2:
            samples[:] = 1.0
        return count < 2

    sounding = Sounder(Air(spoil=clip_twice), GRID, REPETITIONS).sound()
    assert (sounding.retakes, sounding.overloaded) == (2, True)
    assert sounding.time_s == 3.0
    assert_allclose(sounding.response[GRID.used], GRID.amplitude, atol=0.003)


def test_a_receiver_that_always_clips_is_an_overload_with_advice():
    air = Air(spoil=lambda *_: True)
    with pytest.raises(Overload, match=r"4 of 4 captures.*rx_gain_db"):
        Sounder(air, GRID, REPETITIONS, max_retakes=3).sound()
    assert air.captures == 4


def test_symbols_hit_by_a_burst_are_left_out():
    clean = Sounder(Air(), GRID, REPETITIONS).sound()
    hit = Sounder(Air(spoil=burst(3, 4, 9)), GRID, REPETITIONS).sound()
    assert (hit.symbols, hit.retakes) == (REPETITIONS - 3, 0)
    assert_allclose(hit.noise_var, clean.noise_var * REPETITIONS / (REPETITIONS - 3), rtol=0.3)


def test_a_capture_full_of_bursts_is_retaken():
    full = burst(*range(5, 16))
    sounding = Sounder(Air(spoil=lambda count, x: count == 0 and full(count, x)), GRID, REPETITIONS).sound()
    assert (sounding.symbols, sounding.retakes, sounding.overloaded) == (REPETITIONS, 1, False)
    with pytest.raises(MeasurementError, match="interference"):
        Sounder(Air(spoil=full), GRID, REPETITIONS, max_retakes=2).sound()


def test_pure_noise_alarms_nobody():
    rng = np.random.default_rng(7)
    for _ in range(300):
        symbols = rng.normal(size=(REPETITIONS, 128)).view(complex)
        assert clean_symbols(symbols).all()


def test_one_repetition_cannot_show_the_noise():
    with pytest.raises(ConfigError, match="at least 2"):
        Sounder(Air(), GRID, 1)
