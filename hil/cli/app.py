"""The command line: which commands there are, and how every way of ending becomes an exit code.

0 pass; 1 a measured FAIL; 2 usage or configuration; 3 instrument or safety; 4 data or storage; 70 a defect of hil;
130 interrupted (what was recorded is kept).
"""

import errno
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from hil import __version__
from hil.campaign.shipped import CONFIGS
from hil.cli import (
    bench,
    board,
    calibrate,
    campaign,
    doctor,
    export,
    host,
    profiles,
    replay,
    reproduce,
    results,
    run,
    sim,
    sweep,
)
from hil.cli.ending import INTERRUPTED, Ending
from hil.cli.output import emit_json, say, take_kept
from hil.errors import HilError

STORAGE = 4
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EPIPE)  # of whoever takes our output
# The base of typer.BadParameter: where it lives depends on typer's version.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

# As the READMEs write it where the clone is at hand; else the folder in the installed package.
_SHIPPED = "configs" if Path("configs/testbeds").is_dir() else CONFIGS

app = typer.Typer(
    name="hil",
    help="Hardware-in-the-loop testbed for intelligent reflecting surfaces: sound, estimate, optimise, apply, verify.",
    epilog=f"\b\nBegin: hil run {_SHIPPED}/experiments/closed_loop.yaml \\\n"  # \b: not broken at the paths' hyphens
    f"--testbed {_SHIPPED}/testbeds/sim-opensource-ris.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"hil {__version__}")
        raise typer.Exit


@app.callback()
def hil(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """What holds for all commands."""


for module in (
    run,
    calibrate,
    sweep,
    results,
    export,
    replay,
    doctor,
    profiles,
    board,
    sim,
    host,
    campaign,
    bench,
    reproduce,
):
    module.register(app)


def main() -> None:
    """Run a command and leave with its exit code; every error is one clear message on stderr."""
    ending = Ending()
    ending.begin()
    try:
        code = exit_code()
    except KeyboardInterrupt:  # while the end of the command was told
        code = _interrupted()
    ending.over()
    sys.exit(code if _all_written() else code or STORAGE)


def _all_written() -> bool:
    """Whether all of stdout went where it leads; the rest is given up."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python tries once more at its end
        return False
    return True


def exit_code() -> int:
    """Run the command that `sys.argv` holds; what a shell should see of it."""
    try:
        code = app(standalone_mode=False)
        return _interrupted() if code == INTERRUPTED else code if isinstance(code, int) else 0
    except HilError as error:
        return _failed(str(error), error.exit_code, kind=type(error).__name__)
    except typer.Exit as error:
        return error.exit_code
    except SystemExit:  # typer's, where whoever read our output has gone
        return STORAGE
    except UsageError as error:
        error.show()  # type: ignore[attr-defined]
        return _told(error.format_message(), 2, kind="UsageError")  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Exception as error:  # noqa: BLE001  the last line of defence: a defect of ours, told as such
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            return _failed(f"what it found cannot be written: {error.strerror}", STORAGE, kind="RecordingError")
        traceback.print_exc()
        return _failed(f"this is a defect of hil, please report it: {error!r}", 70, kind=type(error).__name__)


def _interrupted() -> int:
    return _failed("interrupted; what was recorded is kept", INTERRUPTED, kind="Interrupted")


def _failed(message: str, code: int, *, kind: str) -> int:
    say(f"hil: {message}")
    return _told(message, code, kind=kind)


def _told(message: str, code: int, *, kind: str) -> int:
    """The same for a program, where it asked for JSON; and what it may go on with."""
    kept = take_kept()
    if "--json" in sys.argv:
        with suppress(OSError):  # nobody is there to be told
            emit_json({"outcome": "ERROR", "error": kind, "message": message, "exit_code": code, **kept})
    return code
