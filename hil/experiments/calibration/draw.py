"""Page and figures of a calibration, into its run directory."""

from pathlib import Path

import numpy as np

from hil.experiments.calibrate import CalibrationResult
from hil.experiments.calibration.summary import summary
from hil.measure.recording import write_durably
from hil.report.calibration_figures import (
    elements_figure,
    quiet_figure,
    settling_figure,
    states_figure,
    watch_figure,
)
from hil.report.calibration_page import calibration_page
from hil.report.figures import save
from hil.units import power_db


def draw(result: CalibrationResult, folder: Path) -> list[Path]:
    """Write `report.md` and its figures: elements, settling, the pattern that was watched, noise, states."""
    setup, elements, settling, states = result.setup, result.elements, result.settling, result.calibration.states
    phase_deg = np.degrees(np.angle(elements.strongest))
    marked = {"do not follow": elements.dead, "cannot be told": elements.faded}
    figures = {
        "elements": elements_figure(elements.power, phase_deg, elements.limit, marked, setup.rows, setup.cols),
        "watch": watch_figure(result.watched.time_s, result.watched.level_db, result.watched.phase_deg),
        "quiet": quiet_figure(*_quiet_spectrum(result), result.levels["noise_dbfs"]),
    }
    if settling is not None:
        figures["settling"] = settling_figure(
            settling.curve, settling.before, setup.grid.symbol_s, settling.settle_s, settling.floor
        )
    if states is not None:
        table = np.array(states["re"]) + 1j * np.array(states["im"])
        measured = np.broadcast_to(table, result.declared_states.shape)  # one row holds at every frequency
        figures["states"] = states_figure(result.states_at_hz, result.declared_states, measured, setup.plus)
    files = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    page = folder / "report.md"
    write_durably(page, calibration_page(summary(result), [file.name for file in files]).encode())
    return [page, *files]


def _quiet_spectrum(result: CalibrationResult) -> tuple[np.ndarray, np.ndarray]:
    """Frequency in MHz and mean level of each bin in dBFS."""
    grid = result.setup.grid
    whole = result.quiet.reshape(-1, grid.fft_size)
    power = np.mean(np.abs(np.fft.fftshift(np.fft.fft(whole, axis=-1, norm="forward"), axes=-1)) ** 2, axis=0)
    frequency_hz = np.fft.fftshift(np.fft.fftfreq(grid.fft_size, 1 / grid.sample_rate_hz))
    return frequency_hz / 1e6, power_db(np.maximum(power, 1e-20))
