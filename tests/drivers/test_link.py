"""Links carry bytes within deadlines, have one owner, and say what to do where they fail."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hil.drivers.link import SerialLink, TcpLink, UdpLink, find_ports, latency_timer_ms, make_link
from hil.drivers.lock import InstrumentLock
from hil.errors import ConfigError, LinkError, LinkTimeout, NotConnected
from hil.firmware.protocol import NetworkConfig, SerialConfig
from hil.interfaces import ByteLink

SERIAL = SerialConfig(kind="serial", baud=115200, rtscts=True, dtr="asserted")
TCP = NetworkConfig(kind="tcp", host="127.0.0.1", port=1)
SOON_S = 2.0


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """Master end and path of a pseudo-terminal."""
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        for end in (master, slave):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SOON_S)
        yield listener


def read_all(master: int, size: int) -> bytes:
    data = b""
    while len(data) < size and select.select([master], [], [], SOON_S)[0]:
        data += os.read(master, size - len(data))
    return data


def took_s(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


# --------------------------------------------------------------------------------------------------------------- serial


@pytest.mark.wire("pty")
def test_a_serial_link_carries_every_byte_both_ways(pty: tuple[int, str]) -> None:
    master, path = pty
    link = SerialLink(path, SERIAL)
    assert isinstance(link, ByteLink)
    with link:
        link.open()
        every = bytes(range(256))
        link.write(every)
        assert read_all(master, 256) == every
        os.write(master, every)
        received = b""
        while len(received) < 256 and (more := link.read(100, SOON_S)):
            assert len(more) <= 100
            received += more
        assert received == every


@pytest.mark.wire("pty")
def test_a_read_ends_at_its_deadline_and_as_soon_as_there_is_a_byte(pty: tuple[int, str]) -> None:
    master, path = pty
    with SerialLink(path, SERIAL) as link:
        link.open()
        assert took_s(lambda: link.read(10, 0.05)) == pytest.approx(0.05, abs=0.04)
        assert took_s(lambda: link.read(10, 0.0)) < 0.03
        os.write(master, b"#OK\n")
        assert took_s(lambda: link.read(4096, 5.0)) < 1.0


@pytest.mark.wire("pty")
def test_opening_again_forgets_what_was_received(pty: tuple[int, str]) -> None:
    master, path = pty
    with SerialLink(path, SERIAL) as link:
        link.open()
        os.write(master, b"old")
        link.open()
        link.read(10, 0.05)
        os.write(master, b"new")
        assert link.read(10, SOON_S).endswith(b"new")


@pytest.mark.wire("pty")
def test_a_second_controller_fails_at_once_and_is_told_who_has_the_board(pty: tuple[int, str]) -> None:
    with SerialLink(pty[1], SERIAL) as first:
        first.open()
        code = (
            "import sys, time\n"
            "from hil.drivers.link import SerialLink\n"
            "from hil.firmware.protocol import SerialConfig\n"
            "link = SerialLink(sys.argv[1], SerialConfig(kind='serial', baud=115200)); started = time.perf_counter()\n"
            "try: link.open()\n"
            "except Exception as error: print(type(error).__name__, time.perf_counter() - started, error)"
        )
        told = subprocess.run(
            [sys.executable, "-c", code, pty[1]], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    kind, duration_s, message = told.split(" ", 2)
    assert kind == "NotConnected"
    assert float(duration_s) < 1.0
    assert f"in use by process {os.getpid()}" in message


@pytest.mark.wire("pty")
def test_a_board_is_free_again_once_its_link_is_closed(pty: tuple[int, str]) -> None:
    with SerialLink(pty[1], SERIAL) as first:
        first.open()
    with SerialLink(pty[1], SERIAL) as second:
        second.open()
        assert second.read(1, timeout_s=0.0) == b""


def test_a_port_that_does_not_exist_is_not_connected_with_the_fix(tmp_path: Path) -> None:
    link = SerialLink(str(tmp_path / "ttyUSB7"), SERIAL)
    with pytest.raises(NotConnected, match=r"ttyUSB7: cannot be opened .*is the cable plugged in"):
        link.open()
    with pytest.raises(NotConnected, match="cannot be opened"):
        SerialLink(link.name, SERIAL).open()


class RecordedPort:
    """A serial port that keeps how it was set when it opened."""

    def open(self) -> None:
        self.set_before = dict(vars(self))

    def close(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    ("asked", "dtr", "rts"),
    [
        ({"rtscts": True, "dtr": "any", "rts": "released"}, None, None),
        ({"dtr": "asserted", "rts": "released"}, True, False),
        ({"dtr": "released", "rts": "asserted"}, False, True),
    ],
)
def test_a_port_is_set_as_the_profile_says_before_it_opens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: dict[str, object], dtr: bool | None, rts: bool | None
) -> None:
    port = RecordedPort()
    monkeypatch.setattr("serial.Serial", lambda: port)
    with SerialLink(str(tmp_path / "ttyUSB7"), SerialConfig(kind="serial", baud=3_000_000, **asked)) as link:
        link.open()
    told = port.set_before
    assert (told["baudrate"], told["rtscts"]) == (3_000_000, "rtscts" in asked)
    assert (told.get("dtr"), told.get("rts")) == (dtr, rts)
    assert told["exclusive"] is True


@pytest.mark.wire("pty")
def test_a_board_that_holds_the_line_off_is_a_time_out(pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.drivers.link.WRITE_TIMEOUT_S", 0.05)
    with SerialLink(pty[1], SERIAL) as link:
        link.open()
        with pytest.raises(LinkTimeout, match="holds the line off"):
            link.write(bytes(1_000_000))


@pytest.mark.wire("pty")
def test_a_port_that_vanishes_is_a_link_error(pty: tuple[int, str]) -> None:
    master, path = pty
    with SerialLink(path, SERIAL) as link:
        link.open()
        os.close(master)
        with pytest.raises(LinkError, match="the port is gone"):
            for _ in range(3):
                link.write(b"x")
                link.read(1, 0.05)


@pytest.mark.parametrize("link", [SerialLink("/dev/null", SERIAL), TcpLink("127.0.0.1", 1), UdpLink("127.0.0.1", 1)])
def test_a_link_that_was_never_opened_says_so_and_can_be_closed(link: ByteLink) -> None:
    with pytest.raises(LinkError, match="is closed"):
        link.write(b"x")
    with pytest.raises(LinkError, match="is closed"):
        link.read(1, 0.0)
    link.close()
    link.close()


# -------------------------------------------------------------------------------------------------------------- network


def test_a_tcp_link_carries_bytes_and_tells_when_the_server_leaves(server: socket.socket) -> None:
    with TcpLink("127.0.0.1", server.getsockname()[1]) as link:
        link.open()
        peer, _ = server.accept()
        with peer:
            link.write(b"0" * 1025)
            assert peer.recv(4096) == b"0" * 1025
            assert took_s(lambda: link.read(10, 0.05)) < 1.0
            assert link.read(10, 0.0) == b""
            peer.sendall(b"a")
            assert link.read(10, SOON_S) == b"a"
        with pytest.raises(LinkError, match="server closed the connection"):
            link.read(10, SOON_S)


def test_opening_a_tcp_link_again_is_a_new_connection(server: socket.socket) -> None:
    with TcpLink("127.0.0.1", server.getsockname()[1]) as link:
        link.open()
        first, _ = server.accept()
        link.open()
        second, _ = server.accept()
        with first, second:
            assert first.recv(1) == b""
            second.sendall(b"a")
            assert link.read(1, SOON_S) == b"a"


def test_a_server_that_takes_no_bytes_is_a_time_out(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.drivers.link.WRITE_TIMEOUT_S", 0.05)
    with TcpLink("127.0.0.1", server.getsockname()[1]) as link:
        link.open()
        with pytest.raises(LinkTimeout, match="takes no bytes"):
            link.write(bytes(50_000_000))


def test_a_tcp_link_waits_for_no_full_segment_and_for_no_server_longer_than_it_says(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[socket.socket, float]] = []
    connect = socket.create_connection

    def watched(address: tuple[str, int], timeout_s: float) -> socket.socket:
        made.append((connect(address, timeout_s), timeout_s))
        return made[0][0]

    monkeypatch.setattr(socket, "create_connection", watched)
    with TcpLink("127.0.0.1", server.getsockname()[1]) as link:
        link.open()
        ((connection, timeout_s),) = made
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert 0 < timeout_s < 10


def test_a_server_that_is_not_there_is_not_connected_with_the_fix(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    with pytest.raises(NotConnected, match="is the board's server running"):
        TcpLink("127.0.0.1", port).open()


def test_a_udp_link_takes_answers_from_any_port_of_the_board() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as board:
        board.bind(("127.0.0.1", 0))
        board.settimeout(SOON_S)
        with UdpLink("127.0.0.1", board.getsockname()[1]) as link:
            link.open()
            link.write(b"+45")
            data, host = board.recvfrom(100)
            assert data == b"+45"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other_port:
                other_port.sendto(b"Done", host if host[0] != "0.0.0.0" else ("127.0.0.1", host[1]))
            assert link.read(100, SOON_S) == b"Done"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.2", 0))
                stranger.sendto(b"Done", ("127.0.0.1", host[1]))
            assert link.read(100, SOON_S) == b"", "of somebody else"
            assert link.read(100, 0.02) == b""


def test_a_udp_link_listens_where_the_board_sends_its_answers() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as board:
        board.bind(("127.0.0.1", 0))
        with UdpLink("127.0.0.1", board.getsockname()[1], free[1]) as link:
            link.open()
            board.sendto(b"Done", free)
            assert link.read(100, SOON_S) == b"Done"


# ------------------------------------------------------------------------------------------------------ ports and locks


def test_a_port_s_text_decides_the_kind_of_link() -> None:
    assert isinstance(make_link("/dev/ttyUSB0", SERIAL), SerialLink)
    assert isinstance(make_link("tcp://192.168.4.1:8080", TCP), TcpLink)
    assert isinstance(make_link("tcp://127.0.0.1:4000", SERIAL), TcpLink), "a serial board behind a server"
    assert isinstance(make_link("udp://10.0.0.2:1234", TCP), UdpLink)
    assert make_link("tcp://192.168.4.1:8080", TCP).name == "tcp://192.168.4.1:8080"


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "tcp://host", "tcp://:80"])
def test_a_port_that_does_not_fit_the_board_is_a_configuration_error(port: str) -> None:
    with pytest.raises(ConfigError, match=r"surface\.port"):
        make_link(port, TCP)


def test_ports_are_found_by_what_the_adapter_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"device": "/dev/ttyUSB1", "vid": 0x403, "pid": 0x6015, "product": "Open Source RIS", "serial_number": "D3A"}
    others = ({"pid": 0x6001}, {"vid": 1}, {"product": "FT231X"}, {"serial_number": "A1"}, {"product": None})
    ports = [SimpleNamespace(**ours), *(SimpleNamespace(**{**ours, "device": "other", **other}) for other in others)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    usb = {"vid": 0x403, "pid": 0x6015, "product": "Open Source RIS", "serial_prefix": "D3"}
    assert find_ports(SerialConfig(kind="serial", baud=115200, usb=(usb,))) == ["/dev/ttyUSB1"]


def test_the_latency_timer_is_read_from_sysfs_and_unknown_elsewhere(tmp_path: Path) -> None:
    timer = tmp_path / "ttyUSB3" / "latency_timer"
    timer.parent.mkdir()
    timer.write_text("16\n")
    assert latency_timer_ms("/dev/ttyUSB3", tmp_path) == 16
    assert latency_timer_ms("/dev/ttyACM0", tmp_path) is None
    timer.write_text("fast")
    assert latency_timer_ms("/dev/ttyUSB3", tmp_path) is None


def test_two_threads_of_one_program_do_not_share_an_instrument(tmp_path: Path) -> None:
    with InstrumentLock("board", "/dev/x", tmp_path) as first:
        first.acquire()
        failures: list[str] = []

        def try_it() -> None:
            try:
                InstrumentLock("board", "/dev/x", tmp_path).acquire()
            except NotConnected as error:
                failures.append(str(error))

        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join(SOON_S)
    assert failures[0].startswith(f"board /dev/x: in use by process {os.getpid()} ")
    assert failures[0].endswith(", this program itself: are two instruments of the testbed one and the same?")


def test_an_instrument_of_another_program_is_told_with_that_program(tmp_path: Path) -> None:
    with InstrumentLock("board", "/dev/x", tmp_path) as first:
        first.acquire()
        (owner,) = tmp_path.glob("*.owner")
        owner.write_text("process 1 (init)")
        with pytest.raises(NotConnected, match=r"in use by process 1 \(init\); end that program first"):
            InstrumentLock("board", "/dev/x", tmp_path).acquire()
    InstrumentLock("board", "/dev/x", tmp_path).acquire()


@pytest.mark.wire("pty")
def test_a_board_has_one_owner_whatever_its_port_is_called(pty: tuple[int, str], tmp_path: Path) -> None:
    alias = tmp_path / "by-id"
    alias.symlink_to(pty[1])
    with SerialLink(pty[1], SERIAL) as first:
        first.open()
        with pytest.raises(NotConnected, match="in use by process"):
            SerialLink(str(alias), SERIAL).open()
