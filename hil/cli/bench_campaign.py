"""`hil bench campaign`: what a campaign costs, and what a second worker brings."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress


def campaign(
    tasks: Annotated[int, typer.Option(min=10, help="Of no work.")] = 100_000,
    users: Annotated[int, typer.Option(min=1, help="Of each kind in the campaign of real work.")] = 60,
    repeats: Annotated[int, typer.Option(min=1, help="Of that campaign, on one worker and on two in turns.")] = 3,
    json: Json = False,
) -> None:
    """Time campaigns: their overhead and their scaling. Many tasks of no work; real work on one worker and on two, by
    wall time, and the CPU time of client, scheduler and workers (two figures: of one worker, of two), with the highest
    ratio that two cores allow with it; peak memory of the client.

    Example: hil bench campaign --json
    """
    from hil.campaign.campaign_bench import bench_campaign

    with progress() as report:
        figures = bench_campaign(tasks, users, repeats, report)
    print_table(["figure", "value"], [[name, _told(value)] for name, value in figures.items()])
    if json:
        emit_json(figures)


def _told(value: object) -> object:
    return ", ".join(f"{each:.4g}" for each in value) if isinstance(value, list) else value
