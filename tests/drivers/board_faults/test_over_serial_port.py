"""The same through the kernel's pseudo-terminal and pyserial, each byte the way that it goes at the bench.

With the virtual clock in step: time-outs cost nothing, and the same happens on a busy machine. And all in real time,
threads and time-outs included: a few steps, each a tenth of a second.
"""

import fcntl
import os
import struct
import termios
import time
import tty
from collections import Counter
from typing import ClassVar

import pytest

from hil.drivers.link import SerialLink
from hil.interfaces import SystemClock
from hil.sim.clock import RealTimeClock, VirtualClock
from hil.sim.faults import Fault
from hil.sim.pty import serve_pty
from hil.sim.serial_link import BoardLine

LATENCY_S = 1e-3
KERNEL_S = 10.0  # real time; bytes take microseconds through a pseudo-terminal


class LinkInStep:
    """The driver's own serial link to a board on a pseudo-terminal; virtual time stands still until bytes are through.

    carried: bytes that went through the kernel, to the board and to the host.
    """

    def __init__(self, board, clock, config, faults):
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._clock = clock
        self._link = SerialLink(os.ttyname(self._slave), config)
        self.name = self._link.name
        self.line = BoardLine(board, clock, baud=config.baud, latency_s=LATENCY_S, faults=faults, on_data=self._to_host)
        self.carried = Counter()

    def open(self):
        self._link.open()
        self.line.open()

    def write(self, data):
        self._link.write(data)
        wait_for_bytes(self._master, len(data))
        self.line.send(os.read(self._master, len(data)))
        self.carried["to_board"] += len(data)

    def read(self, max_bytes, timeout_s):
        deadline_s = self._clock.now_s() + timeout_s
        while not (data := self._link.read(max_bytes, 0.0)) and self._clock.now_s() < deadline_s:
            self._clock.step(deadline_s)
        self.carried["to_host"] += len(data)
        return data

    def _to_host(self):
        data, unread = self.line.take(2**16), waiting_bytes(self._slave)
        os.write(self._master, data)
        wait_for_bytes(self._slave, unread + len(data))

    def close(self):
        self._link.close()

    def destroy(self):
        os.close(self._master)
        os.close(self._slave)


def waiting_bytes(terminal):
    return struct.unpack("I", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))[0]


def wait_for_bytes(terminal, num_bytes):
    """The kernel hands them over from a thread of its own."""
    end_s = time.monotonic() + KERNEL_S
    while waiting_bytes(terminal) < num_bytes:
        assert time.monotonic() < end_s, "the pseudo-terminal lost bytes"
        os.sched_yield()


class ThroughPty:
    """The same through pyserial and the kernel, on the virtual clock."""

    carried: ClassVar[Counter] = Counter()

    def connect(self):
        self.clock = self.board_clock = VirtualClock()
        self.link = LinkInStep(self.board, self.clock, self.profile.link, self.faults)
        self.line = self.link.line
        return self.link

    def disconnect(self):
        self.driver.close()
        self.link.destroy()
        type(self).carried.update(self.link.carried)


class InRealTime:
    """The same through pyserial and the kernel, the board in threads of its own."""

    def connect(self):
        self.clock, self.board_clock = SystemClock(), RealTimeClock()
        self.server = serve_pty(
            self.board, self.board_clock, baud=self.profile.link.baud, latency_s=LATENCY_S, faults=self.faults
        )
        self.line = self.server.line
        return SerialLink(self.server.path, self.profile.link)

    def disconnect(self):
        self.driver.close()
        self.server.close()
        self.board_clock.close()


@pytest.mark.wire("pty")
@pytest.mark.parametrize("board", ["opensource-ris-16x16", "reference-64x64"])
def test_the_same_holds_through_a_pseudo_terminal_and_pyserial(machine_of, run, board):
    machine = machine_of(board, ThroughPty, carried=Counter())
    run(machine, examples=200, steps=20)
    assert machine.commands >= 2000  # faults, waits and repairs come on top
    assert min(machine.measured, machine.failed) >= 100
    assert set(machine.counts) == set(Fault)
    assert min(machine.carried["to_board"], machine.carried["to_host"]) >= 10_000


@pytest.mark.wire("pty")
@pytest.mark.parametrize(("board", "examples"), [("opensource-ris-16x16", 3), ("reference-64x64", 6)])
def test_the_same_holds_in_real_time(machine_of, run, board, examples):
    machine = machine_of(board, InRealTime)
    run(machine, examples=examples, steps=12)
    assert machine.steps >= 10 * examples
