"""An optimizer host behind mutual TLS on loopback: the same answers, nobody else let in, killed and frozen."""

import random
import signal
import socket
import ssl
import time
from pathlib import Path

import numpy as np
import pytest

from hil.engine import Method, host_engine, line, open_engine, work
from hil.engine.certs import make_certificates
from hil.engine.processes import HostProcesses
from hil.engine.wire import unpack_answer
from hil.errors import ConfigError, NotConnected

ROUND_S = 0.3
BACK_WITHIN_S = 5.0
METHOD = Method("tap-space", certify=False)


class Loop:
    """Rounds on end, as a loop has them; each must bring a pattern in time."""

    def __init__(self, engine, problem, number: int = 0) -> None:
        self.engine, self.problem, self.number = engine, problem, number

    def round(self) -> str:
        """Where it was made."""
        self.number += 1
        began_s = time.monotonic()
        reply = self.engine.optimize(self.number, self.problem, METHOD, deadline_s=ROUND_S)
        assert time.monotonic() - began_s < ROUND_S + 2.0, "a round waited past its deadline and its search"
        assert reply.round_number == self.number and reply.solution.pattern is not None
        assert (reply.place == "host") == (reply.note == "")
        return reply.place

    def until_back(self) -> float:
        """Seconds until a round is made at the host again."""
        began_s = time.monotonic()
        while self.round() != "host":
            assert time.monotonic() - began_s < 4 * BACK_WITHIN_S
        return time.monotonic() - began_s


def break_and_mend(host: HostProcesses, loop: Loop, role: str, kill: bool) -> float:
    """Kill or freeze one process in mid-run; seconds from its return until a round is made there."""
    host.signal(role, signal.SIGKILL if kill else signal.SIGSTOP)
    places = {loop.round() for _ in range(3)}
    assert places == {"here"}, "a dead host answered"
    host.start(role) if kill else host.signal(role, signal.SIGCONT)
    return loop.until_back()


@pytest.fixture
def problem(make_problem):
    return make_problem(8, 8)


def test_the_host_gives_the_answer_that_would_have_been_given_here(host, problem):
    with open_engine(host.config()) as there, open_engine() as here:
        for number, method in enumerate((METHOD, Method("neural-prior", epochs=3, seed=4)), 1):
            replies = [engine.optimize(number, problem, method) for engine in (there, here)]
            assert [reply.place for reply in replies] == ["host", "here"]
            assert [reply.warm for reply in replies] == [number > 1] * 2
            first, second = (reply.solution for reply in replies)
            for name in ("pattern", "reflection", "rate_mbps", "bound_mbps", "history", "code"):
                assert np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True), name
            assert first.stages == second.stages


def test_what_the_algorithm_refuses_is_refused_at_the_host_too(host, problem):
    with open_engine(host.config()) as engine:
        with pytest.raises(ConfigError, match="no 'best'"):
            engine.optimize(1, problem, Method("best"))
        assert engine.optimize(2, problem, METHOD).place == "host"


def test_an_answer_that_is_none_costs_no_round(host, problem, monkeypatch):
    with open_engine(host.config()) as engine:
        monkeypatch.setattr(line, "unpack_answer", lambda blob, asked: unpack_answer(blob[:40], asked))
        reply = engine.optimize(1, problem, METHOD)
        assert reply.place == "here" and "an answer that is none" in reply.note
        monkeypatch.undo()
        assert Loop(engine, problem, 1).until_back() < BACK_WITHIN_S


def test_other_versions_are_refused_with_what_differs(host, monkeypatch):
    ours = work.versions()
    monkeypatch.setattr(work, "version", lambda name: {"numpy": "1.0", "hil": "9"}.get(name, ours[name]))
    with pytest.raises(ConfigError, match=rf"numpy 1.0 here, {ours['numpy']} there; hil 9 here") as caught:
        open_engine(host.config())
    assert "torch" not in str(caught.value)


def test_nobody_at_the_address_is_told_at_the_start(host, monkeypatch):
    monkeypatch.setattr(host_engine, "OPEN_S", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = host.config().model_copy(update={"scheduler": f"tls://127.0.0.1:{taken.getsockname()[1]}"})
        with pytest.raises(NotConnected, match="is `hil host scheduler` up"):
            open_engine(config)


def test_a_user_stays_with_the_worker_that_has_its_state(host, problem):
    host.start("second", "--device", "cpu")
    with open_engine(host.config()) as engine:
        replies = []
        for number in range(6):
            users = "ab" if number % 2 else "ba"  # left to itself, the first comer would always get the same worker
            methods = [Method("neural-prior", epochs=2, certify=False, user=user) for user in users]
            tickets = [engine.submit(number, problem, method) for method in methods]
            replies.append([engine.result(ticket) for ticket in tickets])
    host.signal("second", signal.SIGKILL)
    assert {reply.place for both in replies for reply in both} == {"host"}
    assert [[reply.warm for reply in both] for both in replies] == [[False] * 2] + [[True] * 2] * 5


def connection_to(host: HostProcesses) -> socket.socket:
    name, _, port = host.address.removeprefix("tls://").rpartition(":")
    connection = socket.create_connection((name, int(port)), timeout=5)
    connection.settimeout(5)
    return connection


def received(connection: socket.socket) -> bytes:
    """What the other end says before it hangs up; empty for a reset."""
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""


def test_a_client_that_speaks_no_tls_hears_nothing(host):
    with connection_to(host) as connection:
        connection.sendall((8).to_bytes(8, "little") + b"\x00" * 64)
        heard = received(connection)
    assert heard[:1] in (b"", b"\x15"), "anything but a TLS alert"


@pytest.mark.parametrize("stranger", [False, True])
def test_a_client_without_a_certificate_of_our_authority_hears_nothing(host, tmp_path, stranger):
    context = ssl.create_default_context(cafile=host.tls.ca)
    context.check_hostname = False
    if stranger:
        make_certificates(tmp_path, ["localhost"])
        context.load_cert_chain(tmp_path / "localhost.pem", tmp_path / "localhost.key")
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        connection_to(host) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.recv(1)  # in TLS 1.3 the server's refusal comes with the first read


def test_an_engine_with_a_certificate_of_another_authority_is_not_let_in(host, tmp_path, monkeypatch):
    monkeypatch.setattr(host_engine, "OPEN_S", 1.0)
    make_certificates(tmp_path, ["localhost"])
    files = {"cert": str(tmp_path / "localhost.pem"), "key": str(tmp_path / "localhost.key")}
    with pytest.raises(NotConnected):
        open_engine(host.config().model_copy(update=files))


def listening_addresses(pid: int) -> set[str]:
    """Local addresses, in hexadecimal, at which a process listens."""
    inodes = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_without_certificates_everything_listens_on_loopback_only(tmp_path):
    with HostProcesses(tmp_path) as processes:
        for role in ("scheduler", "worker"):
            processes.start(role)
            assert listening_addresses(processes.running[role].pid) == {"0100007F"}, role


def test_a_worker_that_freezes_or_dies_costs_no_round(host, problem):
    with open_engine(host.config()) as engine:
        loop = Loop(engine, problem)
        loop.until_back()
        assert break_and_mend(host, loop, "worker", kill=False) < BACK_WITHIN_S
        assert break_and_mend(host, loop, "worker", kill=True) < BACK_WITHIN_S
        reply = engine.optimize(loop.number + 1, problem, METHOD)
        assert reply.warm and reply.place == "host"


def test_a_scheduler_that_freezes_or_dies_costs_no_round(host, problem):
    with open_engine(host.config()) as engine:
        loop = Loop(engine, problem)
        loop.until_back()
        assert break_and_mend(host, loop, "scheduler", kill=False) < BACK_WITHIN_S
        assert break_and_mend(host, loop, "scheduler", kill=True) < BACK_WITHIN_S


def test_a_worker_ends_when_it_is_told_to_and_its_successor_goes_on_from_its_checkpoint(host, problem):
    with open_engine(host.config()) as engine:
        assert engine.optimize(1, problem, METHOD).place == "host"
        assert host.stop("worker") == 130
        host.start("worker")
        second = engine.optimize(2, problem, METHOD, deadline_s=10.0)
    assert second.place == "host" and second.warm


@pytest.mark.soak
def test_twenty_kills_and_freezes_of_worker_and_scheduler(host, problem):
    rng, back_s = random.Random(1), []
    with open_engine(host.config()) as engine:
        loop = Loop(engine, problem)
        for number in range(20):
            for _ in range(rng.randrange(1, 8)):
                loop.until_back()
            role, kill = ("worker", "scheduler")[number % 2], rng.random() < 0.5
            back_s.append(break_and_mend(host, loop, role, kill))
    print(f"\n{loop.number} rounds, each with a pattern; back after {max(back_s):.2f} s at most: {np.round(back_s, 2)}")
    assert max(back_s) < BACK_WITHIN_S


def test_closing_is_quick_whatever_state_the_host_is_in(host):
    engine = open_engine(host.config())
    host.signal("scheduler", signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        engine.close()
        assert time.monotonic() - began_s < 3.0
    finally:
        host.signal("scheduler", signal.SIGCONT)
