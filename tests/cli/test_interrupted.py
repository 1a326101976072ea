"""Ctrl-C and SIGTERM, once, twice and at any instant: told in one line, nothing lost, the rest measured later."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.cli.ending import INTERRUPTED, PATIENCE_S, SIGNALS, Ending
from hil.measure.recording import Recording, Step

TESTBED = "configs/testbeds/sim-opensource-ris.yaml"
QUICK = ("--testbed", TESTBED, "--set", "ofdm.repetitions=4")
ONCE, TWICE = (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)
Everything = dict[str, tuple[bytes, float, object]]


@pytest.fixture
def handlers() -> Any:
    """Those of a program in the foreground; this process's own come back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # a background shell has Ctrl-C ignored
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_interrupts_later_ones_are_answered_and_after_a_while_one_ends_the_program(
    handlers: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    now_s = [0.0]
    Ending(lambda: now_s[0]).begin()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    assert capfd.readouterr().err.count("made quiet first") == 3 and not ended
    now_s[0] = PATIENCE_S
    signal.raise_signal(signal.SIGINT)
    assert ended == [INTERRUPTED]


def test_a_command_whose_end_is_told_is_interrupted_no_more(handlers: object) -> None:
    command = Ending()
    command.begin()
    command.over()
    for number in SIGNALS:
        signal.raise_signal(number)  # would be a KeyboardInterrupt, or the end of this process
        assert signal.getsignal(number) is signal.SIG_IGN


def test_a_signal_that_a_shell_s_background_job_ignores_stays_ignored(handlers: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Ending().begin()
    signal.raise_signal(signal.SIGINT)  # would be a KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):  # the other one is heard
        signal.raise_signal(signal.SIGTERM)


def interrupted(*_: object) -> None:
    """What is meant to do something else."""
    raise KeyboardInterrupt


def launch(*arguments: object) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hil", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    )  # fmt: skip


def signalled(experiment: Path, numbers: Sequence[signal.Signals]) -> tuple[int, str, str]:
    """Exit code, all that is printed and run directory of `hil run --json` that gets signals amid its sweep."""
    child = launch("run", "--json", experiment, *QUICK)
    assert child.stdout is not None
    told = ""
    while "\nsweep: " not in told and (line := child.stdout.readline()):
        told += line
    for number in numbers:
        child.send_signal(number)
    rest, _ = child.communicate(timeout=60)
    return child.returncode, told + rest, told.partition("recording to ")[2].split()[0]


@pytest.mark.parametrize("numbers", [ONCE, TWICE])
def test_an_interrupted_command_keeps_what_it_has_and_goes_on_later(
    hil: Callable[..., Any], quick_experiment: Path, numbers: Sequence[signal.Signals]
) -> None:
    quick_experiment.write_text(quick_experiment.read_text() + "sweep: {group: [2, 2], block: 16}\n")
    code, told, run_dir = 0, "", ""
    for _ in range(5):  # on a busy machine the command may be through before the signal comes
        if code == 0:
            code, told, run_dir = signalled(quick_experiment, numbers)
    assert code == INTERRUPTED, told
    assert f"hil run --resume {run_dir}" in told and "Traceback" not in told
    error = json.loads(told.splitlines()[-1])
    assert (error["outcome"], error["run_dir"]) == ("ERROR", run_dir)
    resumed = hil("run", "--resume", run_dir, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["outcome"] == "PASS"


def test_who_is_interrupted_while_figures_are_drawn_is_told_how_they_are_drawn_again(
    hil: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = tmp_path / "search.yaml"
    search.write_text(
        "schema: hil-experiment/1\nkind: power_only\nsearch: {method: flips_block, budget: 64, batch: 32}\n"
        "verification: {rounds: 3, soundings: 1, held_out: 0}\n"
    )
    monkeypatch.setattr("hil.experiments.power_only.draw", interrupted)
    done = hil("run", search, *QUICK, "--json")
    run_dir = done.json["run_dir"]
    assert done.code == INTERRUPTED and f"go on with: hil run --resume {run_dir}" in done.err
    assert Recording.load(Path(run_dir)).done is not None


def steps(run_dir: object) -> Everything:
    """All that a run directory holds, by step, but for how long this computer took."""
    recording = Recording.load(Path(str(run_dir)))
    found = {name: recording.read(name) for name in recording.names}
    timed = ("software_ms", "thinking_ms", "solve_time_s")
    return {
        name: (step.data.tobytes(), step.time_s, {k: v for k, v in step.facts.items() if k not in timed})
        for name, step in found.items()
    }


def test_an_interrupted_sweep_goes_on_to_the_records_of_one_that_was_not(
    hil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hil("sweep", *QUICK, "--group", "2x2", "--json").json
    with monkeypatch.context() as hurt:
        append = Recording.append

        def amid(recording: Recording, name: str, step: Any) -> None:
            (interrupted if name == "sweep/00001" else append)(recording, name, step)

        hurt.setattr(Recording, "append", amid)
        cut = hil("sweep", *QUICK, "--group", "2x2", "--json")
    run_dir = cut.json["run_dir"]
    assert cut.code == INTERRUPTED and f"go on with: hil sweep --resume {run_dir}" in cut.err
    for more in (("--testbed", TESTBED), ("--mode", "auto"), ("--group", "2x2"), ("--record-iq",), ("--seed", 0)):
        beside = hil("sweep", "--resume", run_dir, *more)
        assert beside.code == 2 and "give no other beside it" in beside.err
    resumed = hil("sweep", "--resume", run_dir, "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["radio_time_s"] == whole["radio_time_s"]
    assert steps(run_dir) == steps(whole["run_dir"])


def test_a_closed_loop_that_has_chosen_is_no_sweep_to_go_on_with(hil: Callable[..., Any]) -> None:
    run_dir = Path(hil("sweep", *QUICK, "--group", "16x16", "--json").json["run_dir"])
    recording = Recording.resume(run_dir)
    recording.append("choice", Step(np.empty(0), recording.time_s))
    recording.finish({"outcome": "PASS"})
    done = hil("sweep", "--resume", run_dir)
    assert done.code == 2 and f"hil run --resume {run_dir}" in done.err
    assert (run_dir / "DONE").exists()
