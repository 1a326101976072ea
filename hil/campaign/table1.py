"""Table I: mean rates of 51 users that see the surface and 51 that do not; and the same under other readings."""

from functools import partial
from typing import Any

from hil.campaign.judge import Contestant, judge
from hil.campaign.sites import at_base_station, make_site
from hil.campaign.workbook import Artifact, Workbook
from hil.optimize.algorithms import Options
from hil.optimize.solve import solve
from hil.report.paper_figures import bars_figure

PAPER_MBPS = {
    "no surface": (3.48, 3.49),
    "random phases": (3.44, 3.50),
    "STM, strongest tap": (111.16, 69.45),
    "paper's network": (115.87, 70.98),
}
PAPER_SAYS = (
    "No IRS 3.48 / 3.49, random phase 3.44 / 3.50, STM 111.16 / 69.45, proposed 115.87 / 70.98 Mbit/s (LOS / NLOS): "
    "the proposed method gains 4.24 % / 2.20 % over STM."
)
READING = (
    "Base station at (80, -200, 15) m from the surface, P = 1 W, N0 = -165 dBm/Hz, M = 20 taps, all paths of the base "
    "station at its own elevation, perfect channel knowledge. The paper prints none of these; its network and readings "
    "of it: hil/campaign/README.md."
)
READINGS = {
    "base station at (80, -200), as taken": ("paper", (80.0, -200.0, 15.0), "perfect"),
    "base station at (120, -180)": ("paper", (120.0, -180.0, 15.0), "perfect"),
    "base station at (40, -100), the Cup's": ("paper", (40.0, -100.0, 15.0), "perfect"),
    "paths of many elevations": ("paper-rich", (80.0, -200.0, 15.0), "perfect"),
    "channel estimated from N noisy pilots": ("paper", (80.0, -200.0, 15.0), "ls"),
    "the same, denoised": ("paper", (80.0, -200.0, 15.0), "denoised"),
}


def table1(workbook: Workbook) -> Artifact:
    """The table, what could be gained at all, and the rates under other readings."""
    main = _main_rows(workbook)
    gains = _gains(main)
    most = gains[-1]
    found = (
        f"On these channels nothing whatsoever beats STM by more than {most['los_percent']:.2f} % LOS and "
        f"{most['nlos_percent']:.2f} % NLOS (certified). neural-prior gains {gains[1]['los_percent']:.2f} % and "
        f"{gains[1]['nlos_percent']:.2f} %, the paper's network on its own {gains[0]['los_percent']:.2f} % and "
        f"{gains[0]['nlos_percent']:.2f} %. Random phases give {main[1]['los_mbps']:.1f} / {main[1]['nlos_mbps']:.1f}, "
        f"no surface {main[0]['los_mbps']:.1f} / {main[0]['nlos_mbps']:.1f}."
    )
    rows = main + gains + _reading_rows(workbook)
    return Artifact(PAPER_SAYS, READING, found, rows, bars_figure(main, title="Table I"))


def table1_contestants(epochs: int, seed: int) -> dict[str, Contestant]:
    """Who appears in the table, by the name of the row. Networks are judged raw; polished rows are ours."""
    run = partial(solve, seed=seed, certify=False)
    return {
        "random phases": partial(run, algorithm="random"),
        "STM, strongest tap": partial(run, algorithm="stm-strongest"),
        "STM, best tap": partial(run, algorithm="stm"),
        "gradient, on phases": partial(run, algorithm="phases-adam"),
        "paper's network": partial(run, algorithm="neural-prior-paper", options=Options(4, epochs, polish=False)),
        "tap-code network": partial(run, algorithm="neural-prior", options=Options(polish=False)),
        "neural-prior (polished)": partial(run, algorithm="neural-prior"),
    }


def _main_rows(workbook: Workbook) -> list[dict[str, Any]]:
    contestants = table1_contestants(workbook.effort.epochs, workbook.seed)
    users, epochs, size = workbook.effort.users, workbook.effort.epochs, workbook.effort.size

    def compute() -> list[dict[str, Any]]:
        site = make_site("paper", size=size, users=users, seed=workbook.seed)
        verdict = judge(site, contestants, seed=workbook.seed, progress=workbook.progress, stage="table1")
        found = {"no surface": verdict.figures(verdict.no_surface_mbps)}
        found |= {name: verdict.figures(rate) for name, rate in verdict.rate_mbps.items()}
        found["certified bound"] = verdict.figures(verdict.bound_mbps)
        return [{"case": name, **figures} for name, figures in found.items()]

    rows = workbook.cell(
        "table1", {"size": size, "users": users, "epochs": epochs, "contestants": list(contestants)}, compute
    )
    return [_beside_paper({"reading": "main", "users_of_each_kind": users, **row}) for row in rows]


def _beside_paper(row: dict[str, Any]) -> dict[str, Any]:
    los, nlos = PAPER_MBPS.get(row["case"], (None, None))
    return {**row, "paper_los_mbps": los, "paper_nlos_mbps": nlos}


def _gains(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over STM's strongest tap: what the paper's network and ours reach, and, last, what no method can exceed."""
    by_name = {row["case"]: row for row in rows}
    stm, printed = by_name["STM, strongest tap"], by_name["paper's network"]
    claim = {
        f"paper_{kind}_percent": 100 * (printed[f"paper_{kind}_mbps"] / stm[f"paper_{kind}_mbps"] - 1)
        for kind in ("los", "nlos")
    }
    return [
        {
            "reading": "main",
            "case": f"{name}, gain over STM",
            **{
                f"{kind}_percent": 100 * (by_name[name][f"{kind}_mbps"] / stm[f"{kind}_mbps"] - 1)
                for kind in ("los", "nlos")
            },
            **claim,
        }
        for name in ("paper's network", "neural-prior (polished)", "certified bound")
    ]


def _reading_rows(workbook: Workbook) -> list[dict[str, Any]]:
    users, size = workbook.effort.reading_users, workbook.effort.size
    rows: list[dict[str, Any]] = []
    for number, (reading, (scene, position_m, csi)) in enumerate(READINGS.items()):
        workbook.progress("table1 readings", number, len(READINGS))

        def compute(scene: str = scene, position_m: Any = position_m, csi: str = csi) -> list[dict[str, Any]]:
            site = at_base_station(make_site(scene, size=size, users=users, seed=workbook.seed), position_m)
            run = partial(solve, seed=workbook.seed, certify=False)
            contestants = {
                "random phases": partial(run, algorithm="random"),
                "STM, strongest tap": partial(run, algorithm="stm-strongest"),
                "neural-prior (polished)": partial(run, algorithm="neural-prior"),
            }
            verdict = judge(site, contestants, csi=csi, seed=workbook.seed)
            found = {"no surface": verdict.no_surface_mbps, **verdict.rate_mbps, "certified bound": verdict.bound_mbps}
            return [{"case": name, **verdict.figures(rate)} for name, rate in found.items()]

        settings = {"scene": scene, "position_m": position_m, "csi": csi, "size": size, "users": users}
        found = workbook.cell(f"table1-reading-{number}", settings, compute)
        rows += [_beside_paper({"reading": reading, "users_of_each_kind": users, **row}) for row in found]
    workbook.progress("table1 readings", len(READINGS), len(READINGS))
    return rows
