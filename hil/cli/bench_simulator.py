"""`hil bench simulator`: what simulated hardware costs the computer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hil.campaign.shipped import CONFIGS, STATION
from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

SPEEDS_M_PER_S = (0.05, 0.5, 1.5)
STATIONS = [STATION, CONFIGS / "testbeds/sim-64x64.yaml"]


def simulator(
    testbed: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Stations; repeatable. By default a small and a large simulated one."),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Samples of a capture.")] = 8192,
    captures: Annotated[int, typer.Option(min=1, help="Captures, each of a new pattern.")] = 200,
    walk: Annotated[
        int, typer.Option(min=0, help="Patterns of a sequence's capture, timed while the user walks too; 0: not.")
    ] = 0,
    json: Json = False,
) -> None:
    """Time a capture through driver and simulated radio.

    Examples: `hil bench simulator --samples 8192 --json`, `hil bench simulator --captures 1 --walk 256`
    """
    from hil.campaign.simulator import capture_cost, walking_cost
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    stations = [load_yaml(path, TestbedConfig) for path in testbed or STATIONS]
    with progress() as report:
        rows = [asdict(row) for row in capture_cost(stations, num_samples=samples, captures=captures, progress=report)]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    walking = []
    if walk:
        costs = walking_cost(stations[-1], patterns=walk, speeds_m_per_s=SPEEDS_M_PER_S)
        walking = [asdict(row) for row in costs]
        print_table(list(walking[0]), [list(row.values()) for row in walking])
    if json:
        emit_json({"rows": rows, "walking": walking})
