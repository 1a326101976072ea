"""What an estimate does not explain of the soundings that it was made from."""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Float
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.prediction import started_as
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan
from hil.phy.ofdm import OfdmGrid

BLOCK = 256  # soundings looked at together


@dataclass(frozen=True)
class Residuals:
    """Mean powers on the used subcarriers, ADC units squared: what was measured, and what is left of it.

    time_s, by_sounding, noise_var: of each sounding; what the noise alone would leave is about `noise_var`.
    by_subcarrier, signal: over all soundings.
    """

    time_s: Float[np.ndarray, "pattern"]
    by_sounding: Float[np.ndarray, "pattern"]
    noise_var: Float[np.ndarray, "pattern"]
    by_subcarrier: Float[np.ndarray, "used"]
    signal: Float[np.ndarray, "used"]


def residuals(
    estimate: CascadedEstimate, plan: SweepPlan, soundings: SoundingBlock, grid: OfdmGrid, *, apart: bool = False
) -> Residuals:
    """Soundings minus what the estimate says of their patterns, each at the start and phase that fit it best.

    So offsets and LO phase leave nothing; motion, interference, a wrong model and noise do.
    apart: sender and receiver have a crystal each, so captures start between samples.
    """
    count = plan.num_patterns
    by_sounding = np.empty(count)
    by_subcarrier, signal = np.zeros(int(grid.used.sum())), np.zeros(int(grid.used.sum()))
    for part in (slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)):
        measured = soundings.response[part]
        predicted = (estimate.predict_patterns(plan.patterns(part)) * grid.used).astype(measured.dtype)
        started, phase = started_as(predicted, measured, grid, apart=apart)
        aligned = started * np.exp(-1j * phase)[:, None].astype(measured.dtype)
        left = np.abs((aligned - predicted)[:, grid.used]) ** 2
        by_sounding[part] = left.mean(axis=1)
        by_subcarrier += left.sum(axis=0) / count
        signal += (np.abs(aligned[:, grid.used]) ** 2).sum(axis=0) / count
    return Residuals(soundings.time_s, by_sounding, soundings.noise_var, by_subcarrier, signal)
