"""`hil bench loop`: the whole main job over several seeds, judged by the simulation's truth."""

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hil.cli.options import Json, Set, TestbedFile, User, overrides, required
from hil.cli.output import emit_json, print_table, progress

SHOWN = ("seed", "stm_mbps", "chosen_mbps", "best_pilot_mbps", "worst_measured_error", "nmse_db", "wall_time_s")


def loop(
    testbed: TestbedFile = None,
    user: User = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Worlds: noise, hidden phases and environment of each its own.")
    ] = 5,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Run the closed loop in several simulated worlds. True rates, the error of the measured ones, prediction NMSE.

    Example: hil bench loop --testbed configs/testbeds/sim-64x64.yaml --user nlos --json
    """
    from hil.config import TestbedConfig
    from hil.yamlfile import load_yaml

    path, replaced = required(testbed), overrides(None, None, set_)
    rows = []
    with progress() as report, tempfile.TemporaryDirectory() as folder:
        for seed in range(1, seeds + 1):
            world = {"simulation.seed": seed, "simulation.scene.seed": seed}
            rows.append(_row(load_yaml(path, TestbedConfig, replaced | world), user, seed, Path(folder)))
            report("closed loops", seed, seeds)
    print_table(SHOWN, [[row[name] for name in SHOWN] for row in rows])
    if json:
        emit_json({"testbed": str(path), "user": user, "rows": rows})


def _row(config: Any, user: str | None, seed: int, folder: Path) -> dict[str, Any]:
    from hil.config import ClosedLoopConfig
    from hil.experiments import closed_loop
    from hil.testbed import open_testbed

    experiment = ClosedLoopConfig(schema="hil-experiment/1", kind="closed_loop", seed=seed)
    started_s = time.monotonic()
    with open_testbed(config, user=user) as testbed:
        recording = closed_loop.new_recording(testbed, experiment, folder)
        told = closed_loop.summary(closed_loop.run(testbed, experiment, recording))
    true, measured = told["true_rate_mbps"], told["rate_mbps"]
    return {
        "seed": seed,
        **{f"{name}_mbps": rate for name, rate in true.items()},
        "worst_measured_error": max(abs(measured[name] / true[name] - 1) for name in true),
        "nmse_db": told["true_prediction_nmse_db"],
        "outcome": told["outcome"],
        "certified_fraction": told["certified_fraction"],
        "wall_time_s": time.monotonic() - started_s,
    }
