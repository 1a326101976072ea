"""What `--help` says: whole sentences, and an example wherever a command takes more than a name."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command

from hil.cli.app import app

COLUMNS = 78  # of a terminal of 80
MARGIN = 6  # that the library leaves beside the names


def commands(group: Any, path: str = "hil") -> Iterator[tuple[str, Any, int]]:
    """Path and command of each, with the room that its line in the list has."""
    below = getattr(group, "commands", {})
    room = COLUMNS - MARGIN - max(map(len, below), default=0)
    for name, command in below.items():
        yield f"{path} {name}", command, room
        yield from commands(command, f"{path} {name}")


ALL = list(commands(get_command(app)))


@pytest.mark.parametrize(("path", "command", "room"), ALL, ids=[path for path, _, _ in ALL])
def test_each_command_s_line_in_the_list_is_whole(path: str, command: Any, room: int) -> None:
    assert command.help, f"{path} does not say what it does"
    assert not command.get_short_help_str(room).endswith("...")


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command, _ in ALL if command.params[1:]])
def test_each_command_with_options_shows_an_example(path: str, command: Any) -> None:
    if not getattr(command, "commands", {}):
        assert path in " ".join(command.help.split())


def test_the_version_is_that_of_the_installed_package(hil: Callable[..., Any]) -> None:
    done = hil("--version")
    assert done.code == 0
    assert done.out == f"hil {version('hil')}\n"
