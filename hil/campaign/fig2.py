"""Figure 2: what an estimate from N pilots says of a configuration that it never saw, beside the truth."""

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np

from hil.arrays import Complex
from hil.campaign.csi import assumed, estimates, sweep_plan
from hil.campaign.links import Links
from hil.campaign.sites import make_site
from hil.campaign.workbook import Artifact, Workbook
from hil.measure.sweep import Scheme
from hil.optimize.objective import Problem
from hil.optimize.solve import solve
from hil.phy.metrics import nmse_db
from hil.report.paper_figures import Curve, Panel, curves_figure
from hil.units import power_db

KINDS = ("los", "nlos")
NUM_RANDOM = 20


def fig2(workbook: Workbook) -> Artifact:
    """Random configurations and a chosen one, by N, N + 1 and 2N pilots."""
    size = workbook.effort.size
    found = workbook.cell("fig2", {"size": size}, partial(_compute, size, workbook.seed))
    workbook.progress("fig2", 1, 1)
    return Artifact(
        "Although it uses only N configurations, the estimate follows closely the amplitude and phase of the true "
        "received signal.",
        "Pilots have the SNR of the data on each subcarrier. N pilots: element 1 is taken as the mean of its "
        f"column-mates. Judged on {NUM_RANDOM} random configurations, where noise alone would give floor_db, and on "
        "the configuration that the estimate makes the optimizer choose. Drawn: N pilots.",
        _finding(found["rows"]),
        found["rows"],
        curves_figure(
            [panel for curves in found["curves"] for panel in _draw(curves)], xlabel="frequency [MHz]", cols=2
        ),
    )


def _compute(size: int, seed: int) -> dict[str, Any]:
    site = make_site("paper", size=size, users=1, seed=seed)
    links = site.links()
    phases = np.random.default_rng([seed, 5]).uniform(0, 2 * np.pi, (NUM_RANDOM, size**2))
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for scheme in get_args(Scheme):
        found, drawn = _judge_scheme(links, scheme, np.exp(1j * phases), seed)
        rows += found
        curves += drawn if scheme == "hadamard" else []
    return {"rows": rows, "curves": curves}


def _judge_scheme(
    links: Links, scheme: str, random: Complex[np.ndarray, "configuration element"], seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Figures of each user under a scheme, and what to draw of them."""
    plan = sweep_plan(links, scheme, seed=seed)
    estimated = estimates(links, plan, 1 / links.truth.snr_scale, seed=seed)
    given = assumed(links, plan, estimated)
    solution = solve(given, "neural-prior", seed=seed, certify=False)
    reached, bound = links.rate_mbps(solution), links.bound_mbps()
    rows, drawn = [], []
    for user, estimate in enumerate(estimated):
        truth, told = (_user(problem, user) for problem in (links.truth, given))
        at_random, chosen = random, solution.reflection[user]
        error = float(estimate.direct_var.sum() + estimate.cascade_var.sum())
        true_random, told_random = truth.response(at_random), told.response(at_random)
        true_chosen, told_chosen = truth.response(chosen), told.response(chosen)
        rows.append({
            "pilots": plan.num_patterns,
            "scheme": scheme,
            "user": KINDS[user],
            "nmse_random_db": nmse_db(told_random, true_random),
            "floor_db": float(power_db(error / np.mean(np.sum(np.abs(true_random) ** 2, axis=-1)))),
            "nmse_chosen_db": nmse_db(told_chosen, true_chosen),
            "rate_mbps": float(reached[user]),
            "bound_mbps": float(bound[user]),
            "fraction": float(reached[user] / bound[user]),
        })  # fmt: skip
        drawn += [
            {"title": f"{KINDS[user].upper()} user, {name}", **_parts(told, true)}
            for name, told, true in (
                ("a random configuration", told_random[0], true_random[0]),
                ("the chosen configuration", told_chosen, true_chosen),
            )
        ]
    return rows, drawn


def _finding(rows: list[dict[str, Any]]) -> str:
    def told(user: str) -> str:
        chosen = [row for row in rows if row["user"] == user]
        paper = next(row for row in chosen if row["scheme"] == "hadamard")
        reached = ", ".join(f"{100 * row['fraction']:.2f} % by {row['pilots']} pilots" for row in chosen)
        return (
            f"{user.upper()}: N pilots err by {paper['nmse_chosen_db']:.1f} dB at the chosen configuration, by "
            f"{paper['nmse_random_db']:.1f} dB at random ones (noise alone: {paper['floor_db']:.1f} dB); "
            f"rate, of the bound: {reached}"
        )

    return "; ".join(told(user) for user in KINDS)


def _user(problem: Problem, user: int) -> Problem:
    return replace(problem, direct=problem.direct[user], cascade=problem.cascade[user])


def _parts(told: Complex[np.ndarray, "subcarrier"], true: Complex[np.ndarray, "subcarrier"]) -> dict[str, list[float]]:
    """Level in dB and phase in degrees; the estimate's phase is the truth's, unwrapped, plus its error within 180."""
    true_deg = np.rad2deg(np.unwrap(np.angle(true)))
    return {
        "true_db": power_db(np.abs(true) ** 2).tolist(),
        "told_db": power_db(np.abs(told) ** 2).tolist(),
        "true_deg": true_deg.tolist(),
        "told_deg": (true_deg + np.rad2deg(np.angle(told / true))).tolist(),
    }


def _draw(curves: dict[str, Any]) -> list[Panel]:
    count = len(curves["true_db"])
    megahertz = ((np.arange(count) - count // 2) / count * 10).tolist()
    return [
        Panel(
            curves["title"],
            [
                Curve("true", megahertz, curves[f"true_{unit}"], "truth"),
                Curve("estimated from N pilots", megahertz, curves[f"told_{unit}"], "estimate"),
            ],
            label,
        )
        for unit, label in (("db", "|h| [dB]"), ("deg", "phase [deg]"))
    ]
