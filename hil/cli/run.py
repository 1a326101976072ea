"""`hil run`: an experiment from its file to its verdict."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.options import Board, Json, Out, Radio, Seed, Set, TestbedFile, User, overrides
from hil.cli.output import emit_json, print_table, progress, say
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.config import ClosedLoopConfig, TestbedConfig
    from hil.measure.recording import Recording


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    experiment: Annotated[Path | None, typer.Argument(help="The procedure: a file of configs/experiments.")] = None,
    testbed: TestbedFile = None,
    user: User = None,
    out: Out = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="Go on with this run directory; its configuration holds.")] = None,
    seed: Seed = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be radiated and how long; do nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Run an experiment on a testbed: sound, estimate, optimise, apply, verify.

    Example: hil run configs/experiments/closed_loop.yaml --testbed configs/testbeds/sim-opensource-ris.yaml

    Interrupted? The radio is quiet and what was recorded is kept: hil run --resume runs/...
    """
    from hil.experiments import closed_loop
    from hil.experiments.choose import check_optimizer
    from hil.experiments.draw import draw
    from hil.measure.recording import Recording
    from hil.testbed import open_testbed

    started_s = time.monotonic()
    recording = Recording.resume(resume) if resume else None
    procedure, station, place = _load(recording, experiment, testbed, user, seed, overrides(radio, board, set_))
    check_optimizer(procedure.optimizer)
    if dry_run:
        _tell_plan(procedure, station, place, as_json=json)
        return
    with open_testbed(station, user=place) as bed, progress() as report:
        recording = recording or closed_loop.new_recording(bed, procedure, out)
        say(f"recording to {recording.path}")
        result = closed_loop.run(bed, procedure, recording, report)
    summary = {
        "run_dir": str(recording.path),
        **closed_loop.summary(result),
        "wall_time_s": time.monotonic() - started_s,
    }
    recording.finish(summary)
    figures = draw(result, recording.path)
    _tell(summary, [str(path) for path in figures])
    if json:
        emit_json(summary)
    if summary["outcome"] != "PASS":
        raise typer.Exit(1)


def _load(
    recording: "Recording | None",
    experiment: Path | None,
    testbed: Path | None,
    user: str | None,
    seed: int | None,
    replaced: dict[str, object],
) -> "tuple[ClosedLoopConfig, TestbedConfig, str | None]":
    """Procedure, station and place: from the files, or from the run directory that is resumed."""
    from hil.config import ClosedLoopConfig, ExperimentConfig, TestbedConfig
    from hil.yamlfile import load_yaml

    if recording is not None:
        manifest = recording.manifest
        if experiment or testbed or user or seed is not None or replaced:
            raise ConfigError("--resume: goes on with the configuration in its manifest.json; give no other beside it")
        procedure = ClosedLoopConfig.model_validate(manifest["experiment"])
        return procedure, TestbedConfig.model_validate(manifest["testbed"]), manifest["user"]
    if experiment is None or testbed is None:
        raise ConfigError("which experiment on which station? hil run EXPERIMENT.yaml --testbed TESTBED.yaml")
    procedure = load_yaml(experiment, ExperimentConfig, {} if seed is None else {"seed": seed})
    return procedure, load_yaml(testbed, TestbedConfig, replaced), user


def _tell(summary: dict[str, Any], figures: list[str]) -> None:
    """The table, and a last line that says what was gained."""
    true_mbps = summary["true_rate_mbps"]
    headers = ["arm", "predicted", "measured Mbit/s", "interval", *(["true"] if true_mbps else []), "gain dB"]
    rows = []
    for name, rate in summary["rate_mbps"].items():
        low, high = summary["rate_interval_mbps"][name]
        true = [true_mbps[name]] if true_mbps else []
        rows.append(
            [name, summary["predicted_mbps"][name], rate, f"{low:.4g}-{high:.4g}", *true, summary["gain_db"][name]]
        )
    print_table(headers, rows)
    if not summary["calibrated"]:
        print("P/N0 is declared, not measured: gains in dB hold, rates are for reference.")
    stages = ", ".join(f"{name} {each:.4g}" for name, each in summary["stages_mbps"].items())
    print(f"{summary['algorithm']}: {stages} Mbit/s predicted; {summary['winner']} won; {summary['advice']}")
    print(f"figures: {', '.join(figures)}")
    low, high = summary["gain_interval_db"]["chosen"]
    predicted, rate = summary["predicted_mbps"]["chosen"], summary["rate_mbps"]
    print(
        f"{summary['outcome']}: chosen pattern {summary['gain_db']['chosen']:+.2f} dB over all_zero "
        f"({summary['confidence']:.0%}: {low:+.2f} to {high:+.2f}), "
        f"{rate['all_zero']:.4g} -> {rate['chosen']:.4g} Mbit/s measured, {predicted:.4g} predicted"
    )


def _tell_plan(procedure: "ClosedLoopConfig", station: "TestbedConfig", user: str | None, *, as_json: bool) -> None:
    """What `--dry-run` prints."""
    from hil.experiments.dry_run import dry_run
    from hil.testbed import find_user, radiation_plan

    plan = dry_run(radiation_plan(station, find_user(station, user)), procedure)
    print(
        f"{station.name} would radiate {plan['low_hz'] / 1e6:.2f} to {plan['high_hz'] / 1e6:.2f} MHz with "
        f"{plan['eirp_dbm']:.1f} dBm EIRP (attenuation {plan['attenuation_db']:g} dB, crest factor "
        f"{plan['crest_factor_db']:.1f} dB)\n"
        f"for {plan['on_air_s']:.1f} s at the least, of {plan['max_duration_s']:g} s allowed: "
        f"{plan['num_pilots']} patterns {plan['sweep_mode']} in {plan['sweep_s']:.1f} s, "
        f"verification in {plan['verify_s']:.1f} s.\n"
        "Nothing was opened, nothing was radiated."
    )
    if as_json:
        emit_json({"dry_run": plan, "testbed": station.name})
