"""Figures 8 and 9: a user walks away; how many epochs, or steps, make the configuration good again.

Twice: as the loop does it, sweep by sweep (`hil.campaign.followed`), and with perfect knowledge of a user who is put
down at each distance, which tells what is lost by sounding, by one bit, and by going on from round to round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.followed import followed
from hil.campaign.learning import KeptCode, LearningCurve, Lesson, Network, PaperNetwork, TapCodeNetwork
from hil.campaign.links import Links
from hil.campaign.sites import Site, make_site
from hil.campaign.workbook import Artifact, Workbook
from hil.config import UserConfig
from hil.optimize.solve import solve
from hil.report.paper_figures import Curve, Panel, curves_figure

KINDS = {"los": "users that see the surface", "nlos": "users that do not see it"}
NETWORKS: dict[str, Network] = {"paper's network": PaperNetwork(), "tap-code network": TapCodeNetwork()}
RETRAINING = (0, 5, 10, 20, 50)  # epochs
WARM_STEPS = 10
READING = (
    "Users start where those of Table I stand and walk straight, each in a random direction of the (x, y) plane. Adam, "
    "phases counted in turns, one network a user, trained at the start and retrained from there at each distance. "
)
LOOP = (
    "In the loop an element has one bit, the channel is what a full sweep tells, the network trains on from round to "
    "round, and the true channel judges the pattern that serves. "
)


def fig8(workbook: Workbook) -> Artifact:
    """Epochs to 99 % of the best: of the network that the loop trains on, and with perfect knowledge."""
    rows = [row for row in _rows(workbook) if row["figure"] == "fig8"]
    loop = {kind: followed(workbook, kind) for kind in KINDS}
    panels = [Panel(f"loop: {title}", _epochs_by_step(loop[kind])) for kind, title in KINDS.items()]
    panels += [
        Panel(
            f"perfect knowledge: {title}",
            [_over_distance(rows, kind, name, start) for name in NETWORKS for start in ("cold", "warm")],
        )
        for kind, title in KINDS.items()
    ]
    return Artifact(
        "About 105 epochs at the start; the pre-trained network needs significantly fewer to reach 99 % of the new "
        "maximal rate, more of them the further the user went (10 users, 64 x 64; no other numbers are printed).",
        READING
        + LOOP
        + "The new maximal rate is the best that the same network reaches there, cold or warm; a training "
        "that never comes so far counts with its full length.",
        "; ".join(_epochs_found(kind, loop[kind]) for kind in KINDS)
        + "; with perfect knowledge "
        + "; ".join(
            f"{kind.upper()}: {row['case']}, {row['cold']:.0f} epochs cold, {row['warm']:.0f} warm after "
            f"{row['distance_m']:g} m"
            for kind in KINDS
            for row in (_nearest(rows, kind, "paper's network"), _farthest(rows, kind, "paper's network"))
        ),
        [{"figure": "fig8", "source": "loop", **row} for kind in KINDS for row in loop[kind]] + rows,
        curves_figure(panels, xlabel="distance since the last training [m]", ylabel="epochs to 99 %", cols=2),
    )


def fig9(workbook: Workbook) -> Artifact:
    """Rate after limited retraining: in the loop, and with perfect knowledge."""
    rows = [row for row in _rows(workbook) if row["figure"] == "fig9"]
    loop = {kind: followed(workbook, kind) for kind in KINDS}
    cases = list(dict.fromkeys(row["case"] for row in rows))
    panels = [
        Panel(f"loop: {title}", _kept_rates(loop[kind]), "rate / rate at the start") for kind, title in KINDS.items()
    ]
    panels += [
        Panel(f"perfect knowledge: {title}", [_over_distance(rows, kind, case, value) for case in cases], label)
        for value, label in (("of_rate_at_start", "rate / rate at the start"), ("of_bound_here", "rate / bound here"))
        for kind, title in KINDS.items()
    ]
    return Artifact(
        "With the configuration kept the rate falls; a limited number of retraining epochs holds most of it; values "
        "above 1 come from channels that got better (no numbers are printed).",
        READING
        + LOOP
        + "`tap code`: the 20 numbers that the old configuration was aligned with, on the new channel, as "
        "they are or after ten steps of the tap-space search. Rates at the start are each method's own.",
        "In the loop, of the best there at the farthest place: "
        + "; ".join(_kept_found(kind, loop[kind]) for kind in KINDS)
        + ". With perfect knowledge, of the bound: "
        + "; ".join(
            f"{kind.upper()} "
            + ", ".join(f"{case} {100 * _farthest(rows, kind, case)['of_bound_here']:.1f} %" for case in cases)
            for kind in KINDS
        ),
        [{"figure": "fig9", "source": "loop", **row} for kind in KINDS for row in loop[kind]] + rows,
        curves_figure(panels, xlabel="distance from the start [m]", cols=2),
    )


def _epochs_by_step(rows: list[dict[str, Any]]) -> list[Curve]:
    """Mean over the rounds after the first, by how far the user went since the round before."""
    steps = list(dict.fromkeys(row["step_m"] for row in rows))
    return [Curve(name, steps, [_epochs(rows, name, step) for step in steps], name) for name in ("cold", "warm")]


def _epochs(rows: list[dict[str, Any]], budget: str, step_m: float) -> float:
    return fmean(
        row["epochs"] for row in rows if row["budget"] == budget and row["step_m"] == step_m and row["round"] > 1
    )


def _epochs_found(kind: str, rows: list[dict[str, Any]]) -> str:
    steps = list(dict.fromkeys(row["step_m"] for row in rows))
    return f"{kind.upper()} in the loop: " + ", ".join(
        f"{_epochs(rows, 'cold', step):.0f} cold, {_epochs(rows, 'warm', step):.0f} warm every {step:g} m"
        for step in steps
    )


def _kept_rates(rows: list[dict[str, Any]]) -> list[Curve]:
    """Over the distance from the start; rounds of all walks together."""
    budgets = [name for name in dict.fromkeys(row["budget"] for row in rows) if name != "cold"]
    curves = [(name, name, "of_rate_at_start") for name in budgets]
    curves.insert(0, ("same configuration", "warm", "hold_of_rate_at_start"))
    drawn = []
    for label, budget, value in curves:
        chosen = sorted((row for row in rows if row["budget"] == budget), key=lambda row: row["walked_m"])
        drawn.append(Curve(label, [row["walked_m"] for row in chosen], [row[value] for row in chosen], label))
    return drawn


def _kept_found(kind: str, rows: list[dict[str, Any]]) -> str:
    last = {row["budget"]: row for row in sorted(rows, key=lambda row: row["walked_m"])}
    told = [("same configuration", last["warm"]["hold_of_optimum_here"])]
    told += [(name, row["of_optimum_here"]) for name, row in last.items() if name != "cold"]
    return f"{kind.upper()} {last['warm']['walked_m']:.2g} m: " + ", ".join(
        f"{name} {100 * of:.1f} %" for name, of in told
    )


def _over_distance(rows: list[dict[str, Any]], kind: str, case: str, value: str) -> Curve:
    chosen = [row for row in rows if row["kind"] == kind and row["case"] == case]
    label = f"{case}, {value}" if value in ("cold", "warm") else case
    return Curve(label, [row["distance_m"] for row in chosen], [row[value] for row in chosen], case, value == "cold")


def _nearest(rows: list[dict[str, Any]], kind: str, case: str) -> dict[str, Any]:
    return next(row for row in rows if row["kind"] == kind and row["case"] == case and row["distance_m"] > 0)


def _farthest(rows: list[dict[str, Any]], kind: str, case: str) -> dict[str, Any]:
    return [row for row in rows if row["kind"] == kind and row["case"] == case][-1]


@dataclass(frozen=True, eq=False)
class Start:
    """What was learnt where the users set out."""

    users: Sequence[UserConfig]
    heading: Float[np.ndarray, "user"]
    curves: dict[str, LearningCurve]
    best_mbps: Float[np.ndarray, "user"]
    code: KeptCode

    def walked(self, distance_m: float) -> list[UserConfig]:
        """The users, each that far along its way, at constant height."""
        steps = distance_m * np.stack([np.cos(self.heading), np.sin(self.heading), 0 * self.heading], axis=-1)
        return [
            user.model_copy(update={"position_m": tuple(float(x) for x in np.array(user.position_m) + step)})
            for user, step in zip(self.users, steps, strict=True)
        ]


def _rows(workbook: Workbook) -> list[dict[str, Any]]:
    effort = workbook.effort
    settings = {
        "size": effort.size,
        "users": effort.walkers,
        "epochs": effort.walk_epochs,
        "distances_m": effort.distances_m,
    }
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        rows += workbook.cell(f"moving-{kind}", settings, partial(_walk, workbook, kind))
    return rows


def _walk(workbook: Workbook, kind: str) -> list[dict[str, Any]]:
    effort, count, epochs = workbook.effort, workbook.effort.walkers, workbook.effort.walk_epochs
    distances = effort.distances_m
    site = make_site("paper", size=effort.size, users=count, seed=workbook.seed)
    users = [user for user in site.users if user.line_of_sight == (kind == "los")]
    start = set_out(site, users, epochs, seed=workbook.seed)
    rows: list[dict[str, Any]] = []
    for number, distance_m in enumerate((0.0, *distances)):
        workbook.progress(f"walk {kind}", number, len(distances) + 1)
        where = {"kind": kind, "distance_m": distance_m, "users": count, "epochs": epochs}
        arrived = arrive(site, start, distance_m, epochs, seed=workbook.seed)
        rows += [{"figure": row.pop("figure"), **where, **row} for row in arrived]
    workbook.progress(f"walk {kind}", len(distances) + 1, len(distances) + 1)
    return rows


def set_out(site: Site, users: Sequence[UserConfig], epochs: int, *, seed: int) -> Start:
    """Train the networks, and find the best configuration, where the users stand."""
    truth = site.links(users).truth
    best = solve(truth, "tap-space", seed=seed, certify=False)
    return Start(
        users,
        np.random.default_rng([seed, 6]).uniform(0, 2 * np.pi, len(users)),
        {name: network.learn(truth, Lesson(epochs, seed)) for name, network in NETWORKS.items()},
        best.rate_mbps,
        KeptCode.of(truth, best.reflection),
    )


def arrive(site: Site, start: Start, distance_m: float, epochs: int, *, seed: int) -> list[dict[str, Any]]:
    """Rows of both figures at one distance."""
    links = site.links(start.walked(distance_m))
    rows: list[dict[str, Any]] = []
    for name, network in NETWORKS.items():
        warm = network.learn(links.truth, Lesson(epochs, seed, start.curves[name]))
        cold = network.learn(links.truth, Lesson(epochs, seed + 1))
        best = np.maximum(warm.rate_mbps[-1], cold.rate_mbps[-1])
        needed = {case: curve.epochs_to(0.99 * best).mean() for case, curve in (("cold", cold), ("warm", warm))}
        rows.append({"figure": "fig8", "case": name, **{case: float(epochs) for case, epochs in needed.items()}})
        if name == "paper's network":
            rows += _held(links, start, warm)
    return rows


def _held(links: Links, start: Start, warm: LearningCurve) -> list[dict[str, Any]]:
    """What is left of the rate, by what was done about the move."""
    bound = links.bound_mbps()
    at_start = start.curves["paper's network"].rate_mbps[-1]
    rates = {
        ("same configuration" if epochs == 0 else f"{epochs} epochs"): (warm.after(epochs), at_start)
        for epochs in RETRAINING
    }
    rates["tap code kept"] = (start.code.rate_mbps(links.truth), start.best_mbps)
    rates[f"tap code, {WARM_STEPS} steps"] = (
        start.code.stepped_rate_mbps(links.truth, WARM_STEPS),
        start.best_mbps,
    )
    return [
        {
            "figure": "fig9",
            "case": case,
            "of_rate_at_start": float((rate / before).mean()),
            "of_bound_here": float((rate / bound).mean()),
        }
        for case, (rate, before) in rates.items()
    ]
