"""Whatever the disk refuses, and when: one clear error, nothing acknowledged is lost, and the run goes on later."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.errors import RecordingError
from hil.measure.recording import Recording, Step

KIND = np.dtype([("response", "<c8", (40, 5))])
NAMES = ("one", "arriving", "last")


class Disk:
    """Does what it is asked, but for one request: of that it does half, where it is bytes, and fails."""

    def __init__(self, failing: int | None, error: int) -> None:
        self.num_asked, self.failed = 0, False
        self._failing, self._error = failing, error

    def ask(self, what: Callable[..., Any], *args: Any, half: Callable[[], object] | None = None) -> Any:
        self.num_asked += 1
        if self.num_asked - 1 != self._failing:
            return what(*args)
        self.failed = True
        if half is not None:
            half()
        raise OSError(self._error, os.strerror(self._error))

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """For all that this process opens, writes, renames and brings onto the disk."""
        replace, opened = Path.replace, Path.open

        def file(path: Path, mode: str = "r", *more: Any, **rest: Any) -> Any:
            if "r" in mode:
                return opened(path, mode, *more, **rest)
            return _File(self, self.ask(partial(opened, path, mode, *more, **rest)))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda _descriptor: self.ask(lambda: None))  # as if the disk were fast
            patch.setattr(Path, "replace", lambda path, target: self.ask(replace, path, target))
            patch.setattr(Path, "open", file)
            yield self


class _File:
    def __init__(self, disk: Disk, file: io.BufferedWriter) -> None:
        self._disk, self._file = disk, file

    def write(self, data: bytes) -> int:
        size = len(data) // 2
        return int(self._disk.ask(self._file.write, data, half=lambda: self._file.write(data[:size])))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def measured(name: str) -> Step:
    data = np.zeros((), KIND)
    data["response"] = np.arange(200).reshape(40, 5) * (1 + 1j * NAMES.index(name))
    return Step(data, float(NAMES.index(name)), {"name": name})


def go_on(recording: Recording, acknowledged: list[str]) -> None:
    """A run whose second step is written while it arrives; its third one names a file beside it."""
    for name in NAMES:
        if name in recording:
            continue
        step = measured(name)
        if name == "arriving":
            draft = recording.draft(KIND)
            for rows in (slice(0, 15), slice(15, 40)):
                draft.data["response"][rows] = step.data["response"][rows]
                draft.grow(rows.stop * 40)
            step = Step(draft.data, step.time_s, step.facts)
        if name == "last":
            recording.put_beside("iq/last.bin", b"samples")
        recording.append(name, step)
        acknowledged.append(name)
    recording.finish({"outcome": "PASS"})
    acknowledged.append("DONE")


def begin(root: Path, acknowledged: list[str]) -> None:
    recording = Recording.create(root, kind="closed_loop", testbed="bench", manifest={"seed": 1})
    acknowledged.append("begun")
    go_on(recording, acknowledged)


def holds(path: Path) -> dict[str, Any]:
    recording = Recording.load(path)
    assert recording.done == {"outcome": "PASS"} and (path / "iq/last.bin").read_bytes() == b"samples"
    return {name: (step.data.tobytes(), step.time_s, step.facts) for name, step in read(recording).items()}


def read(recording: Recording) -> dict[str, Step]:
    return {name: recording.read(name) for name in recording.names}


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_wherever_the_disk_fails_once_nothing_acknowledged_is_lost_and_the_run_goes_on(
    tmp_path: Path, error: int
) -> None:
    with Disk(None, error).mounted() as disk:
        begin(tmp_path / "whole", [])
    (whole,) = (tmp_path / "whole").iterdir()
    told = 0
    for failing in range(disk.num_asked):
        root, acknowledged = tmp_path / str(failing), list[str]()
        with Disk(failing, error).mounted() as failed:
            try:
                begin(root, acknowledged)
            except RecordingError as raised:
                told += 1
                assert os.strerror(error) in str(raised)
                assert "--resume" in str(raised) or "begun" not in acknowledged
        assert failed.failed and not list(root.rglob("*.tmp"))
        if "begun" not in acknowledged:
            continue
        (path,) = root.iterdir()
        resumed = Recording.resume(path)
        assert resumed.damaged == ()
        assert set(acknowledged) - {"begun", "DONE"} <= set(resumed.names)
        if "DONE" not in acknowledged:
            go_on(resumed, [])
            assert holds(path) == holds(whole)
    assert disk.num_asked - told == 5  # what was written ahead is written again at the end


def test_a_step_that_the_disk_refused_is_recorded_once_when_it_is_tried_again(tmp_path: Path) -> None:
    with Disk(None, errno.EIO).mounted() as disk:
        recording = Recording.create(tmp_path / "whole", kind="k", testbed="bench", manifest={})
        before = disk.num_asked
        recording.append("one", measured("one"))
    assert disk.num_asked > before
    for failing in range(disk.num_asked - before):
        recording = Recording.create(tmp_path / str(failing), kind="k", testbed="bench", manifest={})
        with Disk(failing, errno.EIO).mounted(), pytest.raises(RecordingError, match="Input/output error"):
            recording.append("one", measured("one"))
        assert "one" not in recording
        recording.append("one", measured("one"))
        assert len((recording.path / "events.jsonl").read_bytes().splitlines()) == 1
        np.testing.assert_array_equal(Recording.load(recording.path).read("one").data, measured("one").data)
