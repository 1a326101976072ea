"""Figures that stand beside the paper's: curves over size, distance or frequency, configurations, bars of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.arrays import Float
from hil.report.style import BLUE, GREEN, GREY, ORANGE, RED, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES: dict[str, dict[str, Any]] = {
    "stm": {"color": BLUE, "marker": "s"},
    "paper's network": {"color": ORANGE, "marker": "^"},
    "tap-space": {"color": GREEN, "marker": "v", "ms": 8, "mfc": "none"},
    "tap-code network": {"color": RED, "marker": "o"},
    "neural-prior": {"color": RED, "marker": "o"},
    "certified-bound": {"color": "k", "ls": ":", "marker": ""},
    "truth": {"color": "k", "lw": 2.2},
    "estimate": {"color": RED, "lw": 0.9},
    "same configuration": {"color": GREY, "marker": "x"},
    "5 epochs": {"color": "#fdd0a2", "marker": "^"},
    "10 epochs": {"color": "#fdae6b", "marker": "^"},
    "20 epochs": {"color": "#e6550d", "marker": "^"},
    "50 epochs": {"color": "#8c2d04", "marker": "^"},
    "cold": {"color": BLUE, "marker": "s"},
    "warm": {"color": RED, "marker": "o"},
    "tap code kept": {"color": BLUE, "marker": "o", "ls": "--"},
    "tap code, 10 steps": {"color": GREEN, "marker": "o"},
}


@dataclass(frozen=True)
class Curve:
    """style: a key of `STYLES`, or any other name. points: marks alone, for printed values."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = ""
    dashed: bool = False
    points: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    curves: Sequence[Curve]
    ylabel: str = ""


def curves_figure(
    panels: Sequence[Panel], *, xlabel: str, ylabel: str = "", logx: bool = False, logy: bool = False, cols: int = 0
) -> "Figure":
    """Curves in panels, `cols` of them in a row (all where 0), with one legend below for the curves of all."""
    cols = cols or len(panels)
    figure, axes = _panels(len(panels), cols, width=6.0 if len(panels) > 1 else 8.0, height=3.6 if cols > 1 else 4.6)
    for panel, here in zip(panels, axes, strict=True):
        for curve in panel.curves:
            here.plot(curve.x, curve.y, label=curve.label, **_style(curve))
        here.set(title=panel.title, xlabel=xlabel, ylabel=panel.ylabel or ylabel)
        if logx:
            _octaves(here, sorted({x for curve in panel.curves for x in curve.x}))
        if logy:
            _decades(here, [y for curve in panel.curves for y in curve.y])
        here.grid(alpha=0.25)
    named: dict[str, Any] = {}
    for here in axes:
        for handle, label in zip(*here.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=min(4 if cols > 1 else 2, len(named))
    )
    return figure


def images_figure(
    images: Mapping[str, Float[np.ndarray, "row col"]], *, cyclic: bool = False, labels: Sequence[str] = ()
) -> "Figure":
    """Values of each element, front view, a panel each. cyclic: phases, whose ends are the same colour.

    labels: of the colours of each panel; phases in radians where there are none.
    """
    figure, axes = _panels(len(images), len(images), width=4.4, height=4.2)
    named = labels or ["phase [rad]"] * len(images)
    for (title, image), label, here in zip(images.items(), named, axes, strict=True):
        limits: dict[str, Any] = {"vmin": -np.pi, "vmax": np.pi, "cmap": "twilight"} if cyclic else {"cmap": "gray"}
        shown = here.imshow(image, interpolation="nearest", **limits)
        here.set(title=title, xlabel="column", ylabel="row")
        figure.colorbar(shown, ax=here, shrink=0.75, label=label)
    return figure


def bars_figure(rows: Sequence[Mapping[str, Any]], *, title: str) -> "Figure":
    """Measured rates of both kinds of users as bars, printed ones as marks and in brackets.

    rows: case, los_mbps, nlos_mbps, paper_los_mbps, paper_nlos_mbps (None where nothing is printed).
    """
    figure, (axes,) = _panels(1, 1, width=11.0, height=5.0)
    for offset, kind, colour in ((-0.2, "los", BLUE), (0.2, "nlos", ORANGE)):
        for place, row in enumerate(rows):
            measured, printed = row[f"{kind}_mbps"], row[f"paper_{kind}_mbps"]
            named = place == 0
            axes.bar(place + offset, measured, 0.38, color=colour, label=f"{kind.upper()}, measured" if named else None)
            text = f"{measured:.1f}"
            if printed is not None:
                mark = "printed in the paper" if named and kind == "nlos" else None
                axes.plot(place + offset, printed, "_", color="k", ms=28, mew=2, label=mark)
                text += f"\n({printed:.1f})"
            axes.text(place + offset, max(measured, printed or 0) + 1.5, text, ha="center", fontsize="small")
    axes.set_xticks(range(len(rows)), [row["case"].replace(" ", "\n", 1).replace(" (", "\n(") for row in rows])
    highest = max(row[f"{source}los_mbps"] or 0 for row in rows for source in ("", "paper_"))
    axes.set(title=title, ylabel="mean rate [Mbit/s]", ylim=(0, 1.15 * highest))
    axes.legend(loc="upper left")
    return figure


def _decades(axes: "Axes", values: Sequence[float]) -> None:
    """Logarithmic upwards; where there are zeros, from a bottom line of zero on."""
    if min(values) > 0:
        axes.set_yscale("log")
    else:
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(-0.1, 2 * max(values) + 1)


def _style(curve: Curve) -> dict[str, Any]:
    style = {"ms": 5, "lw": 1.3, **STYLES.get(curve.style, {})}
    if curve.points:
        style |= {"ls": "", "marker": "*", "ms": 12, "mec": "k", "mew": 0.6}
    return style | ({"ls": "--", "mfc": "none"} if curve.dashed else {})


def _octaves(axes: "Axes", ticks: Sequence[float]) -> None:
    """A logarithmic axis of sizes, marked where there are any."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks], rotation=30)
    axes.minorticks_off()


def _panels(count: int, cols: int, width: float, height: float) -> tuple["Figure", list["Axes"]]:
    rows = -(-count // cols)
    figure, axes = sheet(width * cols, height * rows, rows, cols)
    return figure, axes[:count]
