"""`hil bench warm`: iterations from an old configuration to the optimum after a step."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress


def warm(
    size: Annotated[int, typer.Option(min=4, help="Elements a side.")] = 64,
    users: Annotated[int, typer.Option(min=1, help="Of each kind: seeing the surface, and not.")] = 10,
    step_m: Annotated[float, typer.Option(min=0, help="How far each user went.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of environment, users and directions.")] = 0,
    json: Json = False,
) -> None:
    """Go on from an old configuration after the user moved. Fractions are of a new search from nothing.

    Exit code 1 where ten iterations leave more than 0.1 % (users that see the surface) or 1 % (others).

    Example: hil bench warm --step-m 0.1 --json
    """
    from hil.campaign.warm_bench import bench_warm

    with progress() as report:
        rows = bench_warm(size, users, step_m, seed=seed, progress=report)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"num_elements": size**2, "step_m": step_m, "rows": rows})
    if any(row["held"] is False for row in rows):
        raise typer.Exit(1)
