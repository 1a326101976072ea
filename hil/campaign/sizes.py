"""Figures 6 and 10: rate and run time over the size of the surface, from the same runs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from hil.campaign.optimizers import compare, table
from hil.campaign.sites import make_site
from hil.campaign.table1 import PAPER_MBPS
from hil.campaign.workbook import Artifact, Workbook
from hil.optimize.algorithms import Options
from hil.optimize.solve import solve
from hil.report.paper_figures import Curve, Panel, curves_figure

NAMES = {
    "stm": "STM, best tap",
    "paper's network": "paper's network",
    "tap-space": "tap-space search",
    "neural-prior": "neural-prior",
    "certified-bound": "certified bound",
}
COMPARED = ("paper's network", "neural-prior", "certified-bound")
PANELS = {"los": "users that see the surface", "nlos": "users that do not see it"}


def fig6(workbook: Workbook) -> Artifact:
    """Mean rate of both kinds of users."""
    rows = [{key: row[key] for key in row if key not in ("ms_per_user", "times_stm")} for row in _rows(workbook)]
    panels = [
        Panel(title, [*_curves(rows, f"{kind}_mbps", NAMES), *_printed(index)], "mean rate [Mbit/s]")
        for index, (kind, title) in enumerate(PANELS.items())
    ]
    panels += [
        Panel(title, _percent(_curves(rows, f"{kind}_fraction", NAMES)), "% of the certified bound")
        for kind, title in PANELS.items()
    ]
    return Artifact(
        "The rate grows quickly with the number of elements; the proposed method is above STM at every size. "
        "No numbers are printed but those of Table I at 64 x 64.",
        "Scene and link of Table I. The paper's network: its own output, not polished, best of 4 starts.",
        "Over STM's best tap, by size: "
        + "; ".join(
            f"{kind.upper()} {NAMES[case]} {_gains(rows, f'{kind}_mbps', case)}" for kind in PANELS for case in COMPARED
        ),
        rows,
        curves_figure(panels, xlabel="number of elements N", logx=True, cols=2),
    )


def fig10(workbook: Workbook) -> Artifact:
    """Time a user."""
    shown = ("case", "size", "num_elements", "users_of_each_kind", "ms_per_user", "times_stm")
    rows = [{key: row[key] for key in shown} for row in _rows(workbook) if row["ms_per_user"] > 0]
    panels = [Panel("one thread, users in batches", _curves(rows, "ms_per_user", NAMES))]
    return Artifact(
        "The proposed method is significantly faster than STM, most of all on large surfaces (Core i7 and RTX A5000; "
        "no numbers are printed).",
        "STM is written as one matrix product that aligns all M taps and one that rates them; networks and search "
        "take the users of a batch together. Time of the bound: a search and the certificate.",
        f"At N = {rows[-1]['num_elements']}: "
        + ", ".join(
            f"{row['case']} {row['ms_per_user']:.1f} ms ({row['times_stm']:.0f} x STM)"
            for row in rows
            if row["num_elements"] == rows[-1]["num_elements"]
        )
        + ". STM looks at the channel once: no method that iterates on it is faster on the same machine.",
        rows,
        curves_figure(panels, xlabel="number of elements N", ylabel="time a user [ms]", logx=True, logy=True),
    )


def _gains(rows: list[dict[str, Any]], value: str, case: str) -> str:
    """Per cent over STM at each size."""
    stm, other = (next(iter(_curves(rows, value, {name: name}))) for name in ("stm", case))
    return ", ".join(f"{100 * (mine / base - 1):+.2f} %" for mine, base in zip(other.y, stm.y, strict=True))


def _percent(curves: list[Curve]) -> list[Curve]:
    return [replace(curve, y=[100 * value for value in curve.y]) for curve in curves]


def _printed(index: int) -> list[Curve]:
    """Table I's values, as points."""
    names = {"STM, strongest tap": "stm", "paper's network": "paper's network"}
    return [
        Curve(f"{name} (Table I)", [4096], [PAPER_MBPS[name][index]], case, points=True) for name, case in names.items()
    ]


def _rows(workbook: Workbook) -> list[dict[str, Any]]:
    sizes, epochs = workbook.effort.sizes, workbook.effort.epochs
    rows: list[dict[str, Any]] = []
    for number, (size, users) in enumerate(sizes.items()):
        workbook.progress("sizes", number, len(sizes))
        settings = {"size": size, "users": users, "epochs": epochs}
        rows += workbook.cell(f"size-{size}", settings, partial(_at_size, size, users, epochs, workbook.seed))
    workbook.progress("sizes", len(sizes), len(sizes))
    return rows


def _at_size(size: int, users: int, epochs: int, seed: int) -> list[dict[str, Any]]:
    run = partial(solve, seed=seed, certify=False)
    contestants = {
        "stm": partial(run, algorithm="stm"),
        "paper's network": partial(run, algorithm="neural-prior-paper", options=Options(4, epochs, polish=False)),
        "tap-space": partial(run, algorithm="tap-space"),
        "neural-prior": partial(run, algorithm="neural-prior"),
    }
    site = make_site("paper", size=size, users=users, seed=seed)
    shape = {"size": size, "num_elements": size**2, "users_of_each_kind": users}
    return [{"case": row.pop("algorithm"), **shape, **row} for row in table(compare(site, contestants, seed=seed))]


def _curves(rows: list[dict[str, Any]], value: str, names: Mapping[str, str]) -> list[Curve]:
    """A curve over the number of elements for each case that has a name."""
    chosen = {case: [row for row in rows if row["case"] == case] for case in names}
    return [
        Curve(names[case], [row["num_elements"] for row in found], [row[value] for row in found], case)
        for case, found in chosen.items()
    ]
