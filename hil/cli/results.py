"""Commands that read a run directory: stages of the closed loop one by one."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json, Seed
from hil.cli.output import drawing, emit_json, print_table

RunDir = Annotated[Path, typer.Argument(help="A run directory.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (estimate, optimize, report):
        app.command()(command)


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
