"""What a run directory promises: acknowledged steps survive anything, damage is named, nothing is half written."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import RecordingError
from hil.measure.recording import Recording, Step, as_recorded, write_durably


def new(tmp_path: Path) -> Recording:
    return Recording.create(tmp_path, kind="closed_loop", testbed="bench", manifest={"seed": 1})


def step(value: float) -> Step:
    return Step(np.full(3, value), time_s=value, facts={"retaken": 0})


def test_a_step_reads_back_as_written_with_its_clock_and_facts(tmp_path: Path) -> None:
    recording = new(tmp_path)
    structured = np.zeros(2, dtype=[("response", "c8", (4,)), ("noise_var", "f4")])
    structured["response"][1] = 1 + 2j
    recording.append("sweep/0", Step(structured, time_s=1.5, facts={"retaken": 2}))
    loaded = Recording.load(recording.path).read("sweep/0")
    np.testing.assert_array_equal(loaded.data, structured)
    assert (loaded.time_s, loaded.facts) == (1.5, {"retaken": 2})


@pytest.mark.parametrize("name", ["roof / east", "../../etc", "Prüfstand 3", "x" * 300, ""])
def test_a_station_of_any_name_has_its_runs_in_one_folder_below_the_root(tmp_path: Path, name: str) -> None:
    made = Recording.create(tmp_path, kind="k", testbed=name, manifest={})
    assert made.path.parent == tmp_path and " " not in made.path.name
    assert [each.name for each in tmp_path.iterdir()] == [made.path.name]


def test_a_recorded_step_is_not_measured_again(tmp_path: Path) -> None:
    recording = new(tmp_path)
    assert recording.step("a", lambda: step(1.0)).time_s == 1.0
    again = Recording.resume(recording.path)
    assert again.step("a", lambda: pytest.fail("measured twice")).time_s == 1.0
    assert again.time_s == 1.0


def test_a_manifest_that_was_changed_since_is_refused_and_one_laid_out_anew_is_not(tmp_path: Path) -> None:
    path = Recording.create(
        tmp_path, kind="k", testbed="bench", manifest={"seed": 1, "deep": {"b": 2.5, "a": (1,)}}
    ).path
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))
    assert Recording.load(path).manifest["deep"]["a"] == [1]
    for changed in ({**manifest, "seed": 2}, {**manifest, "deep": {"b": 2.5}}, {**manifest, "more": 0}):
        (path / "manifest.json").write_text(json.dumps(changed))
        for way in (Recording.load, Recording.resume):
            with pytest.raises(RecordingError, match=r"manifest\.json: was changed since the run began"):
                way(path)
    del manifest["sha256"]  # as versions before wrote it
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert Recording.load(path).manifest["seed"] == 1


def test_a_flipped_bit_is_named_when_read_and_measured_again_on_resume(tmp_path: Path) -> None:
    recording = new(tmp_path)
    for value in (1.0, 2.0):
        recording.append(f"s{value:.0f}", step(value))
    file = recording.path / "steps/00000.npy"
    blob = bytearray(file.read_bytes())
    blob[-1] ^= 1
    file.write_bytes(blob)
    with pytest.raises(RecordingError, match=r"'s1'.*00000\.npy is damaged"):
        Recording.load(recording.path).read("s1")
    for _ in range(2):  # the mended run survives being resumed once more
        resumed = Recording.resume(recording.path)
        assert resumed.step("s1", lambda: step(9.0)).time_s == 9.0
        assert resumed.step("s2", lambda: pytest.fail("was not damaged")).time_s == 2.0
    assert resumed.damaged == ()


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    recording = new(tmp_path)
    recording.append("a", step(1.0))
    with (recording.path / "events.jsonl").open("ab") as log:
        log.write(b'{"step": "b", "fi')
    resumed = Recording.resume(recording.path)
    assert resumed.names == ("a",)
    resumed.append("b", step(2.0))
    assert Recording.load(recording.path).names == ("a", "b")


def test_a_step_set_aside_is_measured_again_and_the_later_one_counts(tmp_path: Path) -> None:
    recording = new(tmp_path)
    for value in (1.0, 2.0):
        recording.append(f"s{value:.0f}", step(value))
    recording.set_aside(["s1", "never recorded"])
    assert recording.step("s1", lambda: step(9.0)).time_s == 9.0
    again = Recording.load(recording.path)
    assert (again.read("s1").time_s, again.read("s2").time_s) == (9.0, 2.0)
    assert len(list((recording.path / "steps").iterdir())) == 3


def test_a_foreign_line_in_the_log_is_refused_with_its_place(tmp_path: Path) -> None:
    recording = new(tmp_path)
    (recording.path / "events.jsonl").write_text('{"step": "a"}\n')
    with pytest.raises(RecordingError, match=r"events\.jsonl:1: not a line of this log"):
        Recording.load(recording.path)


def test_the_log_cannot_point_outside_its_directory(tmp_path: Path) -> None:
    recording = new(tmp_path)
    recording.append("a", step(1.0))
    event = json.loads((recording.path / "events.jsonl").read_text())
    event["file"] = "../../secret.npy"
    (recording.path / "events.jsonl").write_text(json.dumps(event) + "\n")
    with pytest.raises(RecordingError, match="not a line of this log"):
        Recording.load(recording.path)


@pytest.mark.parametrize(
    "data",
    [
        np.empty(0),
        np.zeros((2, 0)),
        np.arange(12.0).reshape(3, 4).T,
        np.zeros(3, [("a", "<c8", (5,)), ("b", "?")]),
        np.zeros((), [("a", "<c8", (5,)), ("b", "?", (3,))]),
    ],
    ids=["nothing", "no column", "across its memory", "records", "one record"],
)
def test_a_steps_file_is_what_numpy_makes_of_it(tmp_path: Path, data: np.ndarray) -> None:
    recording = new(tmp_path)
    recording.append("a", Step(data, time_s=0.0))
    np.save(tmp_path / "numpy.npy", np.asarray(data, order="C"))
    (file,) = (recording.path / "steps").iterdir()
    assert file.read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert recording.read("a").data.dtype == data.dtype


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an array of object"):
        new(tmp_path).append("a", Step(np.array([object()]), time_s=0.0))


@pytest.mark.parametrize("failing", ["Draft.finish", "_sync_directory", "_append_durably"])
def test_a_full_disk_is_one_clear_error_and_what_was_recorded_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    recording = new(tmp_path)
    recording.append("a", step(1.0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"hil.measure.recording.{failing}", full)
        with pytest.raises(RecordingError, match=r"No space left.*--resume"):
            recording.append("b", step(2.0))
    assert not list(recording.path.rglob("*.tmp"))
    resumed = Recording.resume(recording.path)
    assert resumed.names == ("a",)
    resumed.append("b", step(2.0))
    assert resumed.read("b").time_s == 2.0


def test_no_run_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no run directory: it holds no manifest\.json"):
        Recording.load(tmp_path)


@settings(max_examples=30)
@given(cut=st.integers(0, 3000))
def test_a_log_cut_at_any_byte_loses_only_unacknowledged_steps(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    recording = new(tmp_path_factory.mktemp("run"))
    for index in range(4):
        recording.append(f"s{index}", step(float(index)))
    log = recording.path / "events.jsonl"
    content = log.read_bytes()
    log.write_bytes(content[:cut])
    kept = content[:cut].count(b"\n")
    resumed = Recording.resume(recording.path)
    assert resumed.names == tuple(f"s{index}" for index in range(kept))
    assert all(resumed.read(name).time_s == float(name[1:]) for name in resumed.names)


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from hil.measure.recording import Recording, Step
recording = Recording.create(Path(sys.argv[1]), kind="k", testbed="t", manifest={})
for index in range(1000):
    recording.append(str(index), Step(np.full(2000, index), time_s=float(index)))
    print(index, flush=True)
"""


def test_kill_minus_nine_loses_no_acknowledged_step(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = -1
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged == 12:
            break
    child.kill()
    acknowledged = max([acknowledged, *(int(line) for line in child.stdout)])
    child.stdout.close()
    child.wait(timeout=10)
    (path,) = tmp_path.iterdir()
    resumed = Recording.resume(path)
    assert len(resumed.names) >= acknowledged + 1
    assert all(resumed.read(name).data[0] == int(name) for name in resumed.names)


def test_a_step_that_was_just_measured_is_the_one_that_will_be_read(tmp_path: Path) -> None:
    recording = new(tmp_path)
    measured = recording.step("a", lambda: Step(np.arange(3.0), time_s=1, facts={"which": (1, 2)}))
    read = Recording.load(recording.path).read("a")
    np.testing.assert_array_equal(measured.data, read.data)
    assert (measured.time_s, measured.facts) == (read.time_s, read.facts) == (1.0, {"which": [1, 2]})


def test_facts_are_told_without_the_file_and_a_missing_step_is_named(tmp_path: Path) -> None:
    recording = new(tmp_path)
    recording.append("a", step(1.0))
    (recording.path / "steps/00000.npy").unlink()
    assert recording.facts("a") == {"retaken": 0}
    with pytest.raises(RecordingError, match="no step 'b'"):
        recording.facts("b")


def test_a_step_recorded_again_has_its_place_behind_the_others_for_whoever_reads(tmp_path: Path) -> None:
    recording = new(tmp_path)
    for name in ("a", "b"):
        recording.append(name, step(1.0))
    recording.set_aside(["a"])
    recording.append("a", step(2.0))
    assert recording.names == Recording.load(recording.path).names == ("b", "a")


@pytest.mark.parametrize("keys", [("seed",), ("deep", "deeper"), ("deep", "list")])
def test_what_a_recording_lacks_is_told_as_its_own_fault(tmp_path: Path, keys: tuple[str, ...]) -> None:
    whole = {"seed": 1, "deep": {"deeper": 2, "list": [{"x": 1}]}}
    recording = Recording.create(tmp_path, kind="k", testbed="bench", manifest=whole)
    recording.append("a", Step(np.empty(0), 0.0, whole))
    loaded = Recording.load(recording.path)
    for found, where in ((loaded.manifest, "manifest.json"), (loaded.facts("a"), r"events\.jsonl:1")):
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]
        with pytest.raises(
            RecordingError, match=rf"{where}: holds no '{keys[-1]}': it was recorded by another version"
        ):
            found[keys[-1]]
        assert found.get(keys[-1]) is None


@pytest.mark.parametrize("wrong", [TypeError("unexpected keyword argument"), ValueError("1 validation error")])
def test_values_of_another_version_are_told_as_such(wrong: Exception) -> None:
    told = pytest.raises(RecordingError, match=f"runs/x: {wrong}: it was recorded by another version of hil")
    with told, as_recorded("runs/x"):
        raise wrong


def test_a_disk_that_fills_up_leaves_neither_half_a_file_nor_the_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "known.jsonl"
    write_durably(path, b"before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"after")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("known.jsonl", b"before")]


HOLDS = """
import sys
from pathlib import Path
from hil.measure.recording import Recording
recording = Recording.resume(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_program_at_a_time_goes_on_with_a_run_and_nothing_is_touched_by_another(tmp_path: Path) -> None:
    recording = new(tmp_path)
    recording.append("a", step(1.0))
    path, torn = recording.path, b'{"step": "b", "fi'
    del recording
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "held\n"
    log = path / "events.jsonl"
    log.write_bytes(log.read_bytes() + torn)  # as if the other one were just writing
    with pytest.raises(RecordingError, match="another program goes on with this run"):
        Recording.resume(path)
    assert log.read_bytes().endswith(torn)
    assert Recording.load(path).names == ("a",)
    child.kill()
    child.communicate()
    assert Recording.resume(path).names == Recording.resume(path).names == ("a",)
    assert not log.read_bytes().endswith(torn)
