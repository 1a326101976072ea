"""`hil bench branches`: branch and bound against flips of single elements, over the size of the surface."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress
from hil.errors import ConfigError


def branches(
    scene: Annotated[str, typer.Option(help="paper, paper-rich, lab.")] = "paper",
    sizes: Annotated[str, typer.Option(help="Elements a side, separated by commas.")] = "4,5,6,8,16",
    users: Annotated[int, typer.Option(min=1, help="Of each kind: seeing the surface, and not.")] = 2,
    limit: Annotated[int, typer.Option(min=0, help="Branches bounded for each user.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of environment, users and optimizers.")] = 0,
    json: Json = False,
) -> None:
    """Search one-bit patterns with proof. What that adds to the rate and to the certificate, and up to which size.

    Example: hil bench branches --sizes 4,6,8 --json
    """
    from hil.campaign.branch_bench import bench_branches

    if not all(part.isdecimal() and int(part) > 1 for part in sizes.split(",")):
        raise ConfigError(f"--sizes {sizes}: numbers above 1, separated by commas, for instance 4,6,8")
    with progress() as report:
        rows = bench_branches(
            scene, [int(part) for part in sizes.split(",")], users, branches=limit, seed=seed, progress=report
        )
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"scene": scene, "rows": rows})
