"""The board in real time for other programs: pyserial on a pseudo-terminal, a socket on loopback."""

import os
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import serial

from hil.firmware.profile import load_profile
from hil.sim.board import build_board
from hil.sim.clock import RealTimeClock
from hil.sim.faults import Fault, Faults
from hil.sim.pty import serve_pty, serve_tcp

pytestmark = pytest.mark.wire("pty")

DIGITS = b"00112233445566778899AABBCCDDEEFF" * 2
SET = b"!0x" + DIGITS + b"\n"
TILE = b"01" + b";".join([b" ".join([b"1"] * 32)] * 16)
PATIENCE_S = 5.0


class Log:
    def __init__(self):
        self.shown = []

    def set_pattern(self, states, time_s):
        self.shown.append((time_s, states))


@pytest.fixture
def clock():
    with RealTimeClock() as clock:
        yield clock


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def ris(clock, log):
    board = build_board(load_profile("opensource-ris-16x16"), log)
    with serve_pty(board, clock, baud=115200) as server:
        yield server


@pytest.fixture
def tile(clock, log):
    with serve_tcp(build_board(load_profile("openris-tile"), log), clock) as server:
        yield server


def open_port(server, **options):
    port = serial.Serial(server.path, 115200, timeout=PATIENCE_S, write_timeout=PATIENCE_S, **options)
    port.reset_input_buffer()
    return port


def connect(server):
    host, port = server.path.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def test_pyserial_sets_a_pattern_and_reads_it_back(ris, log):
    with open_port(ris, rtscts=True, exclusive=True) as port:
        port.write(SET)
        assert port.readline() == b"#OK\n"
        port.write(b"?Pattern\n")
        assert port.readline() == b"#0X" + DIGITS + b"\n"
    assert np.packbits(log.shown[-1][1]).tobytes() == bytes.fromhex(DIGITS.decode())


def test_bytes_take_the_time_of_the_line(ris):
    with open_port(ris) as port:
        start_s = time.monotonic()
        port.write(SET)
        assert port.readline() == b"#OK\n"
        assert time.monotonic() - start_s > 71 * 10 / 115200 + 1e-4


def test_clients_come_one_after_the_other_and_find_the_pattern_of_the_one_before(ris):
    for _ in range(3):
        with open_port(ris) as port:
            port.write(SET)
            assert port.readline() == b"#OK\n"
    with open_port(ris) as port:
        port.write(b"?Pattern\n")
        assert port.readline() == b"#0X" + DIGITS + b"\n"


def test_a_client_that_dies_in_the_middle_of_a_command_takes_nothing_down(ris):
    script = f"import os; os.write(os.open({ris.path!r}, os.O_RDWR | os.O_NOCTTY), b'!0x0011'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script], timeout=PATIENCE_S)
    with open_port(ris) as port:
        port.write(b"\n" + SET)
        assert port.readline() == b"#OK\n"


def test_answers_that_nobody_reads_are_lost_and_do_not_stop_the_board(clock, log):
    board = build_board(load_profile("opensource-ris-16x16"), log)
    with serve_pty(board, clock, baud=50_000_000, latency_s=1e-3) as server:
        server.line.suffer(lambda board, time_s: board._send(time_s, bytes(200_000)))  # more than the kernel holds
        clock.sleep(200_000 * 10 / 50e6 + 0.01)
        with open_port(server) as port:
            port.write(SET)
            assert port.readline() == b"#OK\n"


def test_the_server_ends_by_itself_when_it_is_closed(ris):
    before = threading.active_count()
    ris.close()
    ris.close()
    assert threading.active_count() == before - 1
    with pytest.raises(OSError):
        os.open(ris.path, os.O_RDWR | os.O_NOCTTY)


def test_a_board_may_restart_while_the_port_is_open(ris):
    with open_port(ris) as port:
        port.write(b"!Reset\n")
        assert port.read_until(b"#READY!\n").endswith(b"#READY!\n")


def test_faults_reach_the_pseudo_terminal_too(clock, log):
    faults = Faults()
    faults.arm(Fault.STALE_ACK)
    faults.arm(Fault.DUPLICATE, "to_host")
    board = build_board(load_profile("opensource-ris-16x16"), log)
    with serve_pty(board, clock, baud=115200, faults=faults) as server, open_port(server) as port:
        port.write(SET)
        assert port.readline() == b"#OK\n"
        port.write(SET)
        deadline_s = time.monotonic() + PATIENCE_S
        while faults.counts[Fault.STALE_ACK] == 0 and time.monotonic() < deadline_s:
            port.read(1)
    assert faults.counts == {Fault.STALE_ACK: 1, Fault.DUPLICATE: 1}


def test_a_tcp_client_sets_a_pattern(tile, log):
    with connect(tile) as client:
        client.sendall(TILE)
        assert client.recv(10) == b"a"
    assert (log.shown[-1][1] == 3).all()


def test_a_tcp_board_greets_each_client(clock, log):
    with serve_tcp(build_board(load_profile("uofg-3bit-192"), log), clock) as server:
        for _ in range(3):
            with connect(server) as client:
                assert client.recv(1) + client.recv(1) == b"aa"
                client.sendall(b"000" * 192)
                assert client.recv(10) == b"a"


def test_a_tcp_board_hangs_up_and_takes_the_next_client(tile):
    with connect(tile) as client:
        client.sendall(b"x" * 1025)
        assert client.recv(10) == b"b"
        assert client.recv(10) == b""
    with connect(tile) as client:
        client.sendall(TILE)
        assert client.recv(10) == b"a"


def test_a_tcp_client_that_dies_takes_nothing_down(tile):
    client = connect(tile)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
    client.sendall(TILE)
    client.close()
    with connect(tile) as client:
        client.sendall(TILE)
        assert client.recv(10) == b"a"
