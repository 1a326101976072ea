"""`hil bench track`: moving users, followed by each policy, judged by the true channel."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

SHOWN = (
    "testbed",
    "speed_m_per_s",
    "kind",
    "policy",
    "users",
    "true_fraction",
    "interval",
    "served_fraction",
    "hold_fraction",
    "served_over_hold",
    "patterns",
    "period_s",
    "lag_s",
    "software_ms",
)


def track(
    quick: Annotated[bool, typer.Option("--quick", help="Two users, short walks, few policies: minutes.")] = False,
    only: Annotated[
        str | None, typer.Option(help="Cases whose name holds this, as `64x64-los-0.5` or `ris`; all by default.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users of each kind; as the figures ask by default.")] = None,
    policies: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    duration_s: Annotated[float | None, typer.Option(min=0.2, help="Of each walk.")] = None,
    json: Json = False,
) -> None:
    """Follow users who walk, by each policy. The rate that it keeps, as a fraction of the best at each instant.

    `true_fraction` is of the pattern last configured, at every instant; `served_fraction` counts no data while pilots
    are listened to; `hold_fraction` is of the first pattern, never changed. Intervals are over users, 95 %.

    Examples: `hil bench track --quick`, `hil bench track --only 64x64-nlos-0.5 --policies two_timescale,full`
    """
    from hil.campaign.track_cases import cases
    from hil.campaign.tracks import compare

    chosen = cases(
        only=only, users=users, policies=policies.split(",") if policies else None, duration_s=duration_s, quick=quick
    )
    with progress() as report:
        rows = list(compare(chosen, report))
    print_table(SHOWN, [[_short(row[name]) for name in SHOWN] for row in rows])
    if json:
        emit_json({"rows": rows})


def _short(value: object) -> object:
    if isinstance(value, list):
        return f"{value[0]:.4g}-{value[-1]:.4g}"
    return "-" if value is None else value
