"""Run a command in this process as the shell would: exit code, stdout, stderr."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hil.cli import app

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of stdout."""
        value: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return value


@pytest.fixture
def hil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """The `hil` command in an empty folder beside the repository's configs."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["hil", *map(str, arguments)])
        capsys.readouterr()
        code = app.exit_code()
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run


@pytest.fixture
def testbed_file(tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of the 16x16 station with one text replaced by another."""

    def make(old: str, new: str) -> Path:
        text = (ROOT / "configs/testbeds/sim-opensource-ris.yaml").read_text()
        assert old in text
        path = tmp_path / "testbed.yaml"
        path.write_text(text.replace(old, new))
        return path

    return make


@pytest.fixture
def quick_experiment(tmp_path: Path) -> Path:
    """A closed loop that is through in a few seconds."""
    path = tmp_path / "quick.yaml"
    path.write_text(
        "schema: hil-experiment/1\nkind: closed_loop\noptimizer: {algorithm: stm}\n"
        "verification: {rounds: 4, soundings: 1, held_out: 4}\n"
    )
    return path
