"""Any interleaving of commands and faults: what is measured is what was commanded, or the step was reported as failed.

A state machine drives the real driver against the simulated board, which does not share its codec. Each measurement
that the driver lets pass is compared with what the surface did while it was taken.

It does so over three links. In process, on the virtual clock: the fastest. Through the kernel's pseudo-terminal and
pyserial with the virtual clock in step: each byte goes the way it goes at the bench, time-outs cost nothing, and the
same happens on a busy machine. And all in real time, threads and time-outs included: a few steps, each a tenth of a
second.
"""

import fcntl
import os
import struct
import termios
import time
import tty
from collections import Counter
from typing import ClassVar

import jaxtyping
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from hil.drivers.board import SurfaceBoard
from hil.drivers.link import SerialLink
from hil.errors import InstrumentError
from hil.firmware.profile import load_profile
from hil.interfaces import SystemClock
from hil.sim.board import build_board
from hil.sim.clock import RealTimeClock, VirtualClock
from hil.sim.faults import BYTE_FAULTS, Fault, Faults, repair
from hil.sim.pty import serve_pty
from hil.sim.serial_link import BoardLine, SimulatedLink

LATENCY_S = 1e-3
CAPTURE_S = 2e-3
LONGEST_COMMAND_S = 30.0  # whatever happens, a call ends
RECOVERY_S = 10.0
LONGEST_FUSE_S = 9e-3
KERNEL_S = 10.0  # real time; bytes take microseconds through a pseudo-terminal
NUM_STORED = 3
PROFILES = {name: load_profile(name) for name in ("opensource-ris-16x16", "reference-64x64")}

seeds = st.integers(0, 2**16)
troubles = st.lists(
    st.tuples(
        st.sampled_from(Fault),
        st.sampled_from(["to_board", "to_host"]),
        st.sampled_from(
            [None, 0.0, 1e-3, 7e-3, LONGEST_FUSE_S]
        ),  # armed for the next occasion, or by itself after a time
    ),
    max_size=2,
)


class Surface:
    """Keeps what the elements do."""

    def __init__(self):
        self.changes = 0

    def set_pattern(self, states, time_s):
        self.changes += 1


class Machine(RuleBasedStateMachine):
    """Commands, faults, measurements. Subclasses say which board and over what."""

    profile_name = ""
    verify_readback = True
    steps = 0
    commands = 0
    measured = 0
    failed = 0
    counts: ClassVar[Counter] = Counter()

    @initialize(seed=seeds)
    def open(self, seed):
        self.profile = PROFILES[self.profile_name]
        self.board = build_board(self.profile, Surface())
        self.faults = Faults(seed, mute_s=0.1)
        self.commanded = None
        self.staged = None
        self.stored = None
        self.driver = SurfaceBoard(
            self.connect(), self.profile, self.clock, latency_s=LATENCY_S, verify_readback=self.verify_readback
        )
        self.driver.open()

    def connect(self):
        self.clock = self.board_clock = VirtualClock()
        link = SimulatedLink(self.board, self.clock, self.profile.link.baud, LATENCY_S, faults=self.faults)
        self.line = link.line
        return link

    def disconnect(self):
        self.driver.close()

    def pattern(self, seed):
        return np.random.default_rng(seed).integers(0, 2, self.profile.geometry.num_elements, dtype=np.uint8)

    def attempt(self, call, pattern=None):
        """Call the driver; afterwards `pattern` is on the surface, or an error was reported and nothing is known."""
        type(self).steps += 1
        type(self).commands += 1
        start_s = self.clock.now_s()
        self.commanded = None
        try:
            call()
            self.commanded = pattern
            return True
        except InstrumentError:
            type(self).failed += 1
            return False
        finally:
            assert self.clock.now_s() - start_s < LONGEST_COMMAND_S

    def shows(self, pattern):
        """Whether the surface is that pattern; where elements are broken, whether the board drives them so."""
        outputs = self.board.outputs
        broken = outputs.dead_columns or outputs.stuck or outputs.miswired
        return np.array_equal(outputs.register if broken else outputs.surface, pattern)

    # ------------------------------------------------------------------------------------------------------- commands

    @rule(seed=seeds, troubles=troubles)
    def apply(self, seed, troubles):
        self.staged = None
        self.go_wrong(troubles)
        if self.attempt(lambda: self.driver.apply(self.pattern(seed)), self.pattern(seed)):
            self.measure()

    @rule(seed=seeds, troubles=troubles)
    def stage(self, seed, troubles):
        before = self.commanded
        self.go_wrong(troubles)
        done = self.attempt(lambda: self.driver.stage(self.pattern(seed)), before)
        self.staged = self.pattern(seed) if done else None

    @precondition(lambda self: self.staged is not None)
    @rule(troubles=troubles)
    def commit(self, troubles):
        staged, self.staged = self.staged, None
        self.go_wrong(troubles)
        if self.attempt(self.driver.commit, staged):
            self.measure()

    @precondition(lambda self: self.commanded is not None and self.staged is None)
    @rule(troubles=troubles)
    def measure_again(self, troubles):
        self.go_wrong(troubles)
        self.measure()

    @rule(troubles=troubles)
    def read(self, troubles):
        self.staged = None
        self.go_wrong(troubles)
        self.attempt(self.driver.read_pattern, self.commanded)

    def measure(self):
        """A capture. If the driver then finds nothing wrong, the surface was as commanded all the while."""
        commanded = self.commanded
        before = self.shows(commanded)
        self.clock.sleep(CAPTURE_S)
        after = self.shows(commanded)
        if self.attempt(self.driver.check, commanded):
            assert before, "another pattern than the commanded one was measured"
            assert after, "the pattern changed while it was measured"
            type(self).measured += 1

    @rule(wait_s=st.sampled_from([1e-3, 0.05, 0.6]))
    def wait(self, wait_s):
        type(self).steps += 1
        self.clock.sleep(wait_s)

    # --------------------------------------------------------------------------------------------------------- faults

    def go_wrong(self, troubles):
        for fault, where, after_s in troubles:
            type(self).steps += 1
            if fault in BYTE_FAULTS:
                self.faults.arm(fault, where)
            elif after_s is None or fault in (Fault.MUTE, Fault.STALE_ACK):
                self.faults.arm(fault)
            else:
                self.strike_after(after_s, self.faults.strike(fault))

    def strike_after(self, after_s, mishap):
        """By itself: before, during or after whatever the driver does next."""
        self.board_clock.schedule(self.board_clock.now_s() + after_s, lambda: self.line.suffer(mishap))

    @rule()
    def mend(self):
        type(self).steps += 1
        self.line.suffer(repair)

    def teardown(self):
        """When all is well again the driver finds its way back by itself."""
        if not hasattr(self, "driver"):
            return
        self.clock.sleep(LONGEST_FUSE_S)
        self.faults.stop()
        self.line.suffer(repair)
        pattern = self.pattern(1)
        end_s = self.clock.now_s() + RECOVERY_S
        while not (self.attempt(lambda: self.driver.apply(pattern)) and self.attempt(self.driver.check)):
            assert self.clock.now_s() < end_s, "the driver did not recover"
        assert self.shows(pattern)
        type(self).counts.update(self.faults.counts)
        self.disconnect()


class AsciiMachine(Machine):
    profile_name = "opensource-ris-16x16"


class CobsMachine(Machine):
    profile_name = "reference-64x64"

    @rule(index=st.integers(0, NUM_STORED - 1), seed=seeds, troubles=troubles)
    def select(self, index, seed, troubles):
        self.staged = None
        self.go_wrong(troubles)
        if self.stored is None:
            stored = np.stack([self.pattern(seed + number) for number in range(NUM_STORED)])
            if self.attempt(lambda: self.driver.load_codebook(stored)):
                self.stored = stored
        elif self.attempt(lambda: self.driver.select(index), self.stored[index]):
            self.measure()


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


class AsciiThroughPty(ThroughPty, AsciiMachine):
    pass


class CobsThroughPty(ThroughPty, CobsMachine):
    pass


class AsciiInRealTime(InRealTime, AsciiMachine):
    pass


class CobsInRealTime(InRealTime, CobsMachine):
    pass


class TrustingMachine(AsciiMachine):
    """A driver that takes an acknowledgement for proof."""

    verify_readback = False


def run(machine, *, examples, steps):
    """Always the same examples: `derandomize`. What they do is counted from zero."""
    machine.steps = machine.commands = machine.measured = machine.failed = 0
    machine.counts = Counter()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(autouse=True)
def fast():
    """Array axes are checked where each part is tested; here they would take nine tenths of the time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("machine", [AsciiMachine, CobsMachine])
def test_what_is_measured_is_what_was_commanded_or_the_step_failed(machine):
    run(machine, examples=80, steps=20)
    assert machine.steps >= 2000
    assert min(machine.measured, machine.failed) >= 100
    assert set(machine.counts) == set(Fault)


@pytest.mark.soak
@pytest.mark.parametrize("machine", [AsciiMachine, CobsMachine])
def test_the_same_holds_over_very_many_steps(machine):
    run(machine, examples=1000, steps=60)
    assert machine.steps >= 50_000
    assert set(machine.counts) == set(Fault)


@pytest.mark.wire("pty")
@pytest.mark.parametrize("machine", [AsciiThroughPty, CobsThroughPty])
def test_the_same_holds_through_a_pseudo_terminal_and_pyserial(machine):
    machine.carried = Counter()
    run(machine, examples=200, steps=20)
    assert machine.commands >= 2000  # faults, waits and repairs come on top
    assert min(machine.measured, machine.failed) >= 100
    assert set(machine.counts) == set(Fault)
    assert min(machine.carried["to_board"], machine.carried["to_host"]) >= 10_000


@pytest.mark.wire("pty")
@pytest.mark.parametrize(("machine", "examples"), [(AsciiInRealTime, 3), (CobsInRealTime, 6)])
def test_the_same_holds_in_real_time(machine, examples):
    run(machine, examples=examples, steps=12)
    assert machine.steps >= 10 * examples


@pytest.mark.parametrize(
    "trouble",
    [
        (Fault.RESET_NOW, "to_board", 0.0),
        (Fault.BROWN_OUT, "to_board", 1e-3),
    ],
)
def test_a_driver_that_looks_only_at_what_the_board_said_is_caught(trouble):
    machine = TrustingMachine()
    machine.open(seed=1)
    machine.apply(seed=1, troubles=[])
    with pytest.raises(AssertionError, match="measured"):
        machine.measure_again(troubles=[trouble])


def test_a_driver_that_takes_an_acknowledgement_for_proof_is_caught():
    """An earlier one is repeated while a byte of the command is lost."""
    machine = TrustingMachine()
    machine.open(seed=1)
    machine.apply(seed=1, troubles=[])
    with pytest.raises(AssertionError, match="measured"):
        machine.apply(seed=2, troubles=[(Fault.STALE_ACK, "to_host", None), (Fault.DROP, "to_board", None)])


def test_an_acknowledgement_that_comes_too_early_makes_nobody_measure_too_early():
    machine = TrustingMachine()
    machine.open(seed=1)
    machine.apply(seed=1, troubles=[])
    machine.apply(seed=2, troubles=[(Fault.STALE_ACK, "to_host", None)])
    assert machine.measured >= 1
