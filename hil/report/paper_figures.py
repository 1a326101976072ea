"""Figures that stand beside the paper's: curves over size, distance or frequency, configurations, bars of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.arrays import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES: dict[str, dict[str, Any]] = {
    "no-surface": {"color": "0.65"},
    "stm": {"color": "tab:blue", "marker": "s"},
    "paper's network": {"color": "tab:orange", "marker": "^"},
    "tap-space": {"color": "tab:green", "marker": "v"},
    "neural-prior": {"color": "tab:red", "marker": "o"},
    "certified-bound": {"color": "k", "ls": ":", "marker": ""},
    "truth": {"color": "k", "lw": 1.6},
    "estimate": {"color": "tab:red", "lw": 0.9},
}


@dataclass(frozen=True)
class Curve:
    """style: a key of `STYLES`, or any other name. points: markers alone, for printed values. dashed: a variant."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = ""
    points: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    curves: Sequence[Curve]
    ylabel: str = ""


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG and return its path."""
    figure.savefig(path, dpi=130)
    return path


def curves_figure(
    panels: Sequence[Panel], *, xlabel: str, ylabel: str = "", logx: bool = False, logy: bool = False, cols: int = 0
) -> "Figure":
    """Curves in panels, `cols` of them in a row (all where 0); one legend where all panels show the same."""
    figure, axes = _panels(len(panels), cols or len(panels))
    for panel, here in zip(panels, axes, strict=True):
        for curve in panel.curves:
            here.plot(curve.x, curve.y, label=curve.label, **_style(curve))
        here.set(title=panel.title, xlabel=xlabel, ylabel=panel.ylabel or ylabel)
        if logx:
            here.set_xscale("log", base=2)
            ticks = sorted({x for curve in panel.curves for x in curve.x})
            here.set_xticks(ticks, [f"{x:g}" for x in ticks], rotation=30)
        if logy:
            here.set_yscale("log")
        here.grid(alpha=0.25)
    alike = len({tuple(curve.label for curve in panel.curves) for panel in panels}) == 1
    for here in axes[:1] if alike else axes:
        here.legend(fontsize="small")
    return figure


def images_figure(
    images: Mapping[str, Float[np.ndarray, "row col"]], *, cols: int = 0, cyclic: bool = False, unit: str = "rad"
) -> "Figure":
    """Values of each element, front view, a panel each. cyclic: phases, whose ends are the same colour."""
    figure, axes = _panels(len(images), cols or len(images), width=3.6, height=3.4)
    for (title, image), here in zip(images.items(), axes, strict=True):
        limits = {"vmin": -np.pi, "vmax": np.pi, "cmap": "twilight"} if cyclic else {"cmap": "gray"}
        shown = here.imshow(image, interpolation="nearest", **limits)
        here.set(title=title, xlabel="column", ylabel="row")
        figure.colorbar(shown, ax=here, shrink=0.8, label=unit)
    return figure


def bars_figure(rows: Sequence[Mapping[str, Any]], *, title: str) -> "Figure":
    """Measured rates of both kinds of users as bars, printed ones as marks. rows: case, los_mbps, paper_los_mbps, ..."""
    figure, (axes,) = _panels(1, 1, width=10.5, height=4.6)
    place = np.arange(len(rows))
    for offset, kind, colour in ((-0.2, "los", "tab:blue"), (0.2, "nlos", "tab:orange")):
        bars = axes.bar(place + offset, [row[f"{kind}_mbps"] for row in rows], 0.38, color=colour, label=f"{kind.upper()}, measured")
        axes.bar_label(bars, fmt="%.1f", fontsize="small", padding=2)
        printed = [(x + offset, row[f"paper_{kind}_mbps"]) for x, row in zip(place, rows, strict=True)]
        x, y = np.array([point for point in printed if point[1] is not None]).T
        axes.plot(x, y, "_", color="k", ms=26, mew=2, label="printed in the paper" if kind == "los" else None)
    axes.set_xticks(place, [row["case"].replace(" (", "\n(").replace(", ", ",\n") for row in rows])
    axes.set(ylabel="mean rate [Mbit/s]", title=title, ylim=(0, 1.1 * max(row["los_mbps"] for row in rows)))
    axes.legend(loc="upper left")
    return figure


def _style(curve: Curve) -> dict[str, Any]:
    style = {"ms": 5, "lw": 1.3, **STYLES.get(curve.style, {})}
    if curve.points:
        style |= {"ls": "", "marker": "*", "ms": 11, "mec": "k", "mew": 0.6}
    return style | ({"ls": "--"} if curve.dashed else {})


def _panels(count: int, cols: int, width: float = 5.6, height: float = 4.2) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    rows = -(-count // cols)
    figure = Figure(figsize=(width * cols, height * rows), layout="constrained")
    return figure, list(figure.subplots(rows, cols, squeeze=False).flat)[:count]
