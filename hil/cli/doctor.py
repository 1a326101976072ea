"""`hil doctor`: what keeps a testbed from working, with the fix."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Board, Json, Radio, Set, overrides
from hil.cli.output import emit_json

MARKS = {True: "ok  ", False: "FAIL", None: "skip"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    testbed: Annotated[Path | None, typer.Option("--testbed", help="Check this station's instruments too.")] = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Check the installation and, with --testbed, the station: each finding with its fix. Nothing is radiated.

    Example: hil doctor --testbed configs/testbeds/bench-pluto-opensource-ris.yaml
    """
    from hil.config import TestbedConfig
    from hil.testbed import diagnose
    from hil.yamlfile import load_yaml

    config = load_yaml(testbed, TestbedConfig, overrides(radio, board, set_)) if testbed else None
    checks = []
    for check in diagnose(config):
        print(f"{MARKS[check.ok]}  {check.name}: {check.detail}")
        if check.ok is False:
            print(f"      fix: {check.fix}")
        checks.append({"name": check.name, "ok": check.ok, "detail": check.detail, "fix": check.fix})
    if json:
        emit_json({"checks": checks})
    if any(check["ok"] is False for check in checks):
        raise typer.Exit(3)
