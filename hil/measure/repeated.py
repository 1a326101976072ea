"""Repeated soundings of one pattern: brought to a common delay and phase, and what rate they tell."""

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.errors import ConfigError
from hil.measure.setup import Setup
from hil.phy.metrics import unbiased_rates
from hil.phy.sync import advance, advance_between
from hil.phy.taps import DelayBasis, delay_profile, place_window

WINDOW_MARGINS = (3, 2, 1)  # taps kept on both sides of the M strongest, if possible: leakage of fractional delays
PARTS_OF_A_SAMPLE = 16  # delays of two radios' captures are told so finely: the edge of the band turns by 5 degrees


def window_basis(setup: Setup) -> DelayBasis:
    """The delays at which an aligned sounding may hold more than noise: `window_of`."""
    return window_of(setup.grid.used, setup.testbed.ofdm.num_taps)


def window_of(used: Bool[np.ndarray, "subcarrier"], num_taps: int) -> DelayBasis:
    """Delays of that many taps, and as many around them as let the used subcarriers foretell the carrier between them.

    Raises ConfigError where even the channel's own delays are too many for that.
    """
    for margin in WINDOW_MARGINS:
        if num_taps + 2 * margin < used.size:
            basis = DelayBasis.build(used, -margin, num_taps + margin)
            if basis.determined:
                return basis
    raise ConfigError(
        f"ofdm.num_taps: {num_taps} are too many for {int(used.sum())} pilots to tell a channel of that length by, "
        "the carrier's subcarrier included; take fewer, or a larger ofdm.num_subcarriers"
    )


def find_each_other(responses: Complex[np.ndarray, "sounding subcarrier"], noise_var: float, setup: Setup) -> bool:
    """Whether soundings of one pattern, in noise of that variance, are strong enough to be brought to a common start.

    Where two of them agree their correlation has K snr^2 / (1 + 2 snr) times the power that noise gives it elsewhere,
    and the highest of noise over all shifts is about the logarithm of their number: twice that is asked. Below it mean
    and rate of the soundings fall short of the truth, by most of it further down.
    """
    used, shifts = setup.grid.used, setup.grid.fft_size
    power = float(np.mean(np.abs(responses[:, used]) ** 2))
    snr = max(power / max(noise_var, float(np.finfo(float).tiny)) - 1, float(np.finfo(float).eps))
    return bool(used.sum() * snr > 2 * np.log(shifts) * (2 + 1 / snr))


def aligned_in_window(
    responses: Complex[np.ndarray, "sounding subcarrier"], setup: Setup
) -> Complex[np.ndarray, "sounding subcarrier"]:
    """Soundings of one pattern that agree in phase and delay, the M taps of most energy the first ones.

    Captures of one radio start a whole number of samples apart, those of two radios anywhere.
    """
    parts = 1 if setup.testbed.receiver is None else PARTS_OF_A_SAMPLE
    return _in_window(_aligned(responses, parts * setup.grid.fft_size), setup.testbed.ofdm.num_taps)


def rates_of_each(
    responses: Complex[np.ndarray, "sounding subcarrier"], noise_var: Float[np.ndarray, "sounding"], setup: Setup
) -> Float[np.ndarray, "sounding"]:
    """Rate at the time of each sounding of one pattern, corrected for the noise in it; Mbit/s.

    responses, noise_var: at the ADC, as sounded.
    """
    ofdm, scale = setup.testbed.ofdm, setup.budget.scale
    return unbiased_rates(
        scale * aligned_in_window(responses, setup),
        scale**2 * noise_var,
        basis=window_basis(setup),
        snr_scale=setup.budget.snr_scale,
        num_taps=ofdm.num_taps,
        bandwidth_hz=ofdm.bandwidth_hz,
    )


def _aligned(
    responses: Complex[np.ndarray, "sounding subcarrier"], fft_size: int
) -> Complex[np.ndarray, "sounding subcarrier"]:
    """Turned and delayed to agree with each other; by their own mean, twice refined.

    fft_size: shifts are whole numbers of its parts of a symbol.
    """
    reference, aligned = responses[0], responses
    for _ in range(3):
        shift, phase = advance_between(responses, reference, fft_size)
        aligned = advance(responses, shift, fft_size) * np.exp(-1j * phase)[:, None].astype(responses.dtype)
        reference = aligned.mean(axis=0)
    return aligned


def _in_window(
    responses: Complex[np.ndarray, "sounding subcarrier"], num_taps: int
) -> Complex[np.ndarray, "sounding subcarrier"]:
    num_subcarriers = responses.shape[-1]
    start = place_window(delay_profile(responses.mean(axis=0), num_subcarriers), num_taps)
    return advance(responses, np.full(len(responses), float(start)), num_subcarriers)
