"""`hil replay` as a shell sees it: the same, another, damaged, nothing to replay."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.experiments import replay as replaying

SWEEP = (
    "sweep",
    "--testbed",
    "configs/testbeds/sim-opensource-ris.yaml",
    "--set",
    "ofdm.repetitions=4",
    "--group",
    "8x8",
)


def test_replay_passes_tells_differences_and_names_damage(
    hil: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = hil(*SWEEP, "--record-iq", "--out", tmp_path, "--json").json["run_dir"]
    done = hil("replay", run_dir, "--json")
    assert done.code == 0, done.err
    assert done.json["outcome"] == "PASS"
    assert (done.json["soundings"], done.json["captures"], done.json["different"]) == (8, 8, [])
    assert "estimate of sweep: the same" in done.out

    with monkeypatch.context() as patch:
        patch.setattr(replaying, "_difference", lambda found, recorded: "response differ in 1 of 8 soundings")
        other = hil("replay", run_dir, "--json")
    assert other.code == 1
    assert other.json["outcome"] == "FAIL" and other.json["different"] == ["sweep/00000"]

    data = Path(run_dir) / "iq/sweep-00000.sigmf-data"
    data.write_bytes(b"\x01" + data.read_bytes()[1:])
    damaged = hil("replay", run_dir, "--json")
    assert damaged.code == 4
    assert "sweep-00000.sigmf-data" in damaged.json["message"]


def test_a_run_without_raw_samples_is_no_defect_but_data_that_is_missing(
    hil: Callable[..., Any], tmp_path: Path
) -> None:
    run_dir = hil(*SWEEP, "--out", tmp_path, "--json").json["run_dir"]
    done = hil("replay", run_dir)
    assert done.code == 4
    assert "--record-iq" in done.err


def test_a_sweep_in_one_long_capture_is_replayed(hil: Callable[..., Any], tmp_path: Path) -> None:
    run_dir = hil(*SWEEP, "--mode", "burst", "--record-iq", "--out", tmp_path, "--json").json["run_dir"]
    done = hil("replay", run_dir, "--json")
    assert done.code == 0, done.err
    assert (done.json["soundings"], done.json["captures"]) == (8, 1)
