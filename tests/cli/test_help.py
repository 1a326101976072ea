"""What `--help` and the READMEs say: whole sentences, and examples that are commands of this program."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hil.cli.app import UsageError, app

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "configs/README.md", "hil/campaign/README.md", "firmware_profiles/README.md", "tests/README.md")

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
    assert path in " ".join(command.help.split())


LINES_OF_JSON = ("hil host", "hil host scheduler")  # which say so by themselves, whenever there is something to say


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command, _ in ALL])
def test_each_command_tells_a_program_what_it_found(path: str, command: Any) -> None:
    if path not in LINES_OF_JSON and not hasattr(command, "commands"):
        assert [parameter.name for parameter in command.params][-1] == "json"


def examples(text: str) -> list[str]:
    """Commands in a help text: of each paragraph that begins so, what stands in backticks, or all of it."""
    found = []
    for paragraph in text.split("\n\n"):
        begins = re.match(r"\s*Examples?: (.*)", " ".join(paragraph.split()))
        if begins:
            found += re.findall("`(hil [^`]+)`", begins[1]) or [begins[1]]
    return found


def documented(text: str) -> list[str]:
    """Commands in a README: its lines of code without their comments, and what stands in backticks."""
    whole = text.replace("\\\n", " ")
    lines = re.findall(r"^    (?:\S*/)?(hil .*?)(?:\s+#.*)?$", whole, re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall("`(hil [a-z][^`]*)`", whole)]
    return [command.strip() for command in ";".join([*lines, *spans]).split(";")]


SHOWN = [(path, example) for path, command, _ in ALL for example in examples(command.help)]
SHOWN += [(name, example) for name in READMES for example in documented((ROOT / name).read_text())]


@pytest.mark.parametrize(("where", "example"), SHOWN)
def test_an_example_is_a_command_with_options_of_this_program_and_files_that_are_there(
    where: str, example: str
) -> None:
    words, command = shlex.split(example)[1:], get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not getattr(command, "commands", {}) or not words or words[0].startswith(("-", "...")), f"{where}: {example}"
    if words and not (words[0] == "..." and getattr(command, "commands", {})):
        try:
            command.make_context("hil", list(words))
        except UsageError as error:
            placeholders = where in READMES and type(error).__name__ != "NoSuchOption"
            assert placeholders, f"{where}: {example}: {error}"
    for word in words:
        assert not word.startswith("configs/") or (ROOT / word).exists(), f"{where}: {word} is not there"


def test_the_version_is_that_of_the_installed_package(hil: Callable[..., Any]) -> None:
    done = hil("--version")
    assert done.code == 0
    assert done.out == f"hil {version('hil')}\n"


def test_where_to_begin_is_told_with_files_that_are_there(tmp_path: Path) -> None:
    command, narrow = [sys.executable, "-m", "hil", "--help"], {**os.environ, "COLUMNS": "40"}
    for folder in (ROOT, tmp_path):
        done = subprocess.run(command, cwd=folder, env=narrow, capture_output=True, text=True, timeout=60, check=True)
        _, _, begin = done.stdout.partition("Begin: ")
        files = [word for word in begin.split() if word.endswith(".yaml")]
        assert len(files) == 2 and all((folder / file).is_file() for file in files), begin
