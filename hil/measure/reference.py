"""The second receiver, where a coupler feeds it from the transmitter: it hears all that the radio does, and no channel.

The start of each capture, the gain of the transmitter, the phases of both LOs and their walk are the same in both
receivers. So a sounding's reference is one complex gain and one advance: what the coupled pilot says of all subcarriers
together, whose noise is that much smaller than a sounding's. They are recorded beside the raw sounding.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex
from hil.interfaces import Capture, ReferencedSdr
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance, to_delays

REFERENCE = np.dtype([("gain", "<c16"), ("advance", "<f8"), ("noise_var", "<f8")])
"""Of a sounding: complex gain of the coupled pilot, its advance in samples (fractions are the coupler's own), and the
variance of the gain."""

GAINS_DB = (62.0, 50.0, 38.0, 26.0, 14.0, 2.0)  # of the second receiver, tried in this order
HIGHEST_PEAK = 0.7  # of full scale, of a part of a sample
LEAST_SNR = 100.0  # of a subcarrier: a coupler's pilot stands far out of the noise
SYMBOLS = 8  # heard for the decision


@dataclass(frozen=True)
class Coupling:
    """What the second receiver hears of the transmitter, on one subcarrier of one symbol."""

    gain_db: float
    snr_db: float


def find_coupling(sdr: ReferencedSdr, grid: OfdmGrid) -> Coupling | None:
    """Listen to the transmitter with the second receiver, at the highest gain that does not overload it.

    It stays on where a coupler feeds it, and is off again where not: None. The radio must be on the air.
    """
    if sdr.num_receivers < 2:
        return None
    for gain_db in GAINS_DB:
        taken_db = sdr.use_reference(gain_db)
        samples = sdr.capture(SYMBOLS * grid.fft_size).reference
        if taken_db is None or samples is None:
            break
        if float(np.maximum(np.abs(samples.real), np.abs(samples.imag)).max()) > HIGHEST_PEAK:
            continue
        snr = _snr(grid.demodulate(samples)[:, grid.used])
        if snr < LEAST_SNR:
            break
        return Coupling(taken_db, float(10 * np.log10(snr)))
    sdr.use_reference(None)
    return None


def steadied(capture: Capture, grid: OfdmGrid) -> Capture:
    """A long capture without the drift that its reference shows, both receivers as at its first symbol.

    The drift of a symbol is the coupled pilot's, all subcarriers together, and goes straight from one to the next.
    """
    if capture.reference is None:
        return capture
    count = capture.samples.size // grid.fft_size
    symbols = grid.demodulate(capture.reference[: count * grid.fft_size])
    gain = symbols @ symbols[: min(count, SYMBOLS)].mean(axis=0).conj()
    drift = gain / gain[: min(count, SYMBOLS)].mean()
    middles = (np.arange(count) + 0.5) * grid.fft_size
    index = np.arange(capture.samples.size)
    turn = (1 / np.interp(index, middles, drift)).astype(np.complex64)
    return replace(capture, samples=capture.samples * turn, reference=capture.reference * turn)


def coupled_pilot(symbols: Complex[np.ndarray, "symbol subcarrier"], grid: OfdmGrid) -> np.ndarray:
    """A record of dtype REFERENCE, from the symbols of one sounding at the second receiver."""
    mean = symbols.mean(axis=0).astype(complex)
    samples = _fractional_advance(mean, grid)
    level = advance(mean, np.asarray(-samples), grid.fft_size)[grid.used]
    noise_var = float(np.mean(np.abs((symbols - mean)[:, grid.used]) ** 2)) / max(len(symbols) - 1, 1)
    return np.array((level.mean(), samples, noise_var / level.size), dtype=REFERENCE)


def _fractional_advance(response: Complex[np.ndarray, "subcarrier"], grid: OfdmGrid) -> float:
    """By the highest delay, then by the phase from one subcarrier to the next."""
    whole = int(np.argmax(np.abs(to_delays(response, grid.fft_size))))
    near = advance(response, np.asarray(whole), grid.fft_size) * grid.used
    slope = float(np.angle(np.vdot(near[:-1], near[1:])))
    return slope * grid.fft_size / (2 * np.pi) - whole


def _snr(symbols: Complex[np.ndarray, "symbol subcarrier"]) -> float:
    mean = symbols.mean(axis=0)
    noise = float(np.mean(np.abs(symbols - mean) ** 2)) * len(symbols) / (len(symbols) - 1)
    return float(np.mean(np.abs(mean) ** 2)) / max(noise, np.finfo(float).tiny)
