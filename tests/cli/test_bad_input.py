"""Bad input: one clear message that names the place and what is allowed, the right exit code, nothing opened."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.config import PowerOnlyConfig, TestbedConfig
from hil.errors import ConfigError
from hil.experiments.begin import begin
from hil.measure.recording import Recording
from hil.testbed import open_testbed
from hil.yamlfile import load_yaml

EXPERIMENT = "configs/experiments/closed_loop.yaml"
TESTBED = "configs/testbeds/sim-opensource-ris.yaml"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "rx_gain_db: 50",
            "rx_gian_db: 50",
            r"testbed.yaml:8: radio.rx_gian_db: unknown key, did you mean rx_gain_db?",
        ),
        (
            "rx_gain_db: 50",
            "rx_gain_db: 5O",
            'testbed.yaml:8: radio.rx_gain_db: got "5O"; allowed: a number from -3 to 71',
        ),
        ("rx_gain_db: 50", "rx_gain_db: 99", r"allowed: a number from -3 to 71"),
        ("num_subcarriers: 256", "num_subcarriers: 1.5", r"testbed.yaml:10: ofdm.num_subcarriers"),
        ("num_taps: 16", "num_taps: 300", r"num_taps 300 do not fit in num_subcarriers 256"),
        ("fft_size: 320", "fft_size: 3200", r"a sample rate of 250 MS/s; the Pluto does"),
        ("schema: hil-testbed/1", "schema: hil-testbed/2", r"testbed.yaml:2: schema"),
        (
            "profile: opensource-ris-16x16",
            "profile: opensource-ris-16x61",
            r"testbed.yaml:25: surface.profile: there is no 'opensource-ris-16x61', did you mean opensource-ris-16x16?",
        ),
        ("uri: sim", "uri: ip:192.168.2.1", r"both `sim` or neither"),
        (
            "radiated_power_dbm: -20.0",
            "radiated_power_dbm: 40.0",
            r"testbed.yaml:19: power.radiated_power_dbm: 40 dBm cannot be reached",
        ),
        ("seed: 1\n  scene", "seed: 1\n  seed: 2\n  scene", r"seed"),
    ],
)
def test_a_wrong_testbed_file_is_refused_with_its_line(
    hil: Callable[..., object], testbed_file: Callable[[str, str], Path], old: str, new: str, told: str
) -> None:
    done = hil("run", EXPERIMENT, "--testbed", testbed_file(old, new))
    assert told in done.err
    assert done.code == 2
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", EXPERIMENT), "hil run EXPERIMENT.yaml --testbed TESTBED.yaml"),
        (("run", "nowhere.yaml", "--testbed", TESTBED), "nowhere.yaml"),
        (("run", EXPERIMENT, "--testbed", TESTBED, "--user", "nobody"), "has desk, shelf"),
        (("run", EXPERIMENT, "--testbed", TESTBED, "--set", "ofdm.repetitions"), "written as path=value"),
        (("run", EXPERIMENT, "--testbed", TESTBED, "--set", "ofdm.repetitions=0"), "repetitions"),
        (("sweep", "--testbed", TESTBED, "--mode", "backwards"), "sweep.mode"),
        (("board", "set", "zz", "--testbed", TESTBED), "neither hex digits"),
        (("board", "set", "ff", "--testbed", TESTBED), "8 elements, the surface has 16 x 16"),
        (("fly",), "No such command"),
        (("run", EXPERIMENT, "--testbed", TESTBED, "--fast"), "No such option"),
    ],
)
def test_wrong_arguments_are_refused(hil: Callable[..., object], arguments: tuple[str, ...], told: str) -> None:
    done = hil(*arguments)
    assert told in done.err
    assert done.code == 2


@pytest.mark.parametrize("ways", ["near", "0.05,-1", "nan"])
def test_ways_that_are_no_distances_are_refused_before_anybody_is_met(
    hil: Callable[..., object], monkeypatch: pytest.MonkeyPatch, ways: str
) -> None:
    def meet(*_: object) -> None:
        raise AssertionError("this takes minutes")

    monkeypatch.setattr("hil.campaign.many_users.Room.know", meet)
    done = hil("bench", "users", "--ways", ways)
    assert done.code == 2
    assert f"--ways {ways}" in done.err


def test_a_program_learns_of_wrong_usage_too(hil: Callable[..., object]) -> None:
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, "--seed", "one", "--json")
    assert done.code == 2
    assert done.json["error"] == "UsageError"
    assert "--seed" in done.json["message"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--set", "radio.lo_hz=2.4e9", "--set", "safety.bands.0.low_hz=2e9"),
            "the surface's reflection is known from",
        ),
        (("--set", "safety.bands=[]"), "safety.bands"),
        (("--set", "safety.bands.0.max_eirp_dbm=-40"), "max_eirp_dbm"),
    ],
)
def test_what_the_station_must_not_or_cannot_do_is_refused(
    hil: Callable[..., object], arguments: tuple[str, ...], told: str
) -> None:
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, *arguments)
    assert told in done.err
    assert done.code in (2, 3)


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ("mode: triggered", "exp.yaml:3: sweep.mode: triggered is not possible here"),
        ("patterns: 300", "exp.yaml:3: sweep.patterns: 300 cannot tell 256 elements"),
        ("repetitions: 1", "exp.yaml:3: sweep.repetitions: 1 cannot show the noise"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_anything_is_opened(
    hil: Callable[..., object], monkeypatch: pytest.MonkeyPatch, sweep: str, told: str
) -> None:
    monkeypatch.setattr("hil.testbed.open_testbed", lambda *_, **__: pytest.fail("opened"))
    Path("exp.yaml").write_text(f"schema: hil-experiment/1\nkind: closed_loop\nsweep: {{{sweep}}}\n")
    for further in ((), ("--dry-run",)):
        done = hil("run", "exp.yaml", "--testbed", TESTBED, *further)
        assert told in done.err
        assert "go on with" not in done.err
        assert done.code == 2


@pytest.mark.parametrize("command", [("run", EXPERIMENT), ("calibrate",), ("sweep",)])
def test_soundings_that_show_no_noise_are_refused_before_anything_is_opened(
    hil: Callable[..., object], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr("hil.testbed.open_testbed", lambda *_, **__: pytest.fail("opened"))
    done = hil(*command, "--testbed", TESTBED, "--set", "ofdm.repetitions=1")
    assert "ofdm.repetitions: 1 cannot show the noise" in done.err
    assert done.code == 2


def test_an_unknown_optimizer_is_refused_before_anything_is_opened(hil: Callable[..., object], tmp_path: Path) -> None:
    path = tmp_path / "magic.yaml"
    path.write_text("schema: hil-experiment/1\nkind: closed_loop\noptimizer: {algorithm: magic}\n")
    done = hil("run", path, "--testbed", TESTBED)
    assert "magic.yaml:3: optimizer.algorithm: there is no 'magic'; allowed: " in done.err
    assert done.code == 2
    assert not Path("runs").exists()


def test_a_value_of_the_command_line_is_not_blamed_on_the_file(hil: Callable[..., object]) -> None:
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, "--set", "surface.profile=nowhere", "--dry-run")
    assert done.err.startswith("hil: surface.profile: there is no 'nowhere'; allowed: ")
    assert done.code == 2


def test_a_testbed_in_the_place_of_the_experiment_is_told_so(hil: Callable[..., object]) -> None:
    done = hil("run", TESTBED, "--testbed", EXPERIMENT)
    assert done.code == 2
    assert f'{TESTBED}:2: schema: got "hil-testbed/1"; allowed: hil-experiment/1; is it the right file?' in done.err


def test_all_instruments_that_fail_are_named_at_once_with_the_fix(hil: Callable[..., object]) -> None:
    done = hil(
        "run", EXPERIMENT, "--testbed", TESTBED, "--radio", "ip:127.0.0.1:1", "--board", "/dev/nowhere", "--json"
    )
    assert done.code == 3
    assert "radio" in done.err
    assert "/dev/nowhere" in done.err
    assert done.json["error"] == "NotConnected"
    assert done.json["exit_code"] == 3


def test_a_folder_that_is_no_run_is_said_so(hil: Callable[..., object], tmp_path: Path) -> None:
    for command in ("report", "estimate", "optimize"):
        done = hil(command, tmp_path)
        assert done.code == 4
        assert "no run directory" in done.err
    assert hil("run", "--resume", tmp_path).code == 4


def test_a_run_directory_that_cannot_be_written_is_said_so(hil: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file, no folder")
    done = hil("run", EXPERIMENT, "--testbed", TESTBED, "--out", tmp_path / "full")
    assert done.code == 4
    assert "cannot be written: Not a directory; choose another folder with --out" in done.err


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        ({"kind": "dreams"}, "dreams"),
        ({"kind": "many_users", "dream": 1}, "dream"),
        ({}, "'kind'"),
        (None, "holds no 'experiment'"),
    ],
)
def test_a_run_of_another_version_is_no_defect_of_this_one(
    hil: Callable[..., object], tmp_path: Path, experiment: dict[str, object] | None, told: str
) -> None:
    manifest = {"user": "desk", "testbed": {}, **({} if experiment is None else {"experiment": experiment})}
    run = Recording.create(tmp_path, kind="many_users", testbed="bench", manifest=manifest).path
    for command in (("report", run), ("run", "--resume", run), ("calibrate", "--resume", run)):
        done = hil(*command)
        assert (done.code, told in done.err, "version" in done.err) == (4, True, True), done.err
    for command in ("estimate", "optimize", "export", "replay"):
        assert hil(command, run).code == 4


def test_an_export_that_cannot_be_written_says_where_else(
    hil: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hil.experiments.export.export", full)
    run = Recording.create(tmp_path, kind="closed_loop", testbed="bench", manifest={}).path
    done = hil("export", run)
    assert done.code == 4
    assert "No space left on device; give another place with --out" in done.err


BENCH = "configs/testbeds/bench-pluto-opensource-ris.yaml"
MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a port that is no number": (("run", EXPERIMENT, "--testbed", BENCH, "--board", "tcp://host:x"), 2, "tcp://host:port"),
    "a port beyond all ports": (("run", EXPERIMENT, "--testbed", BENCH, "--board", "tcp://host:99999"), 2, "tcp://host:p"),
    "no address": (("run", EXPERIMENT, "--testbed", BENCH, "--radio", ""), 2, 'radio.uri: got ""; allowed: text'),
    "antennas in one place": (
        ("run", EXPERIMENT, "--testbed", TESTBED, "--set", "transmitter_m=[2, -1.1, 1.2]"),
        2,
        f"{TESTBED}:32: users.0.position_m: the transmit antenna stands there (transmitter_m)",
    ),
    "a board for another band": (
        ("run", EXPERIMENT, "--testbed", TESTBED, "--set", "surface.profile=openris-tile"),
        2,
        f"{TESTBED}:7: radio.lo_hz: the surface's reflection is known from 3.4 to 3.6 GHz",
    ),
    "an engine of no kind": (
        ("campaign", "configs/experiments/campaign-table1.yaml", "--engine", "worker:2"),
        2,
        "--engine worker:2: local, workers:N",
    ),
    "a file for a run directory": (("report", EXPERIMENT), 4, "no run directory: it holds no manifest.json"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_what_is_allowed_and_leaves_nothing_behind(
    hil: Callable[..., object], mistake: str
) -> None:
    arguments, code, told = MISTAKES[mistake]
    done = hil(*arguments)
    assert (done.code, told in done.err) == (code, True), done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("procedure", "told"),
    [
        ("kind: closed_loop\noptimizer: {device: cuda}\n", "p.yaml:3: optimizer.device: no cuda here"),
        (
            "kind: many_users\nbook: no.jsonl\n"
            "users: [{name: a, position_m: [2, 1, 1]}, {name: b, position_m: [2, 0, 1]}]\n",
            "p.yaml:3: book: no.jsonl is no file",
        ),
    ],
)  # fmt: skip
def test_what_a_procedure_lacks_is_found_out_before_anything_is_opened(
    hil: Callable[..., object], monkeypatch: pytest.MonkeyPatch, procedure: str, told: str
) -> None:
    def find_device(name: str, asked: str) -> str:
        raise ConfigError(f"{asked} no {name} here")

    monkeypatch.setattr("hil.experiments.choose.find_device", find_device)
    Path("p.yaml").write_text("schema: hil-experiment/1\n" + procedure)
    done = hil("run", "p.yaml", "--testbed", TESTBED)
    assert (done.code, told in done.err) == (2, True), done.err
    assert not Path("runs").exists()


def test_a_run_without_a_sweep_has_nothing_to_estimate(hil: Callable[..., object], tmp_path: Path) -> None:
    with open_testbed(load_yaml(TESTBED, TestbedConfig)) as bed:
        run = begin(bed, PowerOnlyConfig(schema="hil-experiment/1", kind="power_only"), tmp_path).path
    for command in ("estimate", "optimize"):
        done = hil(command, run)
        assert (done.code, "holds no sweep called sweep; `hil sweep`" in done.err) == (4, True), done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("reader", ["> /dev/full", "| true"])
def test_output_that_nobody_takes_is_no_defect(tmp_path: Path, reader: str) -> None:
    told = f"'{sys.executable}' -m hil profiles opensource-ris-16x16 --json {reader}; echo ${{PIPESTATUS[0]}} >&2"
    done = subprocess.run(["bash", "-c", told], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.splitlines()[-1] == "4"
    assert "Traceback" not in done.stderr and "defect" not in done.stderr
