"""`hil run` of a field test: keys, files, exit codes, and who is asked."""

import io
from pathlib import Path

import pytest

from hil.cli.output import ask
from hil.errors import ConfigError

STATION = "configs/testbeds/sim-opensource-ris.yaml"
PLAN = """
schema: hil-experiment/1
kind: field_test
hypothesis: {arm: one, against: all_zero, smallest_effect_db: SMALLEST}
stations:
  - {name: desk, position_m: [2.0, -1.1, 1.2]}
arms:
  - {kind: uniform, name: all_zero}
  - {kind: uniform, name: one, state: 1}
  - {kind: sham, name: sham, of: one}
visits: 1
rounds: 6
pause_s: 0
sweep: {group: [8, 8]}
analysis: {resamples: 200}
"""


def plan_file(smallest_db: float) -> Path:
    path = Path("plan.yaml")
    path.write_text(PLAN.replace("SMALLEST", str(smallest_db)))
    return path


def test_run_prints_the_verdict_and_writes_the_page(hil):
    planned = hil("run", plan_file(1.0), "--testbed", STATION, "--dry-run", "--json")
    done = hil("run", plan_file(1.0), "--testbed", STATION, "--set", "ofdm.repetitions=4", "--json")
    assert (planned.code, done.code) == (0, 0)
    told = done.json
    assert told["plan_sha256"] == planned.json["dry_run"]["plan_sha256"]
    assert told["plan_sha256"] in planned.out
    keys = {"outcome", "run_dir", "plan_sha256", "stations", "arms", "gain_db", "gain_interval_db", "paired", "sham"}
    assert keys | {"retaken", "excluded", "aborted", "radio_time_s", "wall_time_s"} <= set(told)
    assert (Path(told["run_dir"]) / "report.md").exists()
    assert "is supported" in done.out and "press Enter" not in done.err
    again = hil("report", told["run_dir"], "--json")
    assert again.code == 0 and len(again.json["files"]) == 5


def test_a_measured_no_is_exit_code_one(hil):
    done = hil("run", plan_file(20.0), "--testbed", STATION, "--set", "ofdm.repetitions=4", "--json")
    assert (done.code, done.json["outcome"], done.json["finding"]) == (1, "FAIL", "refuted")


def test_a_plan_with_a_wrong_key_is_refused_with_its_line(hil):
    path = plan_file(1.0)
    path.write_text(path.read_text().replace("rounds: 6", "ruonds: 6"))
    done = hil("run", path, "--testbed", STATION)
    assert done.code == 2
    assert "plan.yaml:12: ruonds: unknown key" in done.err and "did you mean" in done.err


def test_the_operator_answers_with_enter_and_a_closed_terminal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    ask("move the antenna to the shelf")
    with pytest.raises(ConfigError, match="--yes"):
        ask("move the antenna back")
