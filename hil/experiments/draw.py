"""The figures of a closed loop."""

from pathlib import Path

import numpy as np

from hil.experiments import power_only
from hil.experiments.closed_loop import ClosedLoopResult, Unphased
from hil.experiments.draw_estimate import draw_estimate
from hil.report.figures import pattern_figure, prediction_figure, rates_figure, response_figure, save


def draw(result: ClosedLoopResult | Unphased, folder: Path) -> list[Path]:
    """Draw into a run directory: the band before and after, rates, patterns, and the prediction (paper, Fig. 2).

    Then the estimate as maps over surface and delays, and what it does not explain.
    """
    if isinstance(result, Unphased):
        return power_only.draw(result.found, folder)
    setup, measured = result.setup, result.verification
    frequency_hz = setup.grid.frequencies_hz
    used = setup.grid.used
    snr = {name: setup.budget.snr_scale * np.abs(each[used]) ** 2 for name, each in measured.response.items()}
    truth = {name: setup.budget.snr_scale * np.abs(each[used]) ** 2 for name, each in result.truth.items()}
    names = list(measured.rate_mbps)
    rates = [measured.rate_mbps[name] for name in names]
    true_mbps = {name: setup.rate_mbps(each) for name, each in result.truth.items()}
    figures = {
        "response": response_figure(frequency_hz[used], snr, truth or None),
        "rates": rates_figure(
            names,
            [each.value for each in rates],
            [(each.low, each.high) for each in rates],
            true_mbps or None,
            result.choice.bound_mbps,
        ),
        "patterns": pattern_figure(result.choice.patterns, setup.rows, setup.cols),
    }
    if result.prediction.nmse_db is not None:
        figures["prediction"] = prediction_figure(
            frequency_hz[used],
            result.prediction.measured[0][used] * setup.budget.scale,
            result.prediction.predicted[0][used] * setup.budget.scale,
            result.prediction.nmse_db,
        )
    files = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    return [*files, *draw_estimate(result.sweep, result.estimate, setup, folder)]
