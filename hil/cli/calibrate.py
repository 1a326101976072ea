"""`hil calibrate`: what of a station a run may rely on, measured over the air."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Board, Json, Out, Radio, Seed, Set, TestbedFile, User, overrides, required
from hil.errors import ConfigError

BUILT_IN = "schema: hil-experiment/1\nkind: calibrate\n"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(calibrate)


def calibrate(
    testbed: TestbedFile = None,
    procedure: Annotated[
        Path | None,
        typer.Option(help="Instead of the built-in procedure: a file like configs/experiments/calibrate.yaml."),
    ] = None,
    direct: Annotated[
        Path | None,
        typer.Option(help="A sweep's run directory, made while the surface was covered: for the states' ratio."),
    ] = None,
    user: User = None,
    out: Out = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="Go on with this run directory.")] = None,
    seed: Seed = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Measure what a station really is, for later runs. Levels, settle time, elements and
    their order, drift and motion are kept for `hil run --calibration`.

    Example: hil calibrate --testbed configs/testbeds/sim-opensource-ris.yaml

    The ratio of the two states needs the channel without the surface: cover it with absorber, `hil sweep`, uncover it,
    then `hil calibrate --direct RUN_DIR`.
    """
    from hil.cli.run import carry_out, configuration_of
    from hil.config import CalibrateConfig, TestbedConfig
    from hil.measure.recording import Recording
    from hil.yamlfile import load_yaml, load_yaml_text, placed

    replaced = overrides(radio, board, set_)
    if resume is not None:
        recording = Recording.resume(resume)
        begun = configuration_of(recording, beside=(testbed, procedure, direct, user, seed, *replaced))
        if begun[0].kind != "calibrate":
            raise ConfigError(f"--resume: {resume} is no calibration; go on with it by hil run --resume {resume}")
        carry_out(*begun, recording, out, json=json)
        return
    asked = {"seed": seed, "direct": None if direct is None else str(direct)}
    given = {name: value for name, value in asked.items() if value is not None}
    config = (
        load_yaml(procedure, CalibrateConfig, given)
        if procedure
        else load_yaml_text(BUILT_IN, "hil calibrate", CalibrateConfig, given)
    )
    file = required(testbed)
    station = load_yaml(file, TestbedConfig, replaced)
    with placed(file, overridden=replaced):
        carry_out(config, station.model_copy(update={"calibration": None}), user, None, out, json=json)
