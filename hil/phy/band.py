"""Smooth functions of frequency over the sounded band: polynomials of a few terms."""

import numpy as np

from hil.arrays import Complex, Float


def band_powers(num_subcarriers: int, count: int) -> Float[np.ndarray, "power subcarrier"]:
    """1, x, x^2, ... on each subcarrier; x = -1 .. 1 over the band, 0 at the carrier."""
    x = 2 * (np.arange(num_subcarriers) - num_subcarriers // 2) / num_subcarriers
    return np.asarray(x ** np.arange(count)[:, None])


def smooth_over(values: Complex[np.ndarray, "subcarrier curve"], count: int) -> Complex[np.ndarray, "power curve"]:
    """Coefficients of 1, x, x^2, ... of some curves over the band, by least squares."""
    return np.asarray(np.linalg.lstsq(band_powers(len(values), count).T.astype(complex), values, rcond=None)[0])
