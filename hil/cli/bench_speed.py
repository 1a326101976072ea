"""`hil bench speed`: times of the optimizers and of the certificate as multiples of strongest-tap maximisation."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress


def speed(
    size: Annotated[int, typer.Option(min=4, help="Elements a side; one case has twice as many.")] = 64,
    repetitions: Annotated[int, typer.Option(min=1, help="Of all cases in turns; medians are shown.")] = 9,
    seed: Annotated[int, typer.Option(min=0, help="Of environment and users.")] = 0,
    json: Json = False,
) -> None:
    """Time the searches on one core, beside their limits. One user after the other, and in a batch.

    Exit code 1 where a ratio is above its limit.

    Example: hil bench speed --json
    """
    from hil.campaign.speed_bench import bench_speed

    with progress() as report:
        rows = bench_speed(size, repetitions=repetitions, seed=seed, progress=report)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"num_elements": size**2, "rows": rows})
    if any(row["held"] is False for row in rows):
        raise typer.Exit(1)
