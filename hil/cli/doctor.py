"""`hil doctor`: what keeps a testbed from working, with the fix."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli.options import Board, Json, Radio, Set, User, overrides, required
from hil.cli.output import emit_json, progress
from hil.errors import ConfigError, HilError

if TYPE_CHECKING:
    from hil.config import TestbedConfig
    from hil.testbed import Check

MARKS = {True: "ok  ", False: "FAIL", None: "skip"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    testbed: Annotated[Path | None, typer.Option("--testbed", help="Check this station's instruments too.")] = None,
    user: User = None,
    radio: Radio = None,
    board: Board = None,
    set_: Set = None,
    rf: Annotated[bool, typer.Option("--rf", help="A first look on the air, too: this radiates.")] = False,
    cabled: Annotated[bool, typer.Option(help="With --rf: a cable leads from TX to RX, no surface between.")] = False,
    attenuation_db: Annotated[
        float | None, typer.Option(min=0, help="With --cabled: of cables and attenuators together, in dB.")
    ] = None,
    watch_s: Annotated[float, typer.Option(min=1, help="With --rf: how long one pattern is watched.")] = 60.0,
    json: Json = False,
) -> None:
    """Check the installation and the station, with fixes. The station where --testbed names one.

    Radio and board are checked each by itself. Without --rf nothing is radiated. With it: noise, pilots, surface, link
    budget, and what repeats over a minute.

    Examples: `hil doctor --testbed configs/testbeds/bench-pluto-opensource-ris.yaml`,
    `hil doctor --rf --testbed configs/testbeds/sim-opensource-ris.yaml`
    """
    from hil.config import TestbedConfig
    from hil.testbed import diagnose, find_user
    from hil.yamlfile import load_yaml

    if rf:
        required(testbed)
    elif cabled or attenuation_db is not None:
        raise ConfigError("--cabled, --attenuation-db: they are of the look on the air; give --rf too")
    if attenuation_db is not None and not cabled:
        raise ConfigError("--attenuation-db: of a cable between TX and RX; give --cabled too")
    config = load_yaml(testbed, TestbedConfig, overrides(radio, board, set_)) if testbed else None
    if config is not None:
        find_user(config, user)  # who is not there is a wrong argument, no finding
    checks = []
    on_air = _on_air(config, user, cabled, attenuation_db, watch_s) if config is not None and rf else ()
    for check in chain(diagnose(config), on_air):
        print(f"{MARKS[check.ok]}  {check.name}: {check.detail}".replace("\n", "\n      "))
        if check.ok is False:
            print(f"      fix: {check.fix}")
        checks.append({"name": check.name, "ok": check.ok, "detail": check.detail, "fix": check.fix})
    if json:
        emit_json({"checks": checks})
    if any(check["ok"] is False for check in checks):
        raise typer.Exit(3)


def _on_air(
    config: "TestbedConfig", user: str | None, cabled: bool, attenuation_db: float | None, watch_s: float
) -> "Iterator[Check]":
    from hil.experiments.calibration.first_look import first_look
    from hil.testbed import Check, open_testbed

    try:
        with open_testbed(config, user=user) as bed, progress() as report:
            yield from first_look(bed, cabled=cabled, attenuation_db=attenuation_db, watch_s=watch_s, progress=report)
    except HilError as error:
        yield Check("on the air", False, str(error), "see the message, and the checks before this one")
