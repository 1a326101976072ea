"""`hil campaign`: a grid of studies, on one machine or on many."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hil.cli.host import Ca, Cert, Key
from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress, resumable, say
from hil.errors import ConfigError

if TYPE_CHECKING:
    from hil.campaign.grid_table import Table
    from hil.config.campaign import CampaignConfig


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(campaign)


def campaign(
    file: Annotated[Path | None, typer.Argument(help="What to study: a campaign of configs/experiments.")] = None,
    engine: Annotated[
        str, typer.Option(help="Where: local, workers:N on this machine, or tls://HOST:8786, a scheduler.")
    ] = "local",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the table.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the campaign in this folder.")] = None,
    testbed: Annotated[
        list[Path] | None,
        typer.Option(
            "--testbed", metavar="FILE", help="A station beside this machine, for local and workers:N; repeatable."
        ),
    ] = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    away_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for a scheduler that went away, in seconds.")
    ] = 600.0,
    json: Json = False,
) -> None:
    """Run a grid of studies, here or on a cluster. Every combination of its lists, until each mean is known well
    enough.

    A scheduler that goes away is waited for. Killed, or the cluster gone for good? What is in the table is kept:
    hil campaign --resume DIR

    Examples: `hil campaign configs/experiments/campaign-table1.yaml --engine workers:2`,
    `hil campaign FILE --engine tls://cluster:8786 --ca ca.pem --cert lab-pc.pem --key lab-pc.key`
    """
    from hil.campaign.grid import studies_of
    from hil.campaign.grid_run import run_campaign
    from hil.campaign.grid_table import Table
    from hil.engine.open import open_pool
    from hil.engine.stations import STATIONS
    from hil.engine.tls import Tls

    started_s = time.monotonic()
    config, folder, begun = _begin(file, out) if resume is None else _go_on(file, resume)
    studies = studies_of(config)
    STATIONS.offer(testbed or [], folder / "runs")
    with open_pool(engine, Tls(ca, cert, key), away_s=away_s, tell=say) as pool, progress() as report:
        table = begun or Table.create(folder, config)  # once there is somebody to work for it
        say(f"table in {folder}")
        with resumable(f"hil campaign --resume {folder}", folder=folder):
            summary = run_campaign(studies, config.stopping, table, pool, report)
    summary |= {
        "outcome": "FAIL" if summary["failed"] else "PASS",
        "campaign": config.name,
        "folder": str(folder),
        "files": [str(folder / "rows.jsonl"), str(table.export(studies))],
        "wall_time_s": time.monotonic() - started_s,
    }
    _print(summary, json)
    if summary["failed"]:
        raise typer.Exit(1)


def _begin(file: Path | None, out: Path | None) -> "tuple[CampaignConfig, Path, None]":
    """The campaign of a file, which is whole, and the folder for its table."""
    from hil.config.campaign import load_campaign

    if file is None:
        raise ConfigError(_WHICH)
    config = load_campaign(file)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return config, out or Path("runs") / f"{stamp}_{config.name}_campaign", None


def _go_on(file: Path | None, folder: Path) -> "tuple[CampaignConfig, Path, Table]":
    """The campaign of a folder, and what its table holds."""
    from hil.campaign.grid_table import Table

    if file is not None:
        raise ConfigError(_WHICH)
    table, config = Table.resume(folder)
    return config, folder, table


def _print(summary: dict[str, Any], json: bool) -> None:
    """A table for each study, each kind of failure once."""
    for name in dict.fromkeys(cell["study"] for cell in summary["cells"]):
        cells = [cell for cell in summary["cells"] if cell["study"] == name]
        print_table(list(cells[0]), [list(cell.values()) for cell in cells])
    for failure in summary["failures"]:
        say(f"failed {failure['count']} times: {failure['error']}; first: {failure['first']}")
    if json:
        emit_json(summary)


_WHICH = "which campaign? hil campaign FILE, or hil campaign --resume DIR to go on with one"
