"""Randomness as a function of (seed, purpose, virtual time): a run that is resumed meets the same world.

What was drawn before never matters; there is no generator that lives on.
"""

import zlib

import numpy as np

from hil.arrays import Complex

_WORD = (1 << 64) - 1


def random_at(seed: int, purpose: str, time_s: float) -> np.random.Generator:
    """A generator of its own for each seed, purpose and nanosecond of virtual time.

    Philox is a counter cipher (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC11): the key is seed and
    purpose, the time stands in a counter word that the draws never reach.
    """
    nanoseconds = round(time_s * 1e9)
    return np.random.Generator(
        np.random.Philox(
            key=np.array([seed & _WORD, zlib.crc32(purpose.encode())], dtype=np.uint64),
            counter=np.array([0, 0, nanoseconds & _WORD, 0], dtype=np.uint64),
        )
    )


def white_noise(rng: np.random.Generator, num_samples: int, power: float) -> Complex[np.ndarray, "sample"]:
    """Circular complex Gaussian noise, complex64, of mean power `power`."""
    noise = rng.standard_normal(2 * num_samples, dtype=np.float32).view(np.complex64)
    noise *= np.float32(np.sqrt(power / 2))
    return noise
