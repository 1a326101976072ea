"""`hil sim serve`: simulated hardware on the wire, for real libiio, pyadi-iio and pyserial."""

import typer

from hil.cli.options import Json, Set, TestbedFile, User, overrides, required
from hil.cli.output import emit_json, say


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Simulated hardware.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(serve)
    group.callback()(lambda: None)
    app.add_typer(group, name="sim")


def serve(testbed: TestbedFile = None, user: User = None, set_: Set = None, json: Json = False) -> None:
    """Serve the simulated Pluto and board to real libraries. Over the IIOD protocol and a pseudo-terminal, until SIGINT
    or SIGTERM.

    Example: hil sim serve --testbed configs/testbeds/sim-opensource-ris.yaml

    Prints one line of JSON when ready: {"pluto": "ip:127.0.0.1:PORT", "board": "/dev/pts/N"}. Then, elsewhere:

    iio_info -u ip:127.0.0.1:PORT

    hil run EXPERIMENT.yaml --testbed TESTBED.yaml --radio ip:127.0.0.1:PORT --board /dev/pts/N

    Of a station with two radios the line names the second one as "receiver": --set receiver.uri=ip:127.0.0.1:PORT
    """
    from hil.config import TestbedConfig
    from hil.testbed import serve as serve_testbed
    from hil.yamlfile import load_yaml

    config = load_yaml(required(testbed), TestbedConfig, overrides(None, None, set_))
    with serve_testbed(config, user=user) as server:
        second = {} if server.receiver_uri is None else {"receiver": server.receiver_uri}
        emit_json({"pluto": server.pluto_uri, **second, "board": server.board_port})
        try:
            server.wait()
        except KeyboardInterrupt:
            say("stopped")
