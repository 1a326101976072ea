"""Figures of an estimate: maps over the surface, over delays, and what it does not explain."""

from typing import TYPE_CHECKING

import numpy as np

from hil.arrays import Complex, Float
from hil.report.style import GREY, RED, sheet
from hil.units import power_db

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_DB = 40.0  # below the strongest


def estimate_figure(
    cascade: Complex[np.ndarray, "element delay"],
    direct: Complex[np.ndarray, "delay"],
    delay_taps: Float[np.ndarray, "delay"],
    error_var: float,
    rows: int,
    cols: int,
) -> "Figure":
    """Power and phase of each element's path over the surface, power of elements over delay, and the mean profiles.

    cascade, direct: impulse responses, in taps of 1/B, channel units. error_var: expected, of one tap of an element.
    """
    figure, (power_map, phase_map, over_delay, profiles) = sheet(12.5, 9.0, 2, 2)
    power = np.abs(cascade) ** 2
    strongest = int(power.sum(axis=0).argmax())
    power_of_each = power_db(power.sum(axis=1)).reshape(rows, cols)
    _map(figure, power_map, power_of_each, "Power of each element's path", "power [dB]")
    turns = np.rad2deg(np.angle(cascade[:, strongest])).reshape(rows, cols)
    title = f"Phase at the strongest tap ({delay_taps[strongest]:g})"
    _map(figure, phase_map, turns, title, "phase [deg]", cmap="twilight", low=-180, high=180)
    _over_delay(figure, over_delay, power.reshape(rows, cols, -1).mean(axis=0), delay_taps)
    _profiles(profiles, power.mean(axis=0), np.abs(direct) ** 2, error_var, delay_taps)
    return figure


def residual_figure(
    time_s: Float[np.ndarray, "pattern"],
    by_sounding: Float[np.ndarray, "pattern"],
    noise_var: Float[np.ndarray, "pattern"],
    frequency_hz: Float[np.ndarray, "used"],
    by_subcarrier: Float[np.ndarray, "used"],
    signal: Float[np.ndarray, "used"],
) -> "Figure":
    """What the estimate leaves of each sounding over time, and over the band, beside noise and signal (powers)."""
    figure, (over_time, over_band) = sheet(12.5, 4.2, 1, 2)
    over_time.plot(time_s - time_s[0], power_db(by_sounding), ".", ms=3, color=RED, label="residual")
    over_time.plot(time_s - time_s[0], power_db(noise_var), ".", ms=2, color=GREY, label="noise, from repetitions")
    over_time.set(xlabel="time [s]", ylabel="power [dBFS]", title="Residual of each sounding")
    megahertz = frequency_hz / 1e6
    over_band.plot(megahertz, power_db(signal), color="k", lw=1, label="measured")
    over_band.plot(megahertz, power_db(by_subcarrier), color=RED, lw=1, label="residual")
    over_band.axhline(float(power_db(noise_var.mean())), color=GREY, ls="--", lw=1, label="noise")
    over_band.set(xlabel="frequency from the carrier [MHz]", ylabel="power [dBFS]", title="Mean over the sweep")
    for axes in (over_time, over_band):
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def _map(
    figure: "Figure",
    axes: "Axes",
    values: Float[np.ndarray, "row col"],
    title: str,
    label: str,
    *,
    cmap: str = "viridis",
    low: float | None = None,
    high: float | None = None,
) -> None:
    """Over the surface, front view."""
    image = axes.imshow(values, cmap=cmap, interpolation="nearest", vmin=low, vmax=high)
    figure.colorbar(image, ax=axes, label=label, ticks=range(-180, 181, 90) if high == 180 else None)
    axes.set(title=title, xlabel="column", ylabel="row")


def _over_delay(
    figure: "Figure",
    axes: "Axes",
    by_column: Float[np.ndarray, "col delay"],
    delay_taps: Float[np.ndarray, "delay"],
) -> None:
    level = power_db(np.maximum(by_column, 1e-30))
    image = axes.imshow(
        level,
        aspect="auto",
        interpolation="nearest",
        extent=(delay_taps[0] - 0.5, delay_taps[-1] + 0.5, len(level) - 0.5, -0.5),
        vmin=level.max() - SHOWN_DB,
        vmax=level.max(),
    )
    figure.colorbar(image, ax=axes, label="power [dB]")
    axes.set(xlabel="delay [taps of 1/B]", ylabel="column", title="Mean power of a column's elements over delay")
    _whole_taps(axes)


def _profiles(
    axes: "Axes",
    elements: Float[np.ndarray, "delay"],
    direct: Float[np.ndarray, "delay"],
    error_var: float,
    delay_taps: Float[np.ndarray, "delay"],
) -> None:
    """Powers; of the elements their mean."""
    axes.plot(delay_taps, power_db(direct), "o-", ms=3, label="direct")
    axes.plot(delay_taps, power_db(elements), "o-", ms=3, label="mean of the elements")
    axes.axhline(float(power_db(error_var)), color="k", ls=":", label="expected error of an element's tap")
    top = float(power_db(direct).max())
    low = min(float(power_db(error_var)), float(power_db(elements).min()))
    axes.set(
        xlabel="delay [taps of 1/B]",
        ylabel="power [dB]",
        title="Delay profiles",
        ylim=(low - 5, top + 5 + 0.25 * (top - low)),
    )
    _whole_taps(axes)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")  # above the curves


def _whole_taps(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
