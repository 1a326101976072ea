"""`hil bench simulator`: what simulated hardware costs the computer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

STATIONS = [Path("configs/testbeds/sim-opensource-ris.yaml"), Path("configs/testbeds/sim-64x64.yaml")]


def simulator(
    testbed: Annotated[list[Path] | None, typer.Option(help="Stations; repeatable. The two simulated ones.")] = None,
    samples: Annotated[int, typer.Option(min=2, help="Samples of a capture.")] = 8192,
    captures: Annotated[int, typer.Option(min=1, help="Captures, each of a new pattern.")] = 200,
    json: Json = False,
) -> None:
    """Time a capture through the real driver, the simulated radio and the world.

    Example: hil bench simulator --samples 8192 --json
    """
    from hil.campaign.simulator import capture_cost
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    stations = [load_yaml(path, TestbedConfig) for path in testbed or STATIONS]
    with progress() as report:
        rows = [asdict(row) for row in capture_cost(stations, num_samples=samples, captures=captures, progress=report)]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"rows": rows})
