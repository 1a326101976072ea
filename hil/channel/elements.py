"""What one element does to a wave: its pattern over the angle of incidence."""

import numpy as np

from hil.arrays import Float


def element_amplitude(
    cosine: Float[np.ndarray, "*batch"], gain_dbi: float = 0.0, exponent: float = 0.5
) -> Float[np.ndarray, "*batch"]:
    """Amplitude pattern of a flat element: sqrt(gain) cos(angle of incidence)^exponent; blind behind the surface.

    exponent: 1/2 is a small aperture, which intercepts its projected area; 1 is the Signal Processing Cup's generator.
    """
    return np.asarray(10 ** (gain_dbi / 20) * np.clip(cosine, 0.0, None) ** exponent)
