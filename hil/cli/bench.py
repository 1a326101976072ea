"""`hil bench`: measured figures of the parts, each with the floor or the bound that it is held against."""

from typing import Annotated

import typer

from hil.cli.bench_branches import branches
from hil.cli.bench_calibration import calibration
from hil.cli.bench_campaign import campaign
from hil.cli.bench_cup import cup
from hil.cli.bench_engine import engine
from hil.cli.bench_estimation import estimation
from hil.cli.bench_field import field_test
from hil.cli.bench_gpu import gpu
from hil.cli.bench_loop import loop
from hil.cli.bench_peers import peers
from hil.cli.bench_simulator import simulator
from hil.cli.bench_speed import speed
from hil.cli.bench_states import states
from hil.cli.bench_sweep import sweep
from hil.cli.bench_track import track
from hil.cli.bench_users import users as many_users
from hil.cli.bench_warm import warm
from hil.cli.options import Json
from hil.cli.output import emit_json, print_table, progress, say

SHOWN = ("algorithm", "los_mbps", "nlos_mbps", "los_fraction", "nlos_fraction", "ms_per_user", "times_stm", "below_stm")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    bench = typer.Typer(help="Measure the parts: what they reach, of what they could.", no_args_is_help=True)
    bench.command()(optimizers)
    bench.command()(branches)
    bench.command()(campaign)
    bench.command()(cup)
    bench.command()(engine)
    bench.command()(calibration)
    bench.command()(estimation)
    bench.command()(gpu)
    bench.command(name="field-test")(field_test)
    bench.command()(loop)
    bench.command()(peers)
    bench.command()(simulator)
    bench.command()(speed)
    bench.command()(states)
    bench.command()(sweep)
    bench.command()(track)
    bench.command(name="users")(many_users)
    bench.command()(warm)
    app.add_typer(bench, name="bench")


def optimizers(
    scene: Annotated[str, typer.Option(help="paper, paper-rich, sp-cup-2021, lab.")] = "paper",
    size: Annotated[int | None, typer.Option(help="Elements a side; 64, in the lab 16.")] = None,
    users: Annotated[int, typer.Option(min=1, help="Users of each kind: seeing the surface, and not.")] = 10,
    bits: Annotated[
        int | None, typer.Option(help="Bits of an element's phase, 0: continuous; 1 in lab and Cup, else 0.")
    ] = None,
    csi: Annotated[str, typer.Option(help="What the optimizers know: perfect, ls, denoised.")] = "perfect",
    scheme: Annotated[
        str, typer.Option(help="Soundings behind an estimate: hadamard (N), hadamard_plus_one, pairs (2N).")
    ] = "hadamard",
    algorithms: Annotated[str | None, typer.Option(help="Names, separated by commas; all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of environment, users, noise and optimizers.")] = 0,
    json: Json = False,
) -> None:
    """Compare the optimizers on simulated channels. The true channel judges, whatever the optimizers were told.

    Fractions are of the certified bound, which no configuration can pass. Times are of one thread.

    Examples: `hil bench optimizers`, `hil bench optimizers --scene sp-cup-2021 --csi ls --algorithms stm,neural-prior`
    """
    from hil.campaign.optimizers import compare, contestants, table
    from hil.campaign.sites import make_site

    site = make_site(scene, size=size, users=users, bits=bits, seed=seed)
    chosen = contestants(algorithms.split(",") if algorithms else None, seed=seed)
    with progress() as report_progress:
        verdict = compare(site, chosen, csi=csi, scheme=scheme, seed=seed, progress=report_progress)
    rows = table(verdict)
    print_table(SHOWN, [[row[name] for name in SHOWN] for row in rows])
    for name, why in verdict.refused.items():
        say(f"{name} was left out: {why}")
    if json:
        emit_json({"scene": scene, "csi": csi, "num_elements": site.geometry.num_elements, "rows": rows})
