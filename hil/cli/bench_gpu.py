"""`hil bench gpu`: the neural prior for a large batch of users on one device, against the device's own floor."""

from dataclasses import asdict
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table

FIGURES = (
    "users_per_s",
    "replayed_users_per_s",
    "floor_fraction",
    "unfused_users_per_s",
    "h200_users_per_s",
    "agrees",
)


def gpu(
    device: Annotated[str, typer.Option(help="cuda, cuda:1, ...; cpu to try the command.")] = "cuda",
    users: Annotated[int, typer.Option(min=2, help="Users in one batch, half of them without line of sight.")] = 1024,
    size: Annotated[int, typer.Option(min=4, help="Elements a side.")] = 64,
    at_least: Annotated[float, typer.Option(min=0, help="Users per second below which the command fails.")] = 0,
    json: Json = False,
) -> None:
    """Train the neural prior for many users at once. Users per second, and how near its time is to the floor.

    The floor is what the device's memory and arithmetic allow, both measured on it. Exit code 1 where rates are not the
    CPU's to 1e-4, or users per second are fewer than asked for.

    Example: hil bench gpu --device cuda --users 1024 --at-least 10000 --json
    """
    from hil.campaign.sites import make_site
    from hil.optimize.throughput import throughput

    site = make_site("paper", size=size, users=-(-users // 2))
    found = throughput(site.links(site.users[:users]).truth, device=device)
    row = asdict(found) | {name: getattr(found, name) for name in FIGURES}
    print_table(["figure", "value"], list(row.items()))
    if json:
        emit_json({"rows": [row]})
    if not found.agrees or found.users_per_s < at_least:
        raise typer.Exit(1)
