"""`hil bench track`: moving users, followed by each policy, judged by the true channel."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

if TYPE_CHECKING:
    from hil.campaign.walks import Case

SHOWN = (
    "policy",
    "true_fraction",
    "interval",
    "worst_user",
    "served_fraction",
    "hold_fraction",
    "patterns",
    "period_s",
    "lag_s",
    "software_ms",
    "rounds",
    "lost_rounds",
    "sweeps_again",
    "retaken",
    "overloaded",
    "restarts",
)


def track(
    quick: Annotated[bool, typer.Option("--quick", help="Two users, short walks, few policies: minutes.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Cases whose name holds this, as `64x64-walk-los-0.5` or `ris`; all by default.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users of each kind; as the figures ask by default.")] = None,
    first_user: Annotated[int, typer.Option(min=0, help="From this one of the walkers on, for a figure in parts.")] = 0,
    policies: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    duration_s: Annotated[float | None, typer.Option(min=0.2, help="Of each walk.")] = None,
    engine: Annotated[str, typer.Option(help="Where users are followed: local, or workers:N here.")] = "workers:2",
    out: Annotated[
        Path | None, typer.Option(help="Folder in which each user is kept: who is there is not followed again.")
    ] = None,
    ages: Annotated[
        bool, typer.Option("--ages", help="Follow nobody: what patterns of each age keep, and what may be served so.")
    ] = False,
    json: Json = False,
) -> None:
    """Follow users who walk, by each policy. The rate that it keeps, as a fraction of the best at each instant.

    `true_fraction` is of the pattern last configured, at every instant; `served_fraction` counts no data while pilots
    are listened to; `hold_fraction` is of the first pattern, never changed. Intervals are over users, 95 %; differences
    between policies are paired by user. An interrupted command goes on with the same --out.

    Examples: `hil bench track --quick`, `hil bench track --only 64x64-walk-nlos-0.5 --policies two_timescale,full,hold`
    """
    from hil.campaign.cells import Cells
    from hil.campaign.track_cases import cases
    from hil.campaign.tracks import compare
    from hil.engine.open import open_pool

    chosen = cases(
        only=only,
        users=users,
        first_user=first_user,
        policies=policies.split(",") if policies else None,
        duration_s=duration_s,
        quick=quick,
    )
    if ages:
        _bounds(chosen, json)
        return
    with open_pool(engine) as pool, progress() as report:
        rows = list(compare(chosen, pool, None if out is None else Cells(out), report))
    for name in dict.fromkeys(_case(row) for row in rows):
        _tell([row for row in rows if _case(row) == name])
    if json:
        emit_json({"rows": rows})


def _bounds(chosen: "list[Case]", json: bool) -> None:
    """Oracles of each age, case by case."""
    from hil.campaign.track_ages import ages_of

    with progress() as report:
        rows = [ages_of(case, report) for case in chosen]
    for row in rows:
        print(
            f"\n{row['testbed']} {row['kind']} {row['speed_m_per_s']:g} m/s, {row['users']} users: kept of the best "
            f"rate by the pattern that was best some time ago; by random patterns {row['random']:.4f}"
        )
        shown = zip(row["age_s"], row["fraction"], row["interval"], strict=True)
        print_table(["age ms", "kept", "interval"], [[1e3 * age, kept, _short(each)] for age, kept, each in shown])
        if "served_at_most" in row:
            print(
                f"served without foresight at most {row['served_at_most']:.4f}: rounds of {1e3 * row['period_s']:.0f} "
                f"ms, two soundings that take {1e3 * row['taken_s']:.2f} ms, {1e3 * row['lag_s']:g} ms of software"
            )
    if json:
        emit_json({"rows": rows})


def _case(row: dict[str, Any]) -> tuple[object, ...]:
    return row["testbed"], row["kind"], row["speed_m_per_s"]


def _tell(rows: list[dict[str, Any]]) -> None:
    """A case: where it is, a line a policy, and differences between them."""
    where = rows[0]
    names = where["user_names"]
    print(
        f"\n{where['testbed']} {where['kind']} {where['speed_m_per_s']:g} m/s: {where['scene']}; {where['path']}; "
        f"{where['users']} users, {names[0]} to {names[-1]}; SNR of a sounding {where['sounding_snr_db']:.1f} dB, "
        f"of the link {where['link_snr_db']:.1f} dB"
    )
    print_table(SHOWN, [[_short(row[name]) for name in SHOWN] for row in rows])
    for row in rows:
        for name, label in (("over", "configured"), ("served_over", "served")):
            differences = [f"{other} {_signed(each)}" for other, each in row[name].items() if each is not None]
            if differences:
                print(f"{row['policy']}, {label}, paired, over {'; '.join(differences)}")


def _signed(interval: list[float]) -> str:
    low, mean, high = interval
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _short(value: object) -> object:
    if isinstance(value, list):
        return f"{value[0]:.4f}-{value[-1]:.4f}"
    return value
