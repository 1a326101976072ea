"""Figures of a field test, drawn from plain values; `hil.report.figures.save` writes them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.arrays import Float
from hil.report.style import BLUE, RED, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[str, float, float, float]
"""What, difference in dB, and its interval."""


def forest_figure(rows: Sequence[Row], smallest_effect_db: float, *, title: str) -> "Figure":
    """Differences with their intervals, one below the other; the dashed line is the smallest effect of interest."""
    figure, (axes,) = sheet(7.5, 1.2 + 0.38 * len(rows))
    place = np.arange(len(rows))[::-1]
    value, low, high = (np.array([row[column] for row in rows]) for column in (1, 2, 3))
    axes.errorbar(value, place, xerr=[value - low, high - value], fmt="o", ms=4, capsize=3, color=BLUE)
    axes.axvline(0, color="k", lw=0.8)
    if smallest_effect_db:
        axes.axvline(smallest_effect_db, color=RED, ls="--", lw=1, label="smallest effect of interest")
        axes.legend(loc="lower right")
    axes.set_yticks(place, [row[0] for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set(xlabel="difference in received power [dB]", title=title)
    axes.grid(axis="x", alpha=0.3)
    return figure


def gains_figure(
    gains_db: Mapping[str, Mapping[str, tuple[float, float, float]]], true_db: Mapping[str, float | None]
) -> "Figure":
    """Gain of each arm with its interval at each station; crosses: true, at all open stations together (simulation).

    gains_db: by place and arm: value, low, high.
    """
    figure, (axes,) = sheet(8.5, 4.4)
    arms = list(next(iter(gains_db.values())))
    offsets = np.linspace(-0.3, 0.3, len(gains_db)) if len(gains_db) > 1 else np.zeros(1)
    for offset, (place, by_arm) in zip(offsets, gains_db.items(), strict=True):
        value, low, high = np.array([by_arm[arm] for arm in arms]).T
        axes.errorbar(
            np.arange(len(arms)) + offset,
            value,
            yerr=[value - low, high - value],
            fmt="o",
            ms=4,
            capsize=3,
            label=place,
        )
    true = [(i + offsets[0], true_db[arm]) for i, arm in enumerate(arms) if true_db.get(arm) is not None]
    if true:
        axes.plot(*np.array(true, dtype=float).T, "kx", ms=7, label="true, all")
    axes.axhline(0, color="k", lw=0.8)
    axes.set_xticks(np.arange(len(arms)), arms)
    axes.set(ylabel="gain in received power [dB]", title="Gain of each arm against the reference arm")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(6, len(gains_db) + 1))
    return figure


def rates_figure(rates: Mapping[str, Mapping[str, Mapping[str, Any]]], arms: Sequence[str]) -> "Figure":
    """Rate of each arm at each open station: measured with its interval, predicted, and true in simulation.

    rates: `measured_mbps`, `predicted_mbps` and `true_mbps` by place and arm.
    """
    places = [place for place in rates["predicted_mbps"] if place != "all"]
    figure, panels = sheet(0.8 + 3.2 * len(places), 3.8, 1, len(places))
    where = np.arange(len(arms))
    for axes, place in zip(panels, places, strict=True):
        value, low, high = np.array([rates["measured_mbps"][place][arm] for arm in arms]).T
        axes.errorbar(where, value, yerr=[value - low, high - value], fmt="o", ms=4, capsize=3, label="measured")
        axes.plot(
            where, [rates["predicted_mbps"][place][arm] for arm in arms], "v", ms=5, mfc="none", label="predicted"
        )
        if rates["true_mbps"]:
            axes.plot(where, [rates["true_mbps"][place][arm] for arm in arms], "kx", ms=6, label="true, at rest")
        axes.set_xticks(where, arms, rotation=30, ha="right")
        axes.set(ylabel="rate [Mbit/s]", title=place)
        axes.grid(axis="y", alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def rounds_figure(gains_db: Mapping[str, Float[np.ndarray, "round arm"]], arms: Sequence[str]) -> "Figure":
    """Gain of each arm in each round that counts, a panel for each visit: what the intervals rest on."""
    from matplotlib.ticker import MaxNLocator

    columns = min(3, len(gains_db))
    rows = -(-len(gains_db) // columns)
    figure, panels = sheet(4.2 * columns, 2.8 * rows + 0.5, rows, columns)
    for axes, (name, gains) in zip(panels, gains_db.items(), strict=False):
        for arm, values in zip(arms, gains.T, strict=True):
            axes.plot(1 + np.arange(len(values)), values, ".-", lw=0.7, ms=4, label=arm)
        axes.set_title(name, fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="round", ylabel="gain [dB]")
        axes.grid(alpha=0.3)
    for axes in panels[len(gains_db) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(arms)))
    return figure
