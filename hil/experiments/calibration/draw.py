"""The figures of a calibration."""

from pathlib import Path

import numpy as np

from hil.experiments.calibrate import CalibrationResult
from hil.report.calibration_figures import elements_figure, settling_figure, watch_figure
from hil.report.figures import save


def draw(result: CalibrationResult, folder: Path) -> list[Path]:
    """Draw into a run directory: settling, the elements, and the pattern that was watched."""
    setup, elements, settling = result.setup, result.elements, result.settling
    phase_deg = np.degrees(np.angle(elements.strongest))
    figures = {
        "elements": elements_figure(elements.power, phase_deg, elements.limit, setup.rows, setup.cols),
        "watch": watch_figure(result.watched.time_s, result.watched.level_db, result.watched.phase_deg),
    }
    if settling is not None:
        figures["settling"] = settling_figure(
            settling.curve, settling.before, setup.grid.symbol_s, settling.settle_s, settling.floor
        )
    return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
