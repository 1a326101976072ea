"""`hil export`: a run for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run_dir: Annotated[Path, typer.Argument(help="A run directory with a sweep.")],
    format_: Annotated[str, typer.Option("--format", help="netcdf, matlab or csv.")] = "netcdf",
    out: Annotated[
        Path | None, typer.Option(help="File, of csv a folder; inside the run directory by default.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="Which sweep where a run has several, as visit/00/desk/sweep.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a run's data for other programs. Patterns, responses, noise, times, estimate, choice and verification, each
    with its unit.

    Example: hil export runs/20260101T120000Z_sim-opensource-ris_closed_loop_1a2b --format matlab
    """
    from hil.experiments.export import export as write
    from hil.measure.recording import Recording, storage

    with storage(out or run_dir, "give another place with --out, or make room or rights"):
        files = [str(path) for path in write(Recording.load(run_dir), format_, out, stage)]
    print("\n".join(files))
    if json:
        emit_json({"files": files})
