"""Figures of a moving user: rates over time, and where the time of a round goes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hil.arrays import Float
from hil.report.style import GREY, RED, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRUE_STYLE = {"configured": (RED, "-"), "hold": (GREY, "-"), "optimum": ("k", "--")}


def track_figure(
    measured: Mapping[str, Float[np.ndarray, "round 2"]],
    true: Mapping[str, Float[np.ndarray, "instant 2"]],
    policy: str,
) -> "Figure":
    """Rate over time. measured: (time, Mbit/s) of each round, by name. true: the same of the judge, by name."""
    figure, (axes,) = sheet(8, 4)
    for name, points in true.items():
        colour, line = TRUE_STYLE[name]
        axes.plot(points[:, 0], points[:, 1], line, color=colour, lw=1.2, label=f"{name}, true")
    for name, points in measured.items():
        if points.size:
            axes.plot(points[:, 0], points[:, 1], ".", ms=4, label=name)
    axes.set(xlabel="time [s]", ylabel="rate [Mbit/s]", title=f"A moving user, followed by {policy}", ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=5)
    return figure


def stages_figure(begin_s: Sequence[float], stages_s: Mapping[str, Sequence[float]]) -> "Figure":
    """Time that each round spent in each stage, stacked, from its beginning to the next one's."""
    figure, (axes,) = sheet(8, 3.2)
    if begin_s:
        end_s = begin_s[-1] + sum(each[-1] for each in stages_s.values())
        levels_ms = [1e3 * np.append(each, each[-1]) for each in stages_s.values()]
        axes.stackplot([*begin_s, end_s], levels_ms, labels=list(stages_s), step="post")
    axes.set(xlabel="time [s]", ylabel="time of a round [ms]", title="Time of a round by stage")
    figure.legend(loc="outside lower center", ncols=len(stages_s))
    return figure
