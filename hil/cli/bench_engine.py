"""`hil bench engine`: what a round costs more at an optimizer host than in this process."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress


def engine(
    sizes: Annotated[str, typer.Option(help="Elements a side, separated by commas.")] = "16,64",
    rounds: Annotated[int, typer.Option(min=1, help="Of each size.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the channels.")] = 0,
    json: Json = False,
) -> None:
    """Time an optimizer host against optimising here. The same rounds here and on a local Dask worker behind mutual
    TLS.

    Example: hil bench engine --json
    """
    from hil.campaign.engine_bench import bench_engine
    from hil.errors import ConfigError

    if not all(part.isdecimal() and int(part) > 1 for part in sizes.split(",")):
        raise ConfigError(f"--sizes {sizes}: numbers above 1, separated by commas, for instance 16,64")
    with progress() as report:
        rows = bench_engine([int(part) for part in sizes.split(",")], rounds, seed=seed, progress=report)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"rows": rows})
