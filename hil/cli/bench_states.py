"""`hil bench states`: patterns chosen by states as they are over the band, against one number for each."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress
from hil.errors import ConfigError


def states(
    size: Annotated[int, typer.Option(min=2, help="Elements a side.")] = 64,
    users: Annotated[int, typer.Option(min=1, help="Of each kind: seeing the surface, and not.")] = 5,
    bits: Annotated[int, typer.Option(min=1, max=5, help="Of an element.")] = 3,
    turns: Annotated[
        str, typer.Option(help="Degrees that each state turns over the band, separated by commas.")
    ] = "20,60,120",
    seed: Annotated[int, typer.Option(min=0, help="Of environment, users and optimizers.")] = 0,
    json: Json = False,
) -> None:
    """What following states over the band is worth and takes.

    By one number for each state and by what it is over the band, judged by the true channel; and the certificate.

    Example: hil bench states --size 16 --bits 2 --turns 60,120 --json
    """
    from hil.campaign.states_bench import bench_states

    if not all(part.isdecimal() and int(part) < 360 for part in turns.split(",")):
        raise ConfigError(f"--turns {turns}: whole degrees below 360, separated by commas, for instance 20,60,120")
    turns_deg = [float(part) for part in turns.split(",")]
    with progress() as report:
        rows = bench_states(size, users, bits, turns_deg, seed=seed, progress=report)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"num_elements": size**2, "bits": bits, "users": users, "rows": rows})
