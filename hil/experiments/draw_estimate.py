"""Figures of a sweep and its estimate, whatever experiment they belong to."""

from pathlib import Path

import numpy as np

from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.residuals import residuals
from hil.experiments.sound import Sweep, load_sweep
from hil.measure.recording import Recording
from hil.measure.setup import Setup
from hil.phy.sync import to_delays
from hil.phy.taps import place_window
from hil.report.estimate_figures import estimate_figure, residual_figure
from hil.report.figures import save, sounding_snr_figure

MARGIN_TAPS = 3  # shown on either side of the channel's taps


def draw_estimate(sweep: Sweep, estimate: CascadedEstimate, setup: Setup, folder: Path) -> list[Path]:
    """Maps of the estimate over surface and delays, and its residuals, into a folder."""
    grid, scale = setup.grid, setup.budget.scale
    size = grid.num_subcarriers
    direct, cascade = (
        scale / size * to_delays(coordinates @ estimate.basis.T, size)
        for coordinates in (estimate.direct, estimate.cascade)
    )
    num_taps = setup.testbed.ofdm.num_taps
    start = place_window(np.sum(np.abs(cascade) ** 2, axis=0) / len(cascade) + np.abs(direct) ** 2, num_taps)
    shown = np.arange(-MARGIN_TAPS, num_taps + MARGIN_TAPS)
    window = (start + shown) % size
    error_var = float(estimate.cascade_var.sum(axis=1).mean()) * scale**2 / size / estimate.direct.size
    apart = setup.testbed.receiver is not None
    left = residuals(estimate, sweep.plan, sweep.soundings, grid, apart=apart)
    noise, used = sweep.soundings.noise_by_subcarrier, grid.used
    figures = {
        "estimate": estimate_figure(
            cascade[:, window], direct[window], shown.astype(float), error_var, setup.rows, setup.cols
        ),
        "residuals": residual_figure(
            left.time_s,
            left.by_sounding,
            left.noise_var,
            grid.frequencies_hz[grid.used],
            left.by_subcarrier,
            left.signal,
        ),
        "sounding_snr": sounding_snr_figure(
            grid.frequencies_hz[used], sweep.soundings.snr_db(used), None if noise is None else noise[used]
        ),
    }
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def draw_sweep(recording: Recording, folder: Path) -> list[Path]:
    """The same of a run directory that holds a sweep and no more. Raises RecordingError where it holds none."""
    sweep, setup = load_sweep(recording), Setup.from_json(recording.manifest)
    return draw_estimate(sweep, estimate_channel(sweep, setup), setup, folder)
