"""`hil bench cup`: the Signal Processing Cup's task with a coupling that the optimizer is not told."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress


def cup(
    seeds: Annotated[int, typer.Option(min=1, help="Random environments, each with users of its own.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    size: Annotated[int, typer.Option(min=4, help="Elements a side.")] = 64,
    users: Annotated[
        int, typer.Option(min=1, help="Users, of which the share of the Cup does not see the surface.")
    ] = 50,
    json: Json = False,
) -> None:
    """Compare optimizers on one-bit elements that are coupled. Each user's channel from a noisy sweep.

    The score is the mean true rate, users that do not see the surface counted twice. `learned` finds out from the sweep
    how far the pull reaches; `known` was told.

    Example: hil bench cup --seeds 5 --json
    """
    from hil.campaign.cup import cup as compete

    rows = []
    with progress() as report:
        for environment in range(seed, seed + seeds):
            rows += compete(environment, size=size, users=users, num_nlos=round(0.28 * users), progress=report)
    shown = ("seed", "algorithm", "los_mbps", "nlos_mbps", "score", "bound_fraction")
    print_table(shown, [[row[name] for name in shown] for row in rows])
    mean = {
        name: sum(row["score"] for row in rows if row["algorithm"] == name) / seeds
        for name in dict.fromkeys(row["algorithm"] for row in rows)
    }
    print_table(["mean over environments", "score"], list(mean.items()))
    if json:
        emit_json({"num_elements": size**2, "rows": rows, "mean_score": mean})
