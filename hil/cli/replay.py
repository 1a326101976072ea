"""`hil replay`: the raw samples of a run once more through driver, sounder and estimator."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

DIFFERENT = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    run_dir: Annotated[Path, typer.Argument(help="A run directory that was recorded with sweep.record_iq: true.")],
    json: Json = False,
) -> None:
    """Sound again from a run's recorded ADC samples. From SigMF, in iq/: the same soundings and estimates, to the
    byte, or FAIL.

    Example: hil replay runs/20260101T120000Z_sim-opensource-ris_closed_loop_1a2b
    """
    from hil.experiments.replay import replay as sound_again
    from hil.measure.recording import Recording

    with progress() as report_progress:
        found = sound_again(Recording.load(run_dir), report_progress)
    print_table(
        ["step", "soundings", "captures", "difference"],
        [[step.name, step.soundings, step.captures, step.difference or "none"] for step in found.steps],
    )
    for stage, difference in found.estimates.items():
        print(f"estimate of {stage}: {difference or 'the same'}")
    summary = {"run_dir": str(run_dir), **found.summary()}
    print(summary["outcome"])
    if json:
        emit_json(summary)
    if not found.same:
        raise typer.Exit(DIFFERENT)
