"""`hil campaign`: a grid of studies, on one machine or on many."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.host import Ca, Cert, Key
from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress, say
from hil.errors import ConfigError


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
        list[Path] | None, typer.Option("--testbed", help="A station beside this machine, for local; repeatable.")
    ] = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Run a grid of studies, here or on a cluster. Every combination of its lists, until each mean is known well
    enough.

    Killed, or the cluster gone? What is in the table is kept: hil campaign --resume DIR

    Examples: `hil campaign configs/experiments/campaign-table1.yaml --engine workers:2`,
    `hil campaign FILE --engine tls://cluster:8786 --ca ca.pem --cert lab-pc.pem --key lab-pc.key`
    """
    from hil.campaign.grid import studies_of
    from hil.campaign.grid_run import run_campaign
    from hil.campaign.grid_table import Table
    from hil.config.campaign import load_campaign
    from hil.engine.pool import open_pool
    from hil.engine.stations import STATIONS
    from hil.engine.tls import Tls

    started_s = time.monotonic()
    if (file is None) == (resume is None):
        raise ConfigError("which campaign? hil campaign FILE, or hil campaign --resume DIR to go on with one")
    if resume is not None:
        table, config = Table.resume(resume)
        studies = studies_of(config)
    else:
        assert file is not None
        config = load_campaign(file)
        studies = studies_of(config)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        table = Table.create(out or Path("runs") / f"{stamp}_{config.name}_campaign", config)
    STATIONS.offer(testbed or [], table.folder / "runs")
    say(f"table in {table.folder}")
    with open_pool(engine, Tls(ca, cert, key)) as pool, progress() as report:
        summary = run_campaign(studies, config.stopping, table, pool, report)
    result = table.export(studies)
    summary |= {
        "outcome": "FAIL" if summary["failed"] else "PASS",
        "campaign": config.name,
        "folder": str(table.folder),
        "files": [str(table.folder / "rows.jsonl"), str(result)],
        "wall_time_s": time.monotonic() - started_s,
    }
    for study in studies:
        cells = [cell for cell in summary["cells"] if cell["study"] == study.name]
        print_table(list(cells[0]), [["-" if value is None else value for value in cell.values()] for cell in cells])
    for failure in summary["failures"]:
        say(f"failed {failure['count']} times: {failure['error']}; first: {failure['first']}")
    if json:
        emit_json(summary)
    if summary["failed"]:
        raise typer.Exit(1)
