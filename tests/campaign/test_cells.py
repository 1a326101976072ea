"""Cells: computed once, computed again where they must, whole or not there."""

import json

import pytest

from hil.campaign.cells import Cells, write_json
from hil.errors import RecordingError


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, float]:
        self.calls += 1
        return {"rate": 1.5}


def test_a_cell_is_computed_once_and_found_by_the_next_run(tmp_path):
    compute = Counter()
    results = [Cells(tmp_path / "cells").get("a", {"size": 4, "at": (0.5, 1)}, compute) for _ in range(2)]
    assert results == [{"rate": 1.5}] * 2 and compute.calls == 1


def test_other_settings_are_another_cell(tmp_path):
    compute = Counter()
    for size in (4, 8):
        Cells(tmp_path).get("a", {"size": size}, compute)
    assert compute.calls == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"settings": {"size": 4}}'])
def test_a_damaged_cell_is_computed_again(tmp_path, damage):
    compute = Counter()
    (tmp_path / "a.json").write_text(damage)
    assert Cells(tmp_path).get("a", {"size": 4}, compute) == {"rate": 1.5}
    assert json.loads((tmp_path / "a.json").read_text())["result"] == {"rate": 1.5}


def test_what_fails_leaves_nothing_behind(tmp_path):
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cells(tmp_path).get("a", {}, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="another --out"):
        write_json(tmp_path / "file" / "a.json", {})
