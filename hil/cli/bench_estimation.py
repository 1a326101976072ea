"""`hil bench estimation`: estimates against the true channel and against the bound that noise sets."""

from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress

SHOWN = (
    "case",
    "nmse_db",
    "crlb_db",
    "least_over_db",
    "most_over_db",
    "bound_over_still_db",
    "direct_to_surface_db",
    "rate_fraction",
    "rate_ratio",
    "worst_user_ratio",
    "wrong",
    "ambiguous",
    "ambiguous_by_statistics",
    "ambiguous_at_least",
    "times_fft",
    "times_double_fft",
)


def estimation(
    full: Annotated[bool, typer.Option("--full", help="More users and seeds: half an hour, not two minutes.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="First seed: of environment, users, noise and patterns.")] = 0,
    json: Json = False,
) -> None:
    """Estimate channels of simulated scenes. The true channel judges; crlb_db bounds raw estimates from below.

    least_over_db, most_over_db: errors over that bound in single seeds. bound_over_still_db: what the radio's drift
    costs any estimate; see `hil/campaign/estimation_bounds.py`. rate_ratio: rate with the denoised estimate over that
    with the raw one. ambiguous_by_statistics, ambiguous_at_least: starts that noise leaves in doubt where the sweep's
    statistics, and where all responses are known (`hil/campaign/start_bounds.py`). times_fft: over numpy's FFT of the
    responses as recorded, in single precision; times_double_fft: in double precision, in which numpy is faster.

    Example: hil bench estimation --json
    """
    from hil.campaign.estimation_bench import bench

    with progress() as report_progress:
        rows = bench(full=full, seed=seed, progress=report_progress)
    print_table(SHOWN, [[row.get(name) for name in SHOWN] for row in rows])
    if json:
        emit_json({"seed": seed, "full": full, "rows": rows})
