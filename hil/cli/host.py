"""`hil host`: a machine that optimises, and measures, for others."""

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import emit_json, say
from hil.errors import ConfigError

SchedulerAddress = Annotated[str | None, typer.Option("--scheduler", help="Where to work for: tls://HOST:8786.")]
Ca = Annotated[str | None, typer.Option("--ca", help="File with the CA's certificate.")]
Cert = Annotated[str | None, typer.Option("--cert", help="File with this machine's certificate.")]
Key = Annotated[str | None, typer.Option("--key", help="File with this machine's private key.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(rich_markup_mode=None)
    group.callback(invoke_without_command=True)(worker)
    group.command()(scheduler)
    group.command()(certs)
    app.add_typer(group, name="host")


def worker(
    context: typer.Context,
    scheduler: SchedulerAddress = None,
    device: Annotated[str | None, typer.Option(help="Where to calculate: cpu, cuda.")] = None,
    testbed: Annotated[
        list[Path] | None, typer.Option("--testbed", metavar="FILE", help="A station beside this machine; repeatable.")
    ] = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
    state: Annotated[Path, typer.Option(help="Folder for checkpoints of warm states, and for run directories.")] = Path(
        "~/.local/state/hil"
    ),
) -> None:
    """Optimise and measure for others. Starts a worker that calculates (--device), measures on its stations
    (--testbed), or both; until SIGINT or SIGTERM.

    It comes back by itself when the scheduler does. One line of JSON each time it has found it.

    Example: hil host --scheduler tls://gpu-host:8786 --device cuda --ca ca.pem --cert gpu-host.pem --key gpu-host.key

    Further: hil host scheduler, hil host certs.
    """
    if context.invoked_subcommand is not None:
        return
    from hil.engine.serve import resources_of, serve_worker
    from hil.engine.stations import STATIONS
    from hil.engine.tls import Tls

    if scheduler is None:
        raise ConfigError("--scheduler: whose work? For instance tls://gpu-host:8786 (`hil host scheduler` starts one)")
    if device not in (None, "cpu", "cuda"):
        raise ConfigError(f"--device {device}: allowed: cpu, cuda")
    folder = state.expanduser()
    STATIONS.offer(testbed or [], folder / "runs")
    resources = resources_of(device, STATIONS.testbeds)
    say(f"working for {scheduler}; {', '.join(resources)}")
    serve_worker(scheduler, Tls(ca, cert, key), resources, emit_json, say, state_dir=folder / "warm")


def scheduler(
    listen: Annotated[str, typer.Option(help="Address; off loopback tls:// only.")] = "tcp://127.0.0.1:8786",
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
) -> None:
    """Start the scheduler that loops and workers meet at. Runs until SIGINT or SIGTERM. One line of JSON when it is up.

    Example: hil host scheduler --listen tls://0.0.0.0:8786 --ca ca.pem --cert gpu-host.pem --key gpu-host.key
    """
    from hil.engine.serve import serve_scheduler
    from hil.engine.tls import Tls

    serve_scheduler(listen, Tls(ca, cert, key), emit_json)


def certs(
    folder: Annotated[Path, typer.Argument(help="Where the authority is, or shall be made.")],
    name: Annotated[
        list[str] | None, typer.Option("--name", metavar="HOST", help="A machine: host name or address; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a small private certificate authority. And a certificate and key for each machine.

    Give each machine ca.pem and its own pair; ca.key stays here.

    Example: hil host certs certs --name lab-pc --name gpu-host --name field-pi
    """
    import socket

    from hil.engine.certs import make_certificates

    written = [str(path) for path in make_certificates(folder, name or [socket.gethostname().lower()])]
    print("\n".join(written))
    if json:
        emit_json({"files": written})
