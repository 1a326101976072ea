"""The filter that goes with a sample rate: as pyadi-iio, a filter is loaded with each rate."""

import numpy as np

FILTERS = ((20_000_000, 4, 128), (40_000_000, 2, 128), (53_333_333, 2, 96), (61_440_000, 2, 64))
GAIN = 2.0  # sum of the coefficients, whatever the interpolation: at factor 4 the transmitter loses 6 dB
KAISER_BETA = 7.0
PASS_BAND = 0.9  # of half the output rate


def fir_text(rate_hz: float) -> str:
    """A `filter_fir_config` for the rate: a low-pass by windowed sinc, decimating and interpolating by 4 or 2."""
    factor, num_taps = next((f, n) for limit_hz, f, n in FILTERS if rate_hz <= limit_hz)
    cutoff = PASS_BAND / factor
    place = np.arange(num_taps) - (num_taps - 1) / 2
    taps = np.sinc(cutoff * place) * np.kaiser(num_taps, KAISER_BETA)
    codes = np.rint(taps / taps.sum() * GAIN * (1 << 15)).astype(int)
    header = f"RX 3 GAIN -6 DEC {factor}\nTX 3 GAIN 0 INT {factor}\n"
    return header + "".join(f"{code},{code}\n" for code in codes) + "\n"
