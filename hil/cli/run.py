"""`hil run`: an experiment from its file to its verdict."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.options import Board, Json, Out, Radio, Seed, Set, TestbedFile, User, overrides
from hil.cli.output import ask, drawing, emit_json, progress, resumable
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.config import ExperimentConfig, TestbedConfig
    from hil.measure.recording import Recording

# What each experiment tells a program; null where it has nothing of the kind: a track has no bound, a search by power
# foretells nothing, a field test names its arms itself.
TOLD = (
    "outcome", "run_dir", "testbed", "num_elements", "num_pilots", "algorithm", "rate_mbps", "true_rate_mbps",
    "bound_mbps", "certified_fraction", "prediction_nmse_db", "radio_time_s", "radio_time_floor_s", "wall_time_s",
)  # fmt: skip
ARMS = ("all_zero", "best_pilot", "stm", "chosen")  # in rates, where there are any
NO_MEASUREMENT = 4  # the experiment came to its end, and its own checks say that nothing was measured


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
    calibration: Annotated[
        Path | None, typer.Option(help="Rely on this run directory of `hil calibrate`, instead of the testbed's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be radiated and how long; do nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Nobody is asked to move anything: all of it is done, or needs nobody.")
    ] = False,
    json: Json = False,
) -> None:
    """Run the experiment that a file describes. A closed loop sounds, estimates, optimises, applies, verifies.

    Example: hil run configs/experiments/closed_loop.yaml --testbed configs/testbeds/sim-opensource-ris.yaml

    Interrupted? The radio is quiet and what was recorded is kept: hil run --resume runs/... (`run_dir` of the JSON
    object).
    """
    from hil.experiments.kinds import kind_of
    from hil.measure.recording import Recording
    from hil.yamlfile import placed

    recording = Recording.resume(resume) if resume else None
    replaced = overrides(radio, board, set_)
    if calibration is not None:
        replaced["calibration"] = str(calibration)
    procedure, station, place = _load(recording, experiment, testbed, user, seed, replaced)
    with placed(*filter(None, (experiment, testbed)), overridden=replaced):
        if dry_run:
            kind_of(procedure).check(procedure)
            _tell_plan(procedure, station, place, as_json=json)
        else:
            carry_out(procedure, station, place, recording, out, yes=yes, json=json)


def carry_out(
    procedure: "ExperimentConfig",
    station: "TestbedConfig",
    place: str | None,
    recording: "Recording | None",
    out: Path,
    *,
    yes: bool = False,
    json: bool = False,
) -> None:
    """An experiment to its verdict, table, figures and exit code; into a new run directory where none is resumed.

    What its plan shows to be impossible is refused before anything is opened.
    """
    from hil.cli.tell import say_begun, say_listening, say_noise, say_retakes, say_steps, tell
    from hil.experiments.begin import begin
    from hil.experiments.kinds import kind_of
    from hil.testbed import find_user, open_testbed, radiation_plan

    started_s = time.monotonic()
    kind = kind_of(procedure)
    if recording is None:
        kind.check(procedure)
    kind.plan(radiation_plan(station, find_user(station, place)), procedure)
    with open_testbed(station, user=place) as bed, progress() as report:
        bed.operator = bed.operator if yes or station.simulated else ask
        recording = recording or begin(bed, procedure, out)
        say_begun(recording, bed.grid)
        with resumable(f"hil run --resume {recording.path}", run_dir=recording.path):
            result = kind.run(bed, procedure, recording, report)
    wall_time_s = time.monotonic() - started_s
    summary = _whole({"run_dir": str(recording.path), **kind.summary(result), "wall_time_s": wall_time_s})
    say_listening(summary, recording)
    say_retakes(summary, recording)
    say_noise(summary)
    say_steps(summary, recording)
    with resumable(f"hil run --resume {recording.path}", run_dir=recording.path):
        recording.finish(summary)
        with drawing(recording.path):
            figures = kind.draw(result, recording.path)
    tell(procedure.kind, summary, [str(path) for path in figures])
    if json:
        emit_json(summary)
    if summary["outcome"] != "PASS":
        raise typer.Exit(NO_MEASUREMENT if summary["outcome"] == "ERROR" else 1)


def _whole(summary: dict[str, Any]) -> dict[str, Any]:
    """The same with all of `TOLD`, and rates with all of `ARMS`."""
    whole = {**dict.fromkeys(TOLD), **summary}
    rates = {name: {**dict.fromkeys(ARMS), **whole[name]} for name in ("rate_mbps", "true_rate_mbps") if whole[name]}
    return {**whole, **rates}


def _load(
    recording: "Recording | None",
    experiment: Path | None,
    testbed: Path | None,
    user: str | None,
    seed: int | None,
    replaced: dict[str, object],
) -> "tuple[ExperimentConfig, TestbedConfig, str | None]":
    """Procedure, station and place: from the files, or from the run directory that is resumed."""
    from hil.config import TestbedConfig, load_experiment
    from hil.yamlfile import load_yaml

    if recording is not None:
        return configuration_of(recording, beside=(experiment, testbed, user, seed, *replaced))
    if experiment is None or testbed is None:
        raise ConfigError("which experiment on which station? hil run EXPERIMENT.yaml --testbed TESTBED.yaml")
    procedure = load_experiment(experiment, {} if seed is None else {"seed": seed})
    return procedure, load_yaml(testbed, TestbedConfig, replaced), user


def configuration_of(
    recording: "Recording", *, beside: Iterable[object]
) -> "tuple[ExperimentConfig, TestbedConfig, str | None]":
    """Procedure, station and place with which a run goes on. Raises ConfigError where another is given beside them."""
    from pydantic import TypeAdapter

    from hil.config import ExperimentConfig, TestbedConfig
    from hil.measure.recording import as_recorded

    if any(each is not None for each in beside):
        raise ConfigError("--resume: goes on with the configuration in its manifest.json; give no other beside it")
    manifest = recording.manifest
    with as_recorded(f"{recording.path}/manifest.json"):
        procedure: ExperimentConfig = TypeAdapter(ExperimentConfig).validate_python(manifest["experiment"])
        return procedure, TestbedConfig.model_validate(manifest["testbed"]), manifest["user"]


def _tell_plan(procedure: "ExperimentConfig", station: "TestbedConfig", user: str | None, *, as_json: bool) -> None:
    """What `--dry-run` prints."""
    from hil.experiments.kinds import kind_of
    from hil.testbed import find_user, radiation_plan

    plan = kind_of(procedure).plan(radiation_plan(station, find_user(station, user)), procedure)
    print(
        f"{station.name} would radiate {plan['low_hz'] / 1e6:.2f} to {plan['high_hz'] / 1e6:.2f} MHz with "
        f"{plan['eirp_dbm']:.1f} dBm EIRP (attenuation {plan['attenuation_db']:g} dB, crest factor "
        f"{plan['crest_factor_db']:.1f} dB)\n"
        f"for {plan['on_air_s']:.1f} s at the least, of {plan['max_duration_s']:g} s allowed: "
        f"{plan['num_pilots']} patterns {plan['sweep_mode']} in {plan['sweep_s']:.1f} s, "
        f"verification in {plan['verify_s']:.1f} s.\n"
        "Nothing was opened, nothing was radiated."
    )
    if plan["pilot_advice"]:
        print(f"WARNING: {plan['pilot_advice']}")
    if "plan_sha256" in plan:
        print(f"SHA-256 of the plan, to be published beforehand: {plan['plan_sha256']}")
    if as_json:
        emit_json({"dry_run": plan, "testbed": station.name})
