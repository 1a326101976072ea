"""One quadrature of one delay axis, lost to the radio's phase, restored from what the surface's structure makes of all
the rest.

A plane wave on the surface is known from its real part alone, unless its mirror image is there too; and few waves share
few delays. So the imaginary part is treated as nearly missing: in turns the whole is denoised, and the part is filled
with what came out, both weighted by their variances (expectation-maximisation, Dempster, Laird and Rubin 1977).
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Float
from hil.estimation.denoise import denoise
from hil.estimation.least_squares import CascadedEstimate

TURNS = 12
PROBE = 1e-2  # step of the probe that finds the divergence, in standard deviations of the error


def denoise_quadrature(estimate: CascadedEstimate, rows: int, cols: int, *, share: float) -> CascadedEstimate:
    """The estimate denoised, where the imaginary part on the first axis has an error of its own.

    share: of cascade_var on the first axis that is this error's; it is real and white over the elements. What is left
    of it is Stein's unbiased risk estimate of the filling.
    """
    error_var = share * float(np.median(estimate.cascade_var[:, 0]))
    seen = estimate.cascade[:, 0].imag.astype(float)
    filled = _fill(estimate, seen, error_var, rows, cols)
    left = filled.cascade[:, 0].imag
    probe = np.sqrt(error_var) * np.random.default_rng([1977, seen.size]).choice([-1.0, 1.0], seen.size)
    moved = _fill(estimate, seen + PROBE * probe, error_var, rows, cols).cascade[:, 0].imag
    divergence = float(probe @ (moved - left)) / PROBE  # in units of the error's variance
    risk = float(np.sum((left - seen) ** 2)) - seen.size * error_var + 2 * divergence
    variance = filled.cascade_var.copy()
    variance[:, 0] += max(risk, abs(divergence) / 2) / seen.size
    return replace(filled, cascade_var=variance)


def _fill(
    estimate: CascadedEstimate, seen: Float[np.ndarray, "element"], error_var: float, rows: int, cols: int
) -> CascadedEstimate:
    """What the denoiser makes of the whole in the last turn.

    The error is counted in full at first and halved in each turn, so that the strongest waves are filled in first.
    """
    variance = estimate.cascade_var.copy()
    variance[:, 0] -= error_var
    trust = 2 * error_var / (float(np.median(variance[:, 0])) + 2 * error_var)
    cascade, guess = estimate.cascade.astype(complex), seen
    for turn in range(TURNS):
        cascade[:, 0] = cascade[:, 0].real + 1j * guess
        believed = variance.copy()
        believed[:, 0] += error_var / 2**turn
        filtered = denoise(replace(estimate, cascade=cascade.copy(), cascade_var=believed), rows, cols)
        guess = seen + trust * (filtered.cascade[:, 0].imag - seen)
    return filtered
