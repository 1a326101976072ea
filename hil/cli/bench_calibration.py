"""`hil bench calibration`: hidden faults of a simulated station, and which of them a calibration finds."""

from typing import Annotated

import typer

from hil.cli.options import Json, Set, TestbedFile, User, overrides, required
from hil.cli.output import emit_json, print_table, progress
from hil.errors import ConfigError


def calibration(
    testbed: TestbedFile = None,
    faults: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Of each fault, each in a room of its own.")] = 4,
    user: User = None,
    seed: Annotated[int, typer.Option(min=0, help="Of rooms and faults.")] = 0,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Hide faults in a simulated station and calibrate it. Counts what was found, missed, and falsely told.

    Example: hil bench calibration --testbed configs/testbeds/sim-opensource-ris.yaml --user shelf
    """
    from hil.campaign.calibration_bench import FAULTS, count_faults
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    station = load_yaml(required(testbed), TestbedConfig, overrides(None, None, set_))
    names = faults.split(",") if faults else None
    if unknown := set(names or ()) - set(FAULTS):
        raise ConfigError(f"--faults: no {', '.join(sorted(unknown))}; allowed: {', '.join(FAULTS)}")
    if not station.simulated:
        raise ConfigError(f"{station.name}: faults can be hidden in a simulation only")
    with progress() as report_progress:
        rows = count_faults(station, names, user=user, trials=trials, seed=seed, progress=report_progress)
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json:
        emit_json({"testbed": station.name, "user": user, "rows": rows})
