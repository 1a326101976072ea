"""How spectral lines become samples: the faster, the more their grid has in common with the sampler's."""

import math
from functools import lru_cache

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.sim.chebyshev import chebyshev_nodes, interpolation_weights, num_nodes

CHUNK = 256  # samples that share a table of phases
LINES = 4096  # lines synthesized at a time


def synthesize_period(amplitude: Complex[np.ndarray, "line"], num_samples: int) -> Complex[np.ndarray, "sample"]:
    """Samples of lines that are a DFT grid at the sample rate: one inverse FFT, repeated."""
    period = np.fft.ifft(amplitude, norm="forward")
    return np.tile(period, math.ceil(num_samples / period.size))[:num_samples]


def synthesize_slipping(
    amplitude: Complex[np.ndarray, "line"], num_samples: int, slip: float
) -> Complex[np.ndarray, "sample"]:
    """Samples of lines that are a DFT grid at nearly the sample rate: 1 + slip of that grid's samples for each one.

    While the sampler slips by a few samples, its value is a smooth function of how far it has slipped, held on some
    Chebyshev nodes; on each node the wave is one inverse FFT, repeated.
    """
    if not slip:
        return synthesize_period(amplitude, num_samples)
    cycles, period = np.fft.fftfreq(amplitude.size), amplitude.size
    one_sample = 1 << math.floor(-math.log2(abs(slip)))
    length = min(max(one_sample, _power_of_two(period)), 16 * one_sample, _power_of_two(num_samples))
    nodes, weights = _slip_weights(length, math.ceil(8 * length * abs(slip)))
    pieces = []
    for start in range(0, num_samples, length):
        behind = math.fmod(start * (1 + slip), period) + slip * length / 2 * (1 + nodes[:, None])
        at_nodes = np.fft.ifft(amplitude * np.exp(2j * np.pi * cycles * behind), norm="forward").astype(np.complex64)
        count = min(length, num_samples - start)
        repeats = math.ceil(count / period)
        pieces.append((np.tile(at_nodes, repeats)[:, :count] * weights[:, :count]).sum(axis=0))
    return np.concatenate(pieces)


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()


@lru_cache(maxsize=8)
def _slip_weights(length: int, eighths: int) -> tuple[Float[np.ndarray, "node"], Float[np.ndarray, "node sample"]]:
    """Nodes on -1..1, and each one's weight in `length` samples from one end to the other, for that slip."""
    nodes = chebyshev_nodes(num_nodes(np.pi / 2 * eighths / 8))
    return nodes, interpolation_weights(nodes, np.arange(length) * (2 / length) - 1).astype(np.float32)


def synthesize(
    offset_hz: Float[np.ndarray, "line"],
    amplitude: Complex[np.ndarray, "line"],
    num_samples: int,
    sample_rate_hz: float,
) -> Complex[np.ndarray, "sample"]:
    """Samples of lines anywhere: amplitudes at the start of each chunk times a table of phases within a chunk."""
    samples = np.zeros((math.ceil(num_samples / CHUNK), CHUNK), dtype=np.complex64)
    for start in range(0, offset_hz.size, LINES):
        cycles = offset_hz[start : start + LINES] / sample_rate_hz
        at_chunk = amplitude[start : start + LINES] * _turns(CHUNK * np.arange(samples.shape[0]), cycles)
        samples += at_chunk.astype(np.complex64) @ _turns(np.arange(CHUNK), cycles).T.astype(np.complex64)
    return samples.reshape(-1)[:num_samples]


def _turns(index: Int[np.ndarray, "sample"], cycles: Float[np.ndarray, "line"]) -> Complex[np.ndarray, "sample line"]:
    return np.exp(2j * np.pi * np.outer(index, cycles))


@lru_cache(maxsize=8)
def straight_line(num_samples: int) -> Complex[np.ndarray, "sample"]:
    """complex64, from 0 at the first sample to 1 after the last; not to be written to."""
    return (np.arange(num_samples) / num_samples).astype(np.complex64)
