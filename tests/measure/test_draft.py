"""A step whose file is begun while its array is filled is the step that is written at once."""

import errno
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.measure import draft as room
from hil.measure.draft import Draft
from hil.measure.recording import Recording, Step
from hil.measure.stepping import record_kind

KIND = record_kind(40, 6, referred=True)
ROW_BYTES = 48


def new(root: Path) -> Recording:
    return Recording.create(root, kind="test", testbed="sim", manifest={})


def fill(draft: Draft, rows: slice = slice(None), seed: int = 0) -> None:
    values = np.random.default_rng(seed).standard_normal((40, 6, 2)) @ [1, 1j]
    draft.data["response"][rows] = values[rows]


def begun(recording: Recording, counts: list[int]) -> Draft:
    """A draft that grew by rows, then got the rest of its record."""
    draft = recording.draft(KIND)
    before = 0
    for count in sorted(counts):
        fill(draft, slice(before, count))
        draft.grow(count * ROW_BYTES)
        before = count
    fill(draft, slice(before, 40))
    draft.data["noise_var"], draft.data["retakes"] = 0.25, 3
    return draft


def written(recording: Recording) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (recording.path / "steps").iterdir()}


def saved(data: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, data)
    return file.getvalue()


@given(counts=st.lists(st.integers(0, 40), max_size=6))
def test_the_pieces_in_which_a_step_came_do_not_matter_to_the_byte(counts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        recording = new(Path(folder))
        draft = begun(recording, counts)
        recording.append("a", Step(draft.data, 1.0))
        assert written(recording) == {"00000.npy": saved(draft.data)}
        assert Recording.load(recording.path).read("a").data.tobytes() == draft.data.tobytes()


def test_what_was_told_to_be_there_is_written_and_hashed_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = new(tmp_path)
    draft = begun(recording, [12, 40])
    assert saved(draft.data)[: -40 * (8 + 8 + 4 + 1 + 32)] == written(recording)["00000.tmp"]
    hashed = list[int]()

    class Counting:
        def __init__(self, digest: object) -> None:
            self._digest = digest

        def update(self, data: memoryview) -> None:
            hashed.append(len(data))
            self._digest.update(data)  # type: ignore[attr-defined]

        def hexdigest(self) -> str:
            return str(self._digest.hexdigest())  # type: ignore[attr-defined]

    draft._digest = Counting(draft._digest)  # type: ignore[assignment]
    recording.append("a", Step(draft.data, 1.0))
    assert hashed == [40 * (8 + 8 + 4 + 1 + 32)]


def test_a_begun_step_is_none_before_it_is_appended(tmp_path: Path) -> None:
    recording = new(tmp_path)
    begun(recording, [10, 30])
    resumed = Recording.resume(recording.path)
    assert resumed.names == () and resumed.damaged == ()
    resumed.append("a", Step(np.arange(3.0), 1.0))
    assert written(resumed) == {"00000.npy": saved(np.arange(3.0))}


def test_another_step_than_the_one_that_was_begun_is_written_as_a_whole(tmp_path: Path) -> None:
    recording = new(tmp_path)
    draft = begun(recording, [10, 30])
    other = draft.data.copy()
    other["response"] *= 2
    recording.append("a", Step(other, 1.0))
    assert written(recording) == {"00000.npy": saved(other)}
    recording.append("b", Step(draft.data, 2.0))  # what was begun before is no draft any more
    assert written(recording)["00001.npy"] == saved(draft.data)
    assert recording.read("b").data.tobytes() == draft.data.tobytes()


def test_a_step_that_is_begun_again_holds_nothing_of_the_first_time(tmp_path: Path) -> None:
    recording = new(tmp_path)
    begun(recording, [40])
    draft = recording.draft(KIND)
    fill(draft, seed=1)
    recording.append("a", Step(draft.data, 1.0))
    assert written(recording) == {"00000.npy": saved(draft.data)}


@pytest.mark.parametrize("failing", ["write", "open"])
def test_where_the_disk_fails_meanwhile_all_of_it_is_written_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    recording, real = new(tmp_path), Path.open

    class Full:
        def __init__(self, file: object) -> None:
            self._file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()  # type: ignore[attr-defined]

        def write(self, data: bytes) -> None:
            self._file.write(data[: len(data) // 2])  # type: ignore[attr-defined]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(path: Path, mode: str) -> object:
        if failing == "open":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return Full(real(path, mode))

    draft = begun(recording, [10])
    with monkeypatch.context() as patch:
        patch.setattr(room.Path, "open", full)
        draft.grow(30 * ROW_BYTES)
    draft.grow(35 * ROW_BYTES)
    recording.append("a", Step(draft.data, 1.0))
    assert written(recording) == {"00000.npy": saved(draft.data)}
    assert recording.read("a").data.tobytes() == draft.data.tobytes()
