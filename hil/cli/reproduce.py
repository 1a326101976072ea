"""`hil reproduce`: the paper's table and figures again, beside its values and the certified bound."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reproduce)


def reproduce(
    items: Annotated[list[str], typer.Argument(metavar="ITEM", help="table1, fig2, fig4, ..., fig10, or all.")],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer users, sizes and epochs: all in two minutes.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; one that holds results already is gone on with.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of environment, users, noise and networks.")] = 0,
    json: Json = False,
) -> None:
    """Reproduce the paper's table and figures. Table I, figures 2 and 4 to 10, each beside its value and our bound:
    PNG and JSON.

    Where its figures cannot hold, and which reading of its ambiguous parts was taken: hil/campaign/README.md.

    Examples: `hil reproduce all --quick`, `hil reproduce table1 fig6 --out runs/paper`
    """
    from hil.campaign.reproduce import reproduce as compute
    from hil.campaign.workbook import FULL, QUICK

    folder = out or Path("runs") / time.strftime("reproduce-%Y%m%dT%H%M%SZ", time.gmtime())
    with progress() as report_progress:
        artifacts, files = compute(items, folder, effort=QUICK if quick else FULL, seed=seed, progress=report_progress)
    rows: list[dict[str, Any]] = []
    for name, artifact in artifacts.items():
        print(
            f"\n{name}\n  paper:   {artifact.paper_says}\n  reading: {artifact.reading}\n  found:   {artifact.found}\n"
        )
        _print_rows(artifact.rows)
        rows += [{"item": name, **row} for row in artifact.rows]
    say(f"written to {folder}")
    if json:
        figures = [str(path) for path in files if path.suffix == ".png"]
        emit_json({"rows": rows, "figures": figures, "files": [str(path) for path in files]})


def _print_rows(rows: list[dict[str, Any]]) -> None:
    """Rows of equal keys as one table."""
    shapes = list(dict.fromkeys(tuple(row) for row in rows))
    for keys in shapes:
        shown = [key for key in keys if not key.endswith("of_each_user")]
        alike = [row for row in rows if tuple(row) == keys]
        print_table(shown, [[row[key] for key in shown] for row in alike])
