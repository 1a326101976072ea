"""Figures of a calibration, drawn from arrays."""

from typing import TYPE_CHECKING

import numpy as np

from hil.arrays import Complex, Float
from hil.report.figures import panels
from hil.units import power_db

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def settling_figure(
    curve: Complex[np.ndarray, "symbol"], before: int, symbol_s: float, settle_s: float, floor: float
) -> "Figure":
    """What is left of a change of the surface, over time, and when it counts as done."""
    figure, (axes,) = panels(1)
    milliseconds = (np.arange(curve.size) - before) * symbol_s * 1e3
    axes.plot(milliseconds, 2 * power_db(np.maximum(np.abs(curve - 1), 1e-6)), lw=0.9)
    axes.axhline(2 * float(power_db(floor)), color="0.6", ls=":", label="settled below")
    axes.axvline(settle_s * 1e3, color="tab:red", lw=0.9, label=f"{settle_s * 1e3:.3g} ms")
    axes.set(xlabel="after the first sign of the change [ms]", ylabel="left of the change [dB]", title="Settling")
    axes.set_xlim(-settle_s * 1e3, 3 * settle_s * 1e3)
    axes.legend()
    return figure


def elements_figure(
    power: Float[np.ndarray, "element"], phase_deg: Float[np.ndarray, "element"], limit: float, rows: int, cols: int
) -> "Figure":
    """Power and phase of the channel over each element, front view; those that do not follow stand out dark."""
    figure, (left, right) = panels(2, width=5.2, height=4.4)
    level = power_db(np.maximum(power, limit) / np.median(power))
    image = left.imshow(level.reshape(rows, cols), cmap="viridis", interpolation="nearest")
    figure.colorbar(image, ax=left, label="dB, median element = 0")
    left.set(title="What each element moves", xlabel="column", ylabel="row")
    image = right.imshow(phase_deg.reshape(rows, cols), cmap="twilight", interpolation="nearest", vmin=-180, vmax=180)
    figure.colorbar(image, ax=right, label="degrees")
    right.set(title="Phase over the surface, as told", xlabel="column")
    return figure


def watch_figure(
    time_s: Float[np.ndarray, "sounding"],
    level_db: Float[np.ndarray, "sounding"],
    phase_deg: Float[np.ndarray, "sounding"],
) -> "Figure":
    """Level and phase of one pattern over time."""
    figure, (left, right) = panels(2)
    for axes, values, label in ((left, level_db, "level [dB]"), (right, phase_deg, "phase [deg]")):
        axes.plot(time_s - time_s[0], values, ".", ms=2)
        axes.set(xlabel="time [s]", ylabel=label)
    left.set(title="One pattern, watched")
    return figure
