"""`hil sweep`: the first stage of the closed loop alone."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.options import Board, Json, Out, Radio, Seed, Set, TestbedFile, User, overrides, required
from hil.cli.output import emit_json, print_table, progress, resumable
from hil.cli.tell import say_begun, say_listening, say_noise, say_retakes
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.config import ClosedLoopConfig, TestbedConfig
    from hil.experiments.sound import Sweep
    from hil.measure.recording import Recording
    from hil.phy.ofdm import OfdmGrid

BEYOND = {"choice", "incoherent"}  # steps of a closed loop that goes on from its sweep
BUILT_IN = "schema: hil-experiment/1\nkind: closed_loop\n"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    testbed: TestbedFile = None,
    mode: Annotated[
        str | None,
        typer.Option(
            help="How the board steps: auto (by default), stepped, pipelined, codebook, sequence, triggered, burst."
        ),
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help="pairs (by default), hadamard (the paper's), hadamard_plus_one, dft.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Elements that switch together, rows x columns: 16x1, 4x4; 1x1 by default.")
    ] = None,
    record_iq: Annotated[
        bool | None, typer.Option("--record-iq", help="Keep the raw samples too, as SigMF, for `hil replay`.")
    ] = None,
    user: User = None,
    out: Out = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="Go on with this run directory; its configuration holds.")] = None,
    seed: Seed = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Sound every pattern of a sweep and record it.

    Example: hil sweep --testbed configs/testbeds/sim-opensource-ris.yaml --mode stepped

    Interrupted? The radio is quiet and what was recorded is kept: hil sweep --resume runs/... (`run_dir` of the JSON
    object).
    """
    from hil.config import ClosedLoopConfig, TestbedConfig
    from hil.yamlfile import load_yaml, load_yaml_text, placed

    replaced = overrides(radio, board, set_)
    asked = {
        "sweep.mode": mode,
        "sweep.scheme": scheme,
        "sweep.group": None if group is None else _group(group),
        "sweep.record_iq": record_iq,
        "seed": seed,
    }
    if resume is not None:
        _sound(*_begun(resume, beside=(testbed, user, *asked.values(), *replaced)), out, json=json)
        return
    file = required(testbed)
    station = load_yaml(file, TestbedConfig, replaced)
    given = {name: value for name, value in asked.items() if value is not None}
    procedure = load_yaml_text(BUILT_IN, "hil sweep", ClosedLoopConfig, given)
    with placed(file, overridden=replaced):
        _sound(procedure, station, user, None, out, json=json)


def _begun(
    run_dir: Path, *, beside: tuple[object, ...]
) -> "tuple[ClosedLoopConfig, TestbedConfig, str | None, Recording]":
    """A sweep to go on with. Raises ConfigError for another run, or where a configuration is given beside it."""
    from hil.cli.run import configuration_of
    from hil.config import ClosedLoopConfig
    from hil.measure.recording import Recording

    recording = Recording.load(run_dir)
    procedure, station, place = configuration_of(recording, beside=beside)
    if not isinstance(procedure, ClosedLoopConfig) or BEYOND & set(recording.names):
        raise ConfigError(f"--resume: {run_dir} is more than a sweep; go on with it by hil run --resume {run_dir}")
    return procedure, station, place, Recording.resume(run_dir)


def _sound(
    procedure: "ClosedLoopConfig",
    station: "TestbedConfig",
    place: str | None,
    recording: "Recording | None",
    out: Path,
    *,
    json: bool,
) -> None:
    """The sweep to its table; into a new run directory where none is resumed."""
    from hil.experiments.closed_loop import new_recording
    from hil.experiments.dry_run import dry_run_sweep
    from hil.experiments.sound import sound_surface
    from hil.testbed import find_user, open_testbed, radiation_plan

    started_s = time.monotonic()
    dry_run_sweep(radiation_plan(station, find_user(station, place)), procedure)
    with open_testbed(station, user=place) as bed, progress() as report_progress:
        recording = recording or new_recording(bed, procedure, out)
        say_begun(recording, bed.grid)
        with resumable(f"hil sweep --resume {recording.path}", run_dir=recording.path):
            done = sound_surface(bed, recording, procedure.sweep, seed=procedure.seed, progress=report_progress)
    summary = {"run_dir": str(recording.path), **_told(done, bed.grid), "wall_time_s": time.monotonic() - started_s}
    print_table(["sweep", "value"], list(summary.items()))
    say_listening(summary, recording)
    say_retakes(summary, recording)
    summary["sounding_noise"] = done.noise_summary(bed.grid)
    say_noise(summary)
    recording.finish({"outcome": "PASS", **summary})
    if json:
        emit_json(summary)


def _told(done: "Sweep", grid: "OfdmGrid") -> dict[str, Any]:
    """The figures of a sweep."""
    snr = done.snr_summary(grid)
    return {
        "mode": done.mode,
        "num_patterns": done.plan.num_patterns,
        "radio_time_s": done.radio_time_s,
        "radio_time_floor_s": done.floor_s,
        "upload_s": done.upload_s,
        "retaken": done.retaken,
        "reference_snr_db": done.reference_snr_db,
        "ambiguous": done.ambiguous,
        "snr_db": snr["median"],
        "snr_lowest_db": snr["lowest"],
        "snr_highest_db": snr["highest"],
        "snr_lowest_at_hz": snr["lowest_at_hz"],
    }


def _group(text: str) -> list[int]:
    """Rows and columns of a group. Raises ConfigError."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--group {text}: written as rows x columns, for instance 16x1 (columns) or 4x4 (blocks)")
    return [int(part) for part in parts]
