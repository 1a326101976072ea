"""Figures of a calibration, drawn from arrays."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.report.style import CYCLE, GREY, RED, panels
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
    axes.axhline(2 * float(power_db(floor)), color=GREY, ls=":", label="level that counts as settled")
    axes.axvline(settle_s * 1e3, color=RED, lw=0.9, label=f"settled after {settle_s * 1e3:.3g} ms")
    axes.set(
        xlabel="after the first sign of the change [ms]",
        ylabel="left of the change [dB]",
        title="A change of the surface settles",
    )
    axes.set_xlim(-settle_s * 1e3, 3 * settle_s * 1e3)
    axes.set_ylim(2 * float(power_db(floor)) - 30, 5)
    axes.legend()
    return figure


def elements_figure(
    power: Float[np.ndarray, "element"],
    phase_deg: Float[np.ndarray, "element"],
    limit: float,
    marked: Mapping[str, Bool[np.ndarray, "element"]],
    rows: int,
    cols: int,
) -> "Figure":
    """Power and phase of the channel over each element as it is told, front view.

    marked: elements to point out, by what is said of them; at most two kinds.
    """
    figure, (left, right) = panels(2, width=5.2, height=4.4)
    level = power_db(np.maximum(power, limit) / np.median(power))
    image = left.imshow(level.reshape(rows, cols), cmap="viridis", interpolation="nearest")
    figure.colorbar(image, ax=left, label="power [dB], median element = 0")
    left.set(title="What each element moves", xlabel="column", ylabel="row")
    for (words, which), marker, colour in zip(marked.items(), "xo", (RED, "white"), strict=False):
        if which.any():
            row, col = np.divmod(np.flatnonzero(which), cols)
            size = 60 / max(rows, cols)
            left.plot(col, row, ls="", marker=marker, ms=size, mfc="none", c=colour, label=f"{which.sum()} {words}")
            figure.legend(loc="outside lower center", ncols=2, facecolor="0.8")
    image = right.imshow(phase_deg.reshape(rows, cols), cmap="twilight", interpolation="nearest", vmin=-180, vmax=180)
    figure.colorbar(image, ax=right, label="phase [deg]", ticks=range(-180, 181, 90))
    right.set(title="Phase at the strongest delay", xlabel="column", ylabel="row")
    return figure


def quiet_figure(
    frequency_mhz: Float[np.ndarray, "bin"], level_dbfs: Float[np.ndarray, "bin"], noise_dbfs: float
) -> "Figure":
    """Spectrum of what the receiver hears while the transmitter is silent; its own offset stands in the middle.

    noise_dbfs: over all bins.
    """
    figure, (axes,) = panels(1)
    axes.plot(frequency_mhz, level_dbfs, lw=0.8)
    each_dbfs = noise_dbfs - float(power_db(level_dbfs.size))
    axes.axhline(each_dbfs, color=GREY, ls=":", label=f"noise, {noise_dbfs:.1f} dBFS in all")
    axes.set(
        xlabel="frequency from the carrier [MHz]",
        ylabel="level of a bin [dBFS]",
        title="Received while the transmitter is silent",
    )
    axes.legend()
    return figure


def states_figure(
    frequency_hz: Float[np.ndarray, "row"],
    declared: Complex[np.ndarray, "row state"],
    measured: Complex[np.ndarray, "row state"],
    plus: int,
) -> "Figure":
    """Reflection of the other states relative to `plus`, as declared and as measured."""
    figure, (left, right) = panels(2)
    for state in range(declared.shape[1]):
        if state == plus:
            continue
        for table, style, words in ((declared, ":", "declared"), (measured, "-", "measured")):
            ratio, colour = table[:, state] / table[:, plus], CYCLE[state % len(CYCLE)]
            label = f"state {state}, {words}"
            left.plot(frequency_hz / 1e6, 2 * power_db(np.abs(ratio)), style, color=colour, label=label)
            right.plot(frequency_hz / 1e6, np.degrees(np.unwrap(np.angle(ratio))), style, color=colour)
    left.set(xlabel="frequency [MHz]", ylabel="level [dB]", title=f"States relative to state {plus}: level")
    right.set(xlabel="frequency [MHz]", ylabel="phase [deg]", title="Their phase")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
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
    left.set(title="One pattern, watched: level")
    right.set(title="Its phase against the first sounding")
    return figure
