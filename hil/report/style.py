"""One look for all figures: colours that everybody can tell apart, and an empty sheet in them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008): they differ for those who confuse red and green, too.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GREY = "0.55"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)


def sheet(width: float, height: float, rows: int = 1, cols: int = 1) -> tuple["Figure", list["Axes"]]:
    """A figure of so many inches, and its axes row by row; curves take the colours of `CYCLE` in turn."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"axes.prop_cycle": f"cycler(color={list(CYCLE)})"}):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, list(figure.subplots(rows, cols, squeeze=False).ravel())


def panels(count: int, width: float = 6.4, height: float = 4.0) -> tuple["Figure", list["Axes"]]:
    """A figure with so many panels side by side, each of this size in inches."""
    return sheet(width * count, height, 1, count)
