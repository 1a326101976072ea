"""The commands as a user meets them: what they print, what they leave behind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

EXPERIMENT = "configs/experiments/closed_loop.yaml"
TESTBED = "configs/testbeds/sim-opensource-ris.yaml"
QUICK = ("--testbed", TESTBED, "--set", "ofdm.repetitions=4")


def test_a_run_prints_its_table_its_verdict_and_one_json_object(
    hil: Callable[..., object], quick_experiment: Path
) -> None:
    done = hil("run", quick_experiment, *QUICK, "--json")
    assert done.code == 0, done.err
    table, verdict = done.out.splitlines()[:6], done.out.splitlines()[-2]
    assert [line.split()[0] for line in table[2:]] == ["all_zero", "best_pilot", "stm", "chosen"]
    assert verdict.startswith("PASS: chosen pattern +")
    told = done.json
    assert told["outcome"] == "PASS"
    assert set(told["rate_mbps"]) == set(told["true_rate_mbps"]) == {"all_zero", "best_pilot", "stm", "chosen"}
    promised = {
        "run_dir", "testbed", "num_elements", "num_pilots", "algorithm", "bound_mbps", "certified_fraction",
        "prediction_nmse_db", "radio_time_s", "radio_time_floor_s", "wall_time_s",
    }  # fmt: skip
    assert promised <= told.keys()
    run_dir = Path(told["run_dir"])
    assert {"DONE", "manifest.json", "events.jsonl", "response.png"} <= {path.name for path in run_dir.iterdir()}

    assert hil("report", run_dir, "--json").json["files"]
    estimated = hil("estimate", run_dir, "--json").json
    assert estimated["nmse_db"] == pytest.approx(told["prediction_nmse_db"])
    optimised = hil("optimize", run_dir, "--algorithm", "stm", "--json").json
    assert optimised["rate_mbps"] == pytest.approx(told["predicted_mbps"]["stm"])
    assert "stm" in hil("optimize", run_dir, "--algorithm", "list", "--json").json["algorithms"]


def test_a_dry_run_says_what_would_be_radiated_and_does_nothing(hil: Callable[..., object]) -> None:
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, "--dry-run", "--json")
    plan = done.json["dry_run"]
    assert done.code == 0
    assert plan["low_hz"] < 5.53e9 < plan["high_hz"]
    assert plan["eirp_dbm"] == pytest.approx(-14.0, abs=0.3)  # P = -20 dBm, antenna 6 dBi
    assert plan["num_pilots"] == 512
    assert 3 < plan["sweep_s"] < 5
    assert not Path("runs").exists()


def test_a_sweep_says_how_long_the_radio_was_at_work(hil: Callable[..., object]) -> None:
    told = hil("sweep", *QUICK, "--mode", "stepped", "--scheme", "hadamard", "--json").json
    assert told["num_patterns"] == 256
    assert told["mode"] == "stepped"
    assert told["radio_time_floor_s"] < told["radio_time_s"] < 1.05 * told["radio_time_floor_s"]


def test_a_run_of_another_kind_is_no_calibration_to_go_on_with(hil: Callable[..., object]) -> None:
    run_dir = Path(hil("sweep", *QUICK, "--group", "16x16", "--json").json["run_dir"])
    (run_dir / "DONE").unlink()
    done = hil("calibrate", "--resume", run_dir)
    assert done.code == 2
    assert f"hil run --resume {run_dir}" in done.err
    assert hil("calibrate", "--resume", run_dir, "--seed", 1).code == 2


def test_a_quick_look_groups_elements(hil: Callable[..., object]) -> None:
    told = hil("sweep", *QUICK, "--group", "16x1", "--json").json
    assert told["num_patterns"] == 32  # 16 columns, each row followed by its complement
    assert hil("estimate", told["run_dir"]).code == 0
    assert hil("sweep", *QUICK, "--group", "16").code == 2


def test_the_board_by_hand_shows_what_was_set(hil: Callable[..., object], tmp_path: Path) -> None:
    first = hil("board", "set", "8000" + "0" * 60, "--testbed", TESTBED, "--json")
    assert first.code == 0, first.err
    assert first.out.startswith("#...")
    pattern = np.zeros((16, 16), dtype=np.uint8)
    pattern[3, 5] = 1
    np.save(tmp_path / "pattern.npy", pattern)
    told = hil("board", "set", tmp_path / "pattern.npy", "--testbed", TESTBED, "--json").json
    assert told["pattern"] == pattern.reshape(-1).tolist()
    assert hil("board", "checkerboard", "--testbed", TESTBED).out.startswith(".#.#")
    told = hil("board", "info", "--testbed", TESTBED, "--json")
    assert {"rows: 16", "supply_v: 12.0"} <= set(told.out.splitlines()) and told.json["supply_v"] == 12.0
    assert hil("board", "walk", "--dwell-s", 0, "--testbed", TESTBED, "--json").json["num_elements"] == 256


def test_what_a_board_cannot_say_is_told_as_the_error_it_is(hil: Callable[..., object]) -> None:
    other = ("--set", "surface.profile=openris-tile", "--set", "radio.lo_hz=3.5e9")
    done = hil("board", "get", "--testbed", TESTBED, *other, "--json")
    assert (done.code, done.json["error"]) == (2, "ConfigError")
    assert "cannot say which pattern it holds" in done.json["message"]
    assert "supply_v: -" in hil("board", "info", "--testbed", TESTBED, *other).out.splitlines()


@pytest.mark.parametrize("pattern", [np.full(256, 0.9), np.full(256, 1j), np.full(256, "1"), None])
def test_a_file_that_holds_no_states_is_refused(hil: Callable[..., object], tmp_path: Path, pattern: object) -> None:
    path = tmp_path / "pattern.npy"
    path.write_bytes(b"") if pattern is None else np.save(path, pattern)
    done = hil("board", "set", path, "--testbed", TESTBED)
    assert done.code == 2
    assert "whole numbers" in done.err or "readable" in done.err


def test_profiles_are_listed_and_explained(hil: Callable[..., object]) -> None:
    listed = hil("profiles").out.split()
    assert {"opensource-ris-16x16", "reference-64x64", "uofg-3bit-192"} <= set(listed)
    assert "115200" in hil("profiles", "opensource-ris-16x16").out
    assert "properties" in hil("profiles", "--schema").json


def test_the_doctor_finds_the_installation_and_the_station_well(hil: Callable[..., object]) -> None:
    checks = {check["name"]: check for check in hil("doctor", "--testbed", TESTBED, "--json").json["checks"]}
    for name in ("numpy", "torch", "profile", "transmission", "radio", "board"):
        assert checks[name]["ok"], checks[name]


def test_help_comes_fast_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['hil', '--help']\n"
        "import hil.cli.app as app\n"
        "app.exit_code()\n"
        "heavy = {'torch', 'scipy', 'matplotlib', 'adi', 'iio', 'serial', 'xarray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Commands" in done.stdout


def test_import_hil_loads_no_library_at_all() -> None:
    code = "import sys, hil; assert not {'torch', 'numpy', 'scipy', 'adi', 'serial'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_calibration_is_made_reported_and_relied_on(
    hil: Callable[..., object], quick_experiment: Path, tmp_path: Path
) -> None:
    procedure = tmp_path / "calibrate.yaml"
    procedure.write_text(
        "schema: hil-experiment/1\nkind: calibrate\ncandidates: 4\nswitches: 4\nwatch_s: 3\nwatch_soundings: 100\n"
        "sweep: {repetitions: 16}\n"
    )
    quick = (*QUICK, "--set", "power.radiated_power_dbm=-8")  # few symbols tell each element
    done = hil("calibrate", "--procedure", procedure, *quick, "--json")
    assert done.code == 0, done.err
    assert "watching: 100/100" in done.err, "progress comes to its end"
    assert done.out.splitlines()[-2].startswith("PASS: 0 findings; valid for 30 days: hil run --calibration runs/")
    told = done.json
    promised = {
        "outcome", "run_dir", "noise_floor_dbfs", "settle_time_s", "state_ratio", "dead_elements", "drift_deg_per_s",
    }  # fmt: skip
    assert promised <= told.keys()
    assert (Path(told["run_dir"]) / "calibration.json").exists()
    assert len(hil("report", told["run_dir"], "--json").json["files"]) == 5  # a page and four figures

    ran = hil("run", quick_experiment, *quick, "--calibration", told["run_dir"], "--json")
    assert ran.code == 0, ran.err
    manifest = (Path(ran.json["run_dir"]) / "manifest.json").read_text()
    assert told["calibration_sha256"] in manifest
    foreign = hil("run", quick_experiment, *quick, "--calibration", told["run_dir"], "--set", "simulation.seed=9")
    assert foreign.code == 4
    assert "foreign" in foreign.err
    assert hil("run", quick_experiment, *quick, "--calibration", "nowhere").code == 4
    by_hand = hil("board", "checkerboard", "--testbed", TESTBED, "--calibration", told["run_dir"])
    assert by_hand.code == 0, by_hand.err
    assert "found right" in by_hand.err


def test_a_first_look_on_the_air_is_a_list_of_checks(hil: Callable[..., object]) -> None:
    done = hil("doctor", "--rf", "--watch-s", 2, *QUICK, "--json")
    checks = {check["name"]: check for check in done.json["checks"]}
    assert {"noise", "pilots", "surface", "link budget", "repeatability"} <= checks.keys()
    assert checks["surface"]["ok"]
    assert hil("doctor", "--rf").code == 2


@pytest.mark.parametrize("options", [["--cabled"], ["--attenuation-db", "40"], ["--rf", "--attenuation-db", "40"]])
def test_an_option_of_the_look_on_the_air_that_would_do_nothing_is_refused(
    hil: Callable[..., object], options: list[str]
) -> None:
    done = hil("doctor", "--testbed", TESTBED, *options)
    assert done.code == 2
    assert "too" in done.err


@pytest.mark.parametrize("options", [[], ["--rf"]])
def test_a_place_that_the_station_does_not_have_is_refused_before_anything_is_checked(
    hil: Callable[..., object], options: list[str]
) -> None:
    done = hil("doctor", "--testbed", TESTBED, "--user", "nobody", *options)
    assert (done.code, done.out) == (2, "")
    assert "--user nobody: sim-opensource-ris has " in done.err


def test_a_first_look_that_cannot_be_taken_is_a_check_that_fails(hil: Callable[..., object]) -> None:
    done = hil("doctor", "--rf", "--testbed", TESTBED, "--set", "safety.max_duration_s=1e-9", "--json")
    assert done.code == 3
    checks = {check["name"]: check for check in done.json["checks"]}
    assert checks["radio"]["ok"]
    assert not checks["on the air"]["ok"]
    assert "max_duration_s" in checks["on the air"]["detail"]


def test_a_pilot_of_high_crest_factor_is_warned_of_before_anything_is_radiated(hil: Callable[..., object]) -> None:
    weaker = ("--set", "ofdm.pilot=constant", "--set", "power.radiated_power_dbm=-30")
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, *weaker, "--dry-run", "--json")
    assert "WARNING: the pilots' crest factor is" in done.out
    assert done.json["dry_run"]["pilot_advice"]
    checks = hil("doctor", "--testbed", TESTBED, *weaker, "--json").json["checks"]
    assert [check["ok"] for check in checks if check["name"] == "pilot"] == [False]
