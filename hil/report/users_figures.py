"""Figures of many users: what each pattern gave each user, and what turns leave of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hil.report.style import BLUE, CYCLE, GREY, ORANGE, RED, SKY, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = {"all_zero": GREY, "nearest": BLUE, "turned": SKY, "cold": ORANGE, "chosen": RED}
TURNS_S = np.logspace(-3, 1, 81)


def users_figure(users: Sequence[Mapping[str, Any]]) -> "Figure":
    """Measured rate of each arm at each user with its interval, true ones as dashes.

    users: `rate_mbps`, `rate_interval_mbps`, `true_rate_mbps` by arm, and the `user`'s name.
    """
    figure, (axes,) = sheet(max(6.0, 1.6 * len(users)), 3.8)
    width = 0.8 / len(ARMS)
    for number, (arm, colour) in enumerate(ARMS.items()):
        having = [(place, user) for place, user in enumerate(users) if arm in user["rate_mbps"]]
        where = [place + (number - (len(ARMS) - 1) / 2) * width for place, _ in having]
        rates = np.array([user["rate_mbps"][arm] for _, user in having])
        intervals = np.array([user["rate_interval_mbps"][arm] for _, user in having]).reshape(-1, 2)
        axes.bar(
            where, rates, width, yerr=np.abs(intervals.T - rates), capsize=2, color=colour, label=arm.replace("_", " ")
        )
        true = [(x, user["true_rate_mbps"][arm]) for x, (_, user) in zip(where, having, strict=True)
                if arm in user["true_rate_mbps"]]  # fmt: skip
        axes.plot([x for x, _ in true], [rate for _, rate in true], "k_", ms=14)
    axes.set_xticks(range(len(users)), [user["user"] for user in users])
    axes.set(ylabel="rate [Mbit/s]", title="Rates of each user's patterns; dashes: true")
    axes.legend(ncols=len(ARMS), loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return figure


def served_figure(rate_mbps: Sequence[float], names: Sequence[str], switch_s: Mapping[str, float | None]) -> "Figure":
    """Rate of each user in round robin over the length of a turn. switch_s: time of a change, by the way it is made."""
    figure, (axes,) = sheet(7, 3.8)
    ways = {way: time_s for way, time_s in switch_s.items() if time_s is not None}
    for number, (name, rate) in enumerate(zip(names, rate_mbps, strict=True)):
        for (way, time_s), line in zip(ways.items(), ("-", "--"), strict=False):
            share = np.maximum(1 - time_s / TURNS_S, 0) / len(names)
            label = f"{name}, pattern {way}" if len(ways) > 1 else name
            axes.semilogx(TURNS_S, share * rate, line, color=CYCLE[number % len(CYCLE)], label=label)
    axes.set(xlabel="length of a turn [s]", ylabel="rate [Mbit/s]", title="Rate of each user served in turn")
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small")
    return figure
