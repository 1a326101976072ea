"""`hil bench users`: many users of one surface, where a new one starts and what turns cost."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json, Set, TestbedFile, overrides
from hil.cli.output import emit_json, print_table, progress

STATION = Path("configs/testbeds/sim-opensource-ris.yaml")
LOW_M, HIGH_M = (1.6, -1.4, 1.2), (2.8, 1.4, 1.2)


def users(
    testbed: TestbedFile = None,
    known: Annotated[int, typer.Option(min=1, help="Users whose configurations are kept with their places.")] = 6,
    new: Annotated[int, typer.Option(min=1, help="Users who come after them.")] = 4,
    budget: Annotated[int, typer.Option(min=64, help="Soundings of a new user's short search by power.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Of the places.")] = 0,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Start new users cold, and from the nearest known one. Then serves the known ones round robin. True rates.

    Users stand anywhere in a part of the room, 1.2 m x 2.8 m.

    Example: hil bench users --known 6 --new 4 --json
    """
    from hil.campaign.many_users import meet, place_users
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    path = testbed or STATION
    station = load_yaml(path, TestbedConfig, overrides(None, None, set_))
    places = [
        place_users(LOW_M, HIGH_M, count, prefix=name, seed=seed) for name, count in (("known", known), ("new", new))
    ]
    with progress() as report, tempfile.TemporaryDirectory() as folder:
        rows, turns = meet(station, *places, folder=Path(folder), budget=budget, progress=report)
    print_table(list(asdict(rows[0])), [list(asdict(row).values()) for row in rows])
    named = "-" if turns.named_s is None else f"{1e3 * turns.named_s:.3g}"
    print(f"{turns.users} users in turn; a change takes {1e3 * turns.sent_s:.3g} ms sent, {named} ms named")
    print(", ".join(f"turns of {turn}: {rate:.4g} Mbit/s a user" for turn, rate in turns.served_mbps.items()))
    if json:
        emit_json({"testbed": str(path), "rows": [asdict(row) for row in rows], "turns": asdict(turns)})
