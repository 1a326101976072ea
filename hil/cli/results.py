"""Commands that read a run directory, and `hil sweep`, which makes one: stages of the closed loop one by one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.options import Board, Json, Out, Radio, Seed, Set, TestbedFile, User, overrides, required
from hil.cli.output import drawing, emit_json, print_table, progress
from hil.cli.tell import say_begun, say_listening, say_noise, say_retakes
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.experiments.sound import Sweep
    from hil.phy.ofdm import OfdmGrid

RunDir = Annotated[Path, typer.Argument(help="A run directory.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (sweep, estimate, optimize, report):
        app.command()(command)


def sweep(
    testbed: TestbedFile = None,
    mode: Annotated[
        str, typer.Option(help="How the board steps: auto, stepped, pipelined, codebook, sequence, triggered, burst.")
    ] = "auto",
    scheme: Annotated[str, typer.Option(help="pairs, hadamard (the paper's), hadamard_plus_one, dft.")] = "pairs",
    group: Annotated[str, typer.Option(help="Elements that switch together, rows x columns: 16x1, 4x4.")] = "1x1",
    record_iq: Annotated[
        bool, typer.Option("--record-iq", help="Keep the raw samples too, as SigMF, for `hil replay`.")
    ] = False,
    user: User = None,
    out: Out = Path("runs"),
    seed: Seed = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Sound every pattern of a sweep and record it.

    Example: hil sweep --testbed configs/testbeds/sim-opensource-ris.yaml --mode stepped
    """
    from hil.config import ClosedLoopConfig, TestbedConfig
    from hil.experiments.closed_loop import new_recording
    from hil.experiments.dry_run import dry_run_sweep
    from hil.experiments.sound import sound_surface
    from hil.testbed import find_user, open_testbed, radiation_plan
    from hil.yamlfile import load_yaml, load_yaml_text, placed

    started_s = time.monotonic()
    file, replaced = required(testbed), overrides(radio, board, set_)
    station = load_yaml(file, TestbedConfig, replaced)
    text = "schema: hil-experiment/1\nkind: closed_loop\n"
    values = {"sweep.mode": mode, "sweep.scheme": scheme, "sweep.group": _group(group), "seed": seed or 0}
    values["sweep.record_iq"] = record_iq
    experiment = load_yaml_text(text, "hil sweep", ClosedLoopConfig, values)
    with placed(file, overridden=replaced):
        dry_run_sweep(radiation_plan(station, find_user(station, user)), experiment)
    with (
        placed(file, overridden=replaced),
        open_testbed(station, user=user) as bed,
        progress() as report_progress,
    ):
        recording = new_recording(bed, experiment, out)
        say_begun(recording, bed.grid)
        done = sound_surface(bed, recording, experiment.sweep, seed=experiment.seed, progress=report_progress)
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


def estimate(run_dir: RunDir, json: Json = False) -> None:
    """Estimate the cascaded channel from a recorded sweep. Judges it by the run's held-out patterns where it has any.

    Example: hil estimate runs/20260101T120000Z_sim-opensource-ris_closed_loop_1a2b
    """
    from hil.estimation.estimate import estimate_channel
    from hil.experiments.closed_loop import ClosedLoopResult, evaluate
    from hil.experiments.sound import load_sweep
    from hil.measure.recording import Recording
    from hil.measure.setup import Setup

    recording = Recording.load(run_dir)
    setup = Setup.from_json(recording.manifest)
    found = estimate_channel(load_sweep(recording), setup)
    result = evaluate(recording) if "choice" in recording else None
    held_out = result.prediction.nmse_db if isinstance(result, ClosedLoopResult) else None
    summary = {"run_dir": str(run_dir), "num_elements": setup.num_elements, **found.summary(), "nmse_db": held_out}
    print_table(["figure", "value"], list(summary.items()))
    if json:
        emit_json(summary)


def optimize(
    run_dir: RunDir,
    algorithm: Annotated[str, typer.Option(help="Name of an optimizer; `list` names them all.")] = "neural-prior",
    starts: Annotated[int, typer.Option(min=1, help="Random starts in one batch.")] = 8,
    epochs: Annotated[int | None, typer.Option(min=1, help="Training epochs of a network.")] = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Run an optimizer on a recorded sweep. Rates are predictions: only fresh soundings judge (hil run).

    Example: hil optimize runs/20260101T120000Z_sim-opensource-ris_closed_loop_1a2b --algorithm stm
    """
    from hil.estimation.estimate import estimate_channel
    from hil.experiments.choose import problem_of
    from hil.experiments.sound import load_sweep
    from hil.measure.recording import Recording
    from hil.measure.setup import Setup
    from hil.optimize.algorithms import ALGORITHMS, Options
    from hil.optimize.solve import solve

    if algorithm == "list":
        print("\n".join(ALGORITHMS))
        if json:
            emit_json({"algorithms": list(ALGORITHMS)})
        return
    recording = Recording.load(run_dir)
    setup = Setup.from_json(recording.manifest)
    problem = problem_of(estimate_channel(load_sweep(recording), setup), setup)
    started_s = time.perf_counter()
    solution = solve(problem, algorithm, Options(starts, epochs), seed=seed or 0)
    summary = {
        "algorithm": algorithm,
        "rate_mbps": float(solution.rate_mbps),
        "bound_mbps": float(solution.bound_mbps),
        "certified_fraction": float(solution.certified_fraction),
        "stages_mbps": {name: float(rate) for name, rate in solution.stages.items()},
        "solve_time_s": time.perf_counter() - started_s,
    }
    stages = ", ".join(f"{name} {rate:.2f}" for name, rate in solution.stages.items())
    print_table(["predicted on the estimate", "value"], list({**summary, "stages_mbps": stages}.items()))
    if json:
        emit_json(summary)


def report(run_dir: RunDir, json: Json = False) -> None:
    """Draw the figures of a run again, from its recording alone. Of a sweep alone, those of its estimate.

    Example: hil report runs/20260101T120000Z_sim-opensource-ris_closed_loop_1a2b
    """
    from hil.experiments.draw_estimate import draw_sweep
    from hil.experiments.kinds import kind_of_run
    from hil.measure.recording import Recording

    recording = Recording.load(run_dir)
    kind = kind_of_run(recording)
    with drawing(run_dir):
        if recording.manifest["kind"] == "closed_loop" and not {"choice", "found"} & set(recording.names):
            drawn = draw_sweep(recording, run_dir)
        else:
            drawn = kind.draw(kind.evaluate(recording), run_dir)
    files = [str(path) for path in drawn]
    print("\n".join(files))
    if json:
        emit_json({"files": files})
