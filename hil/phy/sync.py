"""The unknown start of a capture: a cyclic frame heard s samples late is the same response with a linear phase.

A capture that starts s samples into the period advances the response: h[k] exp(+2j pi (k - K//2) s / L).
"""

import numpy as np

from hil.arrays import Complex, Float, Int


def advance(
    responses: Complex[np.ndarray, "*#batch subcarrier"],
    samples: Float[np.ndarray, "*#batch"] | Int[np.ndarray, "*#batch"],
    fft_size: int,
) -> Complex[np.ndarray, "... subcarrier"]:
    """Responses as a capture would show them that starts `samples` later (delays shrink by as much); broadcasts."""
    k = np.arange(responses.shape[-1]) - responses.shape[-1] // 2
    ramp = np.exp(2j * np.pi / fft_size * np.asarray(samples)[..., None] * k)
    return np.asarray(responses * ramp.astype(responses.dtype))


def correlate(
    responses: Complex[np.ndarray, "*#batch subcarrier"],
    reference: Complex[np.ndarray, "*#batch subcarrier"],
    fft_size: int,
) -> Complex[np.ndarray, "... shift"]:
    """Inner product <reference, advance(response, s)> for each shift s = 0..fft_size-1, by one FFT."""
    num_subcarriers = responses.shape[-1]
    product = reference.conj() * responses
    bins = np.zeros((*product.shape[:-1], fft_size), dtype=product.dtype)
    bins[..., (np.arange(num_subcarriers) - num_subcarriers // 2) % fft_size] = product
    return np.asarray(np.fft.ifft(bins, axis=-1, norm="forward"))


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
