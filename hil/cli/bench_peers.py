"""`hil bench peers`: the rate after some seconds of radio time, against the published way for the same board."""

import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.campaign.shipped import STATION
from hil.cli.options import Json, Set, TestbedFile, overrides
from hil.cli.output import emit_json, print_table, progress

if TYPE_CHECKING:
    from hil.config import TestbedConfig


def peers(
    testbed: TestbedFile = None,
    worlds: Annotated[int, typer.Option(min=1, help="Rooms, each with noise of its own.")] = 3,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Compare with the usual way, over 2, 10 and 60 s. True rates from the same start: column flips on a tone's
    power, and ours.

    Example: hil bench peers --worlds 3 --json
    """
    from hil.campaign.peers import compare

    path, replaced = testbed or STATION, overrides(None, None, set_)
    station = partial(_station, path, replaced)
    users = [user.name for user in station(1).users]
    with progress() as report, tempfile.TemporaryDirectory() as folder:
        rows = compare(station, users, worlds=worlds, folder=Path(folder), progress=report)
    times = list(rows[0].true_mbps)
    print_table(
        ["method", "user", "start Mbit/s", *(f"after {name}" for name in times), "done after s"],
        [[row.method, row.user, row.start_mbps, *row.true_mbps.values(), row.end_s] for row in rows],
    )
    if json:
        emit_json({"testbed": str(path), "worlds": worlds, "rows": [asdict(row) for row in rows]})


def _station(path: Path, replaced: dict[str, object], world: int) -> "TestbedConfig":
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    return load_yaml(path, TestbedConfig, replaced | {"simulation.seed": world, "simulation.scene.seed": world})
