"""What states that vary over the band add to the soundings of a sweep over all of them.

Where a sweep shows two states the cascade holds whatever these are over the band. Of more, least squares takes each for
one number, that at the carrier; what it reflects beside that follows from the estimate itself, so it is taken out of
the soundings and the estimate made again.
"""

import numpy as np

from hil.arrays import Complex
from hil.estimation.least_squares import CascadedEstimate
from hil.measure.sweep import SweepPlan
from hil.phy.band import band_powers

ROUNDS = 3  # each leaves some hundredths of what the states' variation still adds
AT_ONCE = 256  # patterns


def added_over_band(
    plan: SweepPlan,
    estimate: CascadedEstimate,
    dispersion: Complex[np.ndarray, "power state"],
    projector: Complex[np.ndarray, "tap subcarrier"],
) -> Complex[np.ndarray, "pattern tap"]:
    """Coordinates of each sounding beyond those with every state as at the carrier, by an estimate.

    dispersion: how states vary over the band, coefficients of x, x^2, ... (`hil.phy.band`). projector: of soundings.
    """
    curves = band_powers(len(estimate.basis), 1 + len(dispersion))[1:].T @ dispersion
    added = np.zeros((plan.num_patterns, len(projector)), dtype=complex)
    seen = [(projector * curve) @ estimate.basis for curve in curves.T]
    parts = estimate.cascade.astype(np.complex64).view(np.float32)
    for first in range(0, plan.num_patterns, AT_ONCE):
        patterns = plan.patterns(slice(first, first + AT_ONCE))
        for state, taps in enumerate(seen):
            reflected = (patterns == state).astype(np.float32) @ parts
            added[first : first + AT_ONCE] += reflected.view(np.complex64) @ taps.T
    return added
