"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from hil.errors import ConfigError

TestbedFile = Annotated[Path | None, typer.Option("--testbed", help="The station: a file of configs/testbeds.")]
User = Annotated[
    str | None, typer.Option("--user", help="Where the receive antenna stands: a name of the testbed file.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for run directories.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Instead of the experiment's seed.")]
Radio = Annotated[str | None, typer.Option("--radio", help="libiio URI instead of the testbed's, as ip:192.168.2.1.")]
Board = Annotated[
    str | None, typer.Option("--board", help="Port of the board instead of the testbed's, as /dev/ttyUSB0.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Any value of the testbed file, as ofdm.repetitions=32; repeatable."
    ),
]
CalibrationDir = Annotated[
    Path | None, typer.Option("--calibration", help="Rely on it: a run directory of `hil calibrate`.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]


def overrides(radio: str | None, board: str | None, assignments: list[str] | None) -> dict[str, object]:
    """Values that replace those of the testbed file, by dotted path. Raises ConfigError for an odd assignment."""
    from hil.yamltree import parse

    replaced: dict[str, object] = {}
    for assignment in assignments or []:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set {assignment}: written as path=value, for instance ofdm.repetitions=32")
        replaced[path] = parse(f"value: {text}", f"--set {assignment}").root["value"]
    if radio is not None:
        replaced["radio.uri"] = radio
    if board is not None:
        replaced["surface.port"] = board
    return replaced


def required(testbed: Path | None) -> Path:
    """The testbed file. Raises ConfigError where none was given."""
    if testbed is None:
        raise ConfigError("--testbed: which station? Give a file of configs/testbeds")
    return testbed
