"""The unknown start of a capture: a cyclic frame heard s samples late is the same response with a linear phase.

A capture that starts s samples into the period advances the response: h[k] exp(+2j pi (k - K//2) s / L).
"""

import numpy as np
import scipy.fft

from hil.arrays import Complex, Float, Int


def advance(
    responses: Complex[np.ndarray, "*#batch subcarrier"],
    samples: Float[np.ndarray, "*#batch"] | Int[np.ndarray, "*#batch"],
    fft_size: int,
) -> Complex[np.ndarray, "... subcarrier"]:
    """Responses as a capture would show them that starts `samples` later (delays shrink by as much); broadcasts."""
    k = np.arange(responses.shape[-1]) - responses.shape[-1] // 2
    some, which = np.unique(samples, return_inverse=True)  # soundings of one capture share theirs
    ramp = np.exp(2j * np.pi / fft_size * some[:, None] * k).astype(responses.dtype)
    return np.asarray(responses * ramp[which])


def correlate(
    responses: Complex[np.ndarray, "*#batch subcarrier"],
    reference: Complex[np.ndarray, "*#batch subcarrier"],
    fft_size: int,
) -> Complex[np.ndarray, "... shift"]:
    """Inner product <reference, advance(response, s)> for each shift s = 0..fft_size-1, by one FFT."""
    return to_delays(reference.conj() * responses, fft_size)


def to_delays(responses: Complex[np.ndarray, "*batch subcarrier"], size: int) -> Complex[np.ndarray, "*batch delay"]:
    """sum_k response[k] exp(2j pi (k - K//2) t / size) for t = 0..size-1; keeps single precision single."""
    upper = responses.shape[-1] - responses.shape[-1] // 2
    bins = np.zeros((*responses.shape[:-1], size), dtype=responses.dtype)
    bins[..., :upper] = responses[..., -upper:]
    bins[..., size - responses.shape[-1] + upper :] = responses[..., :-upper]
    return np.asarray(scipy.fft.ifft(bins, axis=-1, norm="forward", overwrite_x=True))


def advance_between(
    responses: Complex[np.ndarray, "*#batch subcarrier"],
    reference: Complex[np.ndarray, "*#batch subcarrier"],
    fft_size: int,
) -> tuple[Int[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The advance of each response that fits the reference best at any common phase, and that phase in radians.

    advance(response, s) * exp(-1j phase) is then the closest to the reference.
    """
    correlation = correlate(responses, reference, fft_size)
    shift = np.asarray(np.argmax(np.abs(correlation), axis=-1))
    peak = np.take_along_axis(correlation, shift[..., None], axis=-1)[..., 0]
    return shift, np.asarray(np.angle(peak))


def whole_samples(advances: Float[np.ndarray, "pattern"]) -> Int[np.ndarray, "pattern"]:
    """Without the fraction that they share, the circular mean of theirs."""
    fraction = np.angle(np.mean(np.exp(2j * np.pi * advances))) / (2 * np.pi)
    return np.asarray(np.round(advances - fraction).astype(int))
