"""`hil bench users`: many users of one surface, where a new one starts and what turns cost."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.campaign.shipped import STATION
from hil.cli.options import Json, Set, TestbedFile, overrides
from hil.cli.output import emit_json, print_table, progress
from hil.cli.tell import change_takes
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.campaign.many_users import Beside, NewUser

LOW_M, HIGH_M = (1.6, -1.4, 1.2), (2.8, 1.4, 1.2)


def users(
    testbed: TestbedFile = None,
    known: Annotated[int, typer.Option(min=1, help="Users whose configurations are kept with their places.")] = 6,
    new: Annotated[int, typer.Option(min=1, help="Users who come after them.")] = 4,
    budget: Annotated[int, typer.Option(min=64, help="Soundings of a new user's short search by power.")] = 128,
    ways: Annotated[
        str, typer.Option(help="Ways in metres at which users stand beside each known one, as 0.01,0.05.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the places.")] = 0,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Start new users cold, and from the nearest known one. Then serves the known ones round robin. True rates.

    Users stand anywhere in a part of the room, 1.2 m x 2.8 m; with --ways also beside known ones, to see at which
    distance a known neighbour helps.

    Example: hil bench users --known 6 --new 4 --ways 0.005,0.05,0.2 --json
    """
    from hil.campaign.many_users import Room, beside, neighbours, place_users
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    path, ways_m = testbed or STATION, _ways(ways)
    station = load_yaml(path, TestbedConfig, overrides(None, None, set_))
    people, new_people = (
        place_users(LOW_M, HIGH_M, count, prefix=name, seed=seed) for name, count in (("known", known), ("new", new))
    )
    with progress() as report, tempfile.TemporaryDirectory() as folder:
        room = Room(station, Path(folder), budget, report)
        book, turns = room.know(people)
        rows = room.meet(book, new_people)
        near = [beside(way_m, room.meet(book, neighbours(people, way_m, seed=seed))) for way_m in ways_m]
    print_table(list(asdict(rows[0])), [list(asdict(row).values()) for row in rows])
    if near:
        print_table(list(asdict(near[0])), [list(asdict(each).values()) for each in near])
    print(f"{turns.users} users in turn; {change_takes(turns.sent_s, turns.named_s)}")
    print(", ".join(f"turns of {turn}: {rate:.4g} Mbit/s a user" for turn, rate in turns.served_mbps.items()))
    if json:
        emit_json({"testbed": str(path), "rows": _plain(rows), "beside": _plain(near), "turns": asdict(turns)})


def _ways(text: str) -> list[float]:
    """Raises ConfigError."""
    try:
        ways_m = [float(each) for each in text.split(",") if each]
    except ValueError:
        ways_m = [math.nan]
    if not all(0 <= way_m < math.inf for way_m in ways_m):
        raise ConfigError(f"--ways {text}: metres, separated by commas, for instance 0.01,0.05")
    return ways_m


def _plain(rows: Sequence["NewUser | Beside"]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
