"""The guard: whoever radiates and then cannot stop is stopped, and without a guard nobody radiates."""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.config import load_testbed
from hil.drivers import guarding
from hil.drivers.guard import Guard
from hil.drivers.guarding import GIVE_UP_S, GRACE_S, Watch, make_quiet, watch
from hil.drivers.lock import InstrumentLock
from hil.drivers.pluto_device import connect_pluto
from hil.drivers.pluto_tracking import LOOPS
from hil.errors import NotConnected, RadioError, SafetyError
from hil.testbed import serve

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
TWO_RADIOS = STATION.with_name("sim-two-plutos.yaml")
TIMEOUT_S = 30.0

words = st.lists(
    st.tuples(st.floats(0, 5), st.one_of(st.just("rest"), st.floats(0, 20).map(lambda s: f"watch {s!r}"))), max_size=12
)


@given(words, st.floats(0, 30), st.booleans())
def test_it_acts_exactly_where_the_last_word_was_watch_and_the_program_is_gone_or_late(
    said: list[tuple[float, str]], later_s: float, gone: bool
) -> None:
    state, now_s, until_s = Watch(), 0.0, None
    for pause_s, line in said:
        now_s += pause_s
        answer = state.hear(line, now_s)
        assert answer == (None if line == "rest" else "watching")
        until_s = None if line == "rest" else now_s + float(line.split()[1])
    now_s += later_s
    expected = until_s is not None and (gone or now_s > until_s + GRACE_S)
    assert (state.why_quiet(now_s, gone=gone) is not None) == expected


@pytest.mark.parametrize("line", ["watch", "watch soon", "go", "rest now", "restore loop", "restore loop=often"])
def test_a_word_that_it_does_not_know_ends_it(line: str) -> None:
    with pytest.raises(ValueError, match=r"understood|convert|unpack|invalid"):
        Watch().hear(line, 0.0)


def heard(*lines: str | None, orphaned: bool = False, step_s: float = 0.0) -> tuple[str | None, bool, list[str]]:
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for line in lines:
        waiting.put(line)
    told: list[str] = []
    times = iter(range(1000))
    why, gone = watch(Watch(), waiting, told.append, lambda: step_s * next(times), lambda: orphaned)
    return why, gone, told


def test_a_program_that_ends_on_the_air_has_its_radio_made_quiet() -> None:
    why, gone, told = heard("watch 100\n", None)
    assert why is not None and "ended" in why
    assert gone and told == ["watching"]


def test_a_program_that_ends_quietly_leaves_nothing_to_do() -> None:
    assert heard("watch 100\n", "rest\n", None) == (None, True, ["watching"])


def test_a_program_that_is_gone_is_noticed_where_a_child_of_its_holds_the_pipe_open() -> None:
    why, gone, _ = heard("watch 100\n", orphaned=True)
    assert gone and why is not None


def test_a_program_that_is_over_its_time_is_not_waited_for() -> None:
    why, gone, _ = heard("watch 1\n", step_s=1.0)
    assert not gone
    assert why is not None and "permitted time" in why


def test_it_tries_until_it_is_quiet() -> None:
    failures = iter([NotConnected("busy"), RadioError("stays on"), None])

    def attempt() -> None:
        if (failure := next(failures)) is not None:
            raise failure

    assert make_quiet(attempt, lambda: 0.0, lambda _s: None) is None
    assert next(failures, "spent") == "spent"


def test_it_gives_up_in_the_end_and_says_why() -> None:
    now_s = [0.0]

    def attempt() -> None:
        raise NotConnected("unplugged")

    def sleep(duration_s: float) -> None:
        now_s[0] += duration_s

    assert make_quiet(attempt, lambda: now_s[0], sleep) == "unplugged"
    assert now_s[0] == pytest.approx(GIVE_UP_S, abs=1)


def test_it_keeps_what_it_is_told_to_put_back_until_the_radio_is_quiet() -> None:
    state = Watch()
    assert state.hear("watch 100", 0.0) == "watching"
    assert state.hear("restore quadrature_tracking_en=1 bb_dc_offset_tracking_en=0", 0.0) is None
    assert state.found == {"quadrature_tracking_en": "1", "bb_dc_offset_tracking_en": "0"}
    state.hear("watch 100", 1.0)
    assert state.found
    state.hear("rest", 2.0)
    assert state.found == {}


def test_a_second_guard_waits_for_the_first(tmp_path: Path) -> None:
    with InstrumentLock("guard", "x", tmp_path) as first, InstrumentLock("guard", "x", tmp_path) as second:
        first.acquire()
        with pytest.raises(NotConnected):
            second.acquire(0.01)
        first.close()
        second.acquire(0.01)


def test_nothing_is_radiated_nor_held_without_a_guard() -> None:
    with pytest.raises(SafetyError, match="guard"):
        Guard("ip:127.0.0.1", 1.0).watch(10.0)
    with pytest.raises(SafetyError, match="guard"):
        Guard("ip:127.0.0.1", 1.0).restore_later({"quadrature_tracking_en": "1"})


class SaidGuard(Guard):
    """Writes down what its process would be told."""

    def __init__(self) -> None:
        super().__init__("ip:127.0.0.1", 1.0, now_s=lambda: 0.0)
        self.said: list[str] = []

    def _say(self, line: str) -> None:
        self.said.append(line)

    def _expect(self, answer: str, limit_s: float) -> None: ...


def test_a_radio_whose_loops_are_held_is_watched_and_on_the_air_for_as_long_as_is_permitted() -> None:
    guard = SaidGuard()
    guard.restore_later({"quadrature_tracking_en": "1"})
    guard.watch(600.0)
    guard.restore_later({"quadrature_tracking_en": "1"})
    guard.rest()
    restore = "restore quadrature_tracking_en=1"
    assert guard.said == ["watch inf", restore, "watch 600.0", restore, "rest"]


@pytest.mark.parametrize(
    ("said", "failure", "code", "word"),
    [
        ("watch 100\nrest\n", None, 0, ""),
        ("watch 100\nrestore quadrature_tracking_en=1\n", None, 3, "made quiet within"),
        ("watch 100\nrestore quadrature_tracking_en=1\n", NotConnected("unplugged"), 4, "IT MAY STILL RADIATE"),
    ],
)
def test_how_it_ends_tells_what_it_had_to_do(
    said: str, failure: Exception | None, code: int, word: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    """A program that ended quietly leaves its radio to others: the guard does not touch it."""
    quieted: list[tuple[object, ...]] = []

    def quiet_once(*what: object) -> None:
        quieted.append(what)
        if failure is not None:
            raise failure

    monkeypatch.setattr(guarding, "quiet_once", quiet_once)
    monkeypatch.setattr(guarding, "GIVE_UP_S", 0.0)
    monkeypatch.setattr(guarding, "import_adi", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))
    assert guarding.main("ip:192.0.2.7", 1.5) == code
    assert quieted == ([("ip:192.0.2.7", 1.5, {"quadrature_tracking_en": "1"})] if code else [])
    told = capsys.readouterr()
    assert told.out.split() == ["ready", "watching"]
    assert word in told.err and bool(told.err) == bool(code)


@pytest.mark.parametrize(("program", "ended"), [(None, []), (11, []), (12, [12])])
def test_a_program_that_holds_the_radio_is_killed_only_while_it_is_the_guard_s_own(
    program: int | None, ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of one that is gone may be another's by now."""
    killed: list[int] = []

    def busy(*_what: object) -> None:
        raise NotConnected("busy")

    monkeypatch.setattr(guarding, "quiet_once", busy)
    monkeypatch.setattr(os, "getppid", lambda: 12)
    monkeypatch.setattr(os, "kill", lambda pid, _signal: killed.append(pid))
    with pytest.raises(NotConnected, match="busy"):
        guarding._stop_and_quiet("ip:192.0.2.7", 1.5, {}, program)
    assert killed == ended


# ------------------------------------------------------------------------------------------------- over the wire

PROGRAM = """
import json, sys
from hil.errors import SafetyError
from hil.testbed import open_testbed
station, where = sys.argv[1], json.loads(sys.argv[2])
with open_testbed(station, overrides=where) as testbed, testbed.on_air():
    radio = getattr(testbed.sdr, "_receiver", testbed.sdr)
    print(radio._connection._guard.pid, flush=True)
    for _ in sys.stdin:
        try:
            testbed.sdr.capture(1024)
            print("captured", flush=True)
        except SafetyError as error:
            print(error, flush=True)
            break
"""


def launch(station: Path, where: dict[str, object], locks: Path) -> tuple["subprocess.Popen[str]", int]:
    """A program that radiates, and the process number of its guard, of two radios that of the receiver's.

    Its locks are its own: simulated radios of other tests have the same serial number.
    """
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(station), json.dumps(where)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(locks)},
    )
    assert program.stdout is not None
    return program, int(program.stdout.readline())


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "hil", "sim", "serve", "--testbed", str(STATION)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.terminate()
            server.wait(timeout=TIMEOUT_S)


Start = Callable[..., tuple["subprocess.Popen[str]", int]]


@pytest.fixture
def start(served: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a program that radiates; returns it and its guard's process number."""
    programs: list[subprocess.Popen[str]] = []

    def start(max_duration_s: float = 600.0) -> tuple["subprocess.Popen[str]", int]:
        where = {"radio.uri": served["pluto"], "surface.port": served["board"]}
        program, guard = launch(STATION, {**where, "safety.max_duration_s": max_duration_s}, tmp_path)
        programs.append(program)
        return program, guard

    yield start
    for program in programs:
        program.kill()
        program.communicate(timeout=TIMEOUT_S)


def radiates(uri: str) -> bool:
    """What the radio itself says, over a connection of its own."""
    device = connect_pluto(uri, 5.0)
    lo = device._ctrl.find_channel("altvoltage1", True).attrs["powerdown"].value
    return bool(lo == "0" or device.tx_hardwaregain_chan0 > -89)


def held_loops(uri: str) -> set[str]:
    """Tracking loops of the receiver that do not run, by what the radio itself says."""
    device = connect_pluto(uri, 5.0)  # which its attributes do not keep alive
    attrs = device._ctrl.find_channel("voltage0", False).attrs
    return {loop for loop in LOOPS if attrs[loop].value == "0"}


def until_quiet(uri: str) -> bool:
    end_s = time.monotonic() + TIMEOUT_S
    while radiates(uri):
        if time.monotonic() > end_s:
            return False
    return True


def until_gone(pid: int) -> bool:
    """Whether a process that is not our child ends; a guard ends once it has done its work."""
    end_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end_s:
        try:
            os.kill(pid, 0)
            zombie = Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")
        except (ProcessLookupError, FileNotFoundError):
            return True
        if zombie:
            return True
    return False


@pytest.mark.wire
def test_a_killed_program_s_radio_is_quiet_soon_and_its_loops_run(start: Start, served: dict[str, str]) -> None:
    program, guard = start()
    assert radiates(served["pluto"])
    assert held_loops(served["pluto"]) == set(LOOPS)
    program.kill()
    assert until_quiet(served["pluto"])
    assert until_gone(guard)
    assert held_loops(served["pluto"]) == set()


@pytest.mark.wire
def test_of_two_radios_the_one_that_receives_gets_its_loops_back_too_when_the_program_is_killed(tmp_path: Path) -> None:
    with serve(load_testbed(TWO_RADIOS)) as there:
        where = {"radio.uri": there.pluto_uri, "receiver.uri": there.receiver_uri, "surface.port": there.board_port}
        program, guard = launch(TWO_RADIOS, where, tmp_path)
        assert there.receiver_uri is not None
        try:
            held = held_loops(there.receiver_uri)
        finally:
            program.kill()
            program.communicate(timeout=TIMEOUT_S)
        assert held == set(LOOPS)
        assert until_gone(guard)
        assert held_loops(there.receiver_uri) == set()
        assert until_quiet(there.pluto_uri)


@pytest.mark.wire
def test_a_frozen_program_s_radio_is_quiet_once_its_time_is_over(start: Start, served: dict[str, str]) -> None:
    program, guard = start(max_duration_s=1.0)
    program.send_signal(signal.SIGSTOP)
    assert until_quiet(served["pluto"])
    assert until_gone(guard)


@pytest.mark.wire
def test_a_program_whose_guard_was_killed_goes_quiet_by_itself(start: Start, served: dict[str, str]) -> None:
    program, guard = start()
    assert radiates(served["pluto"])
    os.kill(guard, signal.SIGKILL)
    assert until_gone(guard)
    said, _ = program.communicate(2000 * "capture\n", timeout=TIMEOUT_S)  # its threads may end a little later
    assert "its guard" in said.splitlines()[-1]
    assert not radiates(served["pluto"])


@pytest.mark.wire
def test_a_program_that_ends_well_ends_its_guard(start: Start, served: dict[str, str]) -> None:
    program, guard = start()
    said, _ = program.communicate("capture\n", timeout=TIMEOUT_S)
    assert said.strip() == "captured"
    assert program.returncode == 0
    assert until_gone(guard)
    assert not radiates(served["pluto"])
