"""Configurations kept with their places: the nearest one is found, and the file survives."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from hil.errors import RecordingError
from hil.measure.known import Known, KnownConfigurations


def known(user: str, x: float, seed: int = 0, size: int = 16) -> Known:
    return Known(user, (x, 0.0, 1.2), np.random.default_rng(seed).integers(0, 4, size).astype(np.uint8), 10.0 + x)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known.jsonl"


def test_the_nearest_place_is_found_with_the_way_there(file: Path) -> None:
    kept = KnownConfigurations(file, 16)
    assert kept.nearest((0.0, 0.0, 0.0)) is None
    for user, x in (("near", 1.0), ("far", 5.0)):
        kept.keep(known(user, x))
    found = kept.nearest((2.0, 0.0, 1.2))
    assert found is not None
    assert (found[0].user, found[1]) == ("near", 1.0)


def test_what_was_kept_is_there_when_the_file_is_opened_again(file: Path) -> None:
    kept = KnownConfigurations(file, 16)
    for number in range(3):
        kept.keep(known(f"user-{number}", number, seed=number))
    again = KnownConfigurations(file, 16)
    assert [each.user for each in again] == ["user-0", "user-1", "user-2"]
    for one, other in zip(kept, again, strict=True):
        np.testing.assert_array_equal(one.pattern, other.pattern)
        assert (one.position_m, one.rate_mbps) == (other.position_m, other.rate_mbps)
    assert not list(file.parent.glob("*.tmp"))


def test_a_users_new_configuration_takes_the_place_of_the_old_one(file: Path) -> None:
    kept = KnownConfigurations(file, 16)
    kept.keep(known("walker", 1.0))
    kept.keep(known("walker", 4.0, seed=1))
    assert len(KnownConfigurations(file, 16)) == 1
    found = kept.nearest((1.0, 0.0, 1.2))
    assert found is not None and found[1] == 3.0


@pytest.mark.parametrize("content", ["", "not json\n", '{"schema": "hil-known/1", "num_elements": 64}\n'])
def test_a_file_of_something_else_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(RecordingError, match="16 elements"):
        KnownConfigurations(file, 16)


def test_a_pattern_of_another_surface_is_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="16 elements"):
        KnownConfigurations(file, 16).keep(known("user", 0.0, size=64))
    assert not file.exists()


def test_a_full_disk_is_told_with_the_run_to_go_on_with_and_what_was_kept_stays(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KnownConfigurations(file, 16)
    kept.keep(known("first", 1.0))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        monkeypatch.context() as patched,
        pytest.raises(RecordingError, match=f"No space left.*--resume {file.parent}"),
    ):
        patched.setattr(os, "fsync", full)
        kept.keep(known("second", 2.0))
    assert [each.user for each in KnownConfigurations(file, 16)] == ["first"]
