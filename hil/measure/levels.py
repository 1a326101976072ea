"""Levels at the receiver, in dB relative to a full-scale sine of the ADC: noise, DC, image, and the gain to choose."""

import math
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float
from hil.units import power_db

STEP = 2.0**-11  # of an AD936x: both parts are rounded to 12 bits
QUANTISATION_DBFS = -74.0  # what that leaves of both, over the sample rate
HIDING_DB, STRONG_DB = 3.0, 25.0  # over what rounding leaves: noise that hides it, a signal of which it is too little
HIGHEST_GAINS_DB = ((1.3e9, 73.0), (4e9, 71.0), (math.inf, 62.0))  # of an AD936x, up to that carrier (datasheet)
LOWEST_GAIN_DB = -3.0


@dataclass(frozen=True)
class Steps:
    """How what was sounded stands over the steps of the ADC, which round every symbol of a cyclic frame alike.

    Noise of about a step makes rounding a part of the noise, which averages out and is corrected for. With less noise
    what rounding leaves counts as channel, and the fewer steps the signal fills the more (Widrow 1956).
    rms: of either part of the signal, in steps. signal_db, noise_db: over what rounding leaves on a subcarrier, of a
    pilot and of the noise of one symbol.
    """

    rms: float
    signal_db: float
    noise_db: float

    @classmethod
    def of(
        cls,
        response: Complex[np.ndarray, "sounding subcarrier"],
        noise_var: Float[np.ndarray, "sounding"],
        *,
        symbols: int,
        fft_size: int,
    ) -> "Steps":
        """response: at the ADC, zero where unused. noise_var: of each sounding on a subcarrier, of so many symbols."""
        power = float(np.mean(np.sum(np.abs(response) ** 2, axis=1)))
        pilots, rounding = max(int(np.count_nonzero(response[0])), 1), STEP**2 / 6 / fft_size
        least = float(np.finfo(float).tiny)  # there may be none
        ratios = (max(each, least) / rounding for each in (power / pilots, float(noise_var.mean()) * symbols))
        return cls(math.sqrt(power / 2) / STEP, *map(float, map(power_db, ratios)))

    @property
    def advice(self) -> str | None:
        """What is wrong and what to do; None where noise hides the steps, or the signal is large against them."""
        if self.noise_db > HIDING_DB or self.signal_db > STRONG_DB:
            return None
        return (
            f"the signal fills {self.rms:.1f} steps of the ADC (rms) and noise does not hide them: what rounding "
            "leaves counts as channel, and rates may be some per cent off; raise radio.rx_gain_db, or let "
            "`hil calibrate` choose it"
        )


@dataclass(frozen=True)
class Quiet:
    """What the receiver shows while the transmitter is silent, at one gain.

    noise_dbfs: over the whole sample rate, DC left out. dc: complex offset, ADC full scale = 1.
    tone_db: strongest bin over the mean one; noise alone stays below 12 dB, more is somebody else's transmitter.
    """

    noise_dbfs: float
    dc: complex
    tone_db: float

    @classmethod
    def of(cls, samples: Complex[np.ndarray, "sample"], fft_size: int) -> "Quiet":
        dc = complex(samples.mean())
        rest = samples - dc
        whole = rest[: rest.size // fft_size * fft_size].reshape(-1, fft_size)
        spectrum = np.mean(np.abs(np.fft.fft(whole, axis=-1)) ** 2, axis=0)[1:]
        return cls(mean_dbfs(rest), dc, float(power_db(spectrum.max() / spectrum.mean())))


def mean_dbfs(samples: Complex[np.ndarray, "sample"]) -> float:
    """Mean power."""
    return float(power_db(np.mean(np.abs(samples) ** 2)))


def peak_dbfs(samples: Complex[np.ndarray, "sample"]) -> float:
    """Largest real or imaginary part, which is what an ADC clips."""
    return float(2 * power_db(max(float(np.abs(samples.real).max()), float(np.abs(samples.imag).max()))))


def highest_gain_db(lo_hz: float) -> float:
    """Of the receiver at that carrier."""
    return next(gain_db for below_hz, gain_db in HIGHEST_GAINS_DB if lo_hz <= below_hz)


def gain_for(peak_at_0_db: float, headroom_db: float, lo_hz: float) -> float:
    """Receive gain, in whole dB, that leaves the headroom above a peak that stands there at gain 0 dB."""
    return float(min(max(math.floor(-headroom_db - peak_at_0_db), LOWEST_GAIN_DB), highest_gain_db(lo_hz)))


def image_dbc(samples: Complex[np.ndarray, "sample"], fft_size: int, sent: Float[np.ndarray, "bin"]) -> float | None:
    """Power at the mirrored frequencies of what was sent on one side of the carrier, relative to it.

    samples: whole periods. sent: power sent in each bin of the period; none in the mirror images of any.
    Transmitter's and receiver's image together. None where it does not stand out of the noise by five sigma.
    """
    symbols = np.fft.fft(samples.reshape(-1, fft_size), axis=-1, norm="forward")
    mean = symbols.mean(axis=0)
    noise = float(np.mean(np.abs(symbols - mean) ** 2)) / (len(symbols) - 1)
    there = sent > 0
    mirrored = np.roll(there[::-1], 1)
    signal, image = (float(np.sum(np.abs(mean[which]) ** 2)) - noise * int(which.sum()) for which in (there, mirrored))
    if image < 5 * noise * math.sqrt(int(mirrored.sum())):
        return None
    return float(power_db(image / signal))
