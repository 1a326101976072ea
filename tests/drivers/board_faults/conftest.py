"""A state machine that drives the real driver against the simulated board, which does not share its codec.

Commands, faults and measurements in any order. Each measurement that the driver lets pass is compared with what the
surface did while it was taken.
"""

import math
from collections import Counter
from typing import ClassVar

import jaxtyping
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from hil.drivers.board import SurfaceBoard
from hil.errors import InstrumentError
from hil.firmware.profile import load_profile
from hil.sim.board import build_board
from hil.sim.clock import VirtualClock
from hil.sim.faults import BYTE_FAULTS, Fault, Faults, repair
from hil.sim.serial_link import SimulatedLink

LATENCY_S = 1e-3
CAPTURE_S = 2e-3
SETTLE_S = 20e-3  # longer than a read-back takes: who does not wait is seen
LONGEST_COMMAND_S = 30.0  # whatever happens, a call ends
RECOVERY_S = 10.0
LONGEST_FUSE_S = 9e-3
ROUNDING_S = 1e-9
NUM_STORED = 3
PROFILES = {name: load_profile(name) for name in ("opensource-ris-16x16", "reference-64x64")}

seeds = st.integers(0, 2**16)
troubles = st.lists(
    st.tuples(
        st.sampled_from(Fault),
        st.sampled_from(["to_board", "to_host"]),
        st.sampled_from([None, 0.0, 1e-3, 7e-3, LONGEST_FUSE_S]),  # at the next occasion, or by itself after a time
    ),
    max_size=2,
)


class Surface:
    """Knows since when the board drives its elements as it does."""

    def __init__(self):
        self.outputs = None
        self.driven, self.changed_s = b"", -math.inf

    def set_pattern(self, states, time_s):
        driven = self.outputs.register.tobytes()
        if driven != self.driven:
            self.driven, self.changed_s = driven, time_s


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
        self.surface = Surface()
        self.board = build_board(self.profile, self.surface)
        self.surface.outputs = self.board.outputs
        self.faults = Faults(seed, mute_s=0.1)
        self.commanded = None
        self.staged = None
        self.stored = None
        self.driver = SurfaceBoard(
            self.connect(), self.profile, self.clock, latency_s=LATENCY_S, verify_readback=self.verify_readback
        )
        self.driver.set_settle_s(SETTLE_S)
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

    def has_settled(self):
        """Without its latch a board ripples where it is told the same again, as by a doubled frame."""
        if not self.board.outputs.latched:
            return True
        return self.board_clock.now_s() - self.surface.changed_s >= SETTLE_S - ROUNDING_S

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
        before, settled = self.shows(commanded), self.has_settled()
        self.clock.sleep(CAPTURE_S)
        after = self.shows(commanded)
        if self.attempt(self.driver.check, commanded):
            assert before, "another pattern than the commanded one was measured"
            assert after, "the pattern changed while it was measured"
            assert settled, "it was measured before the elements had settled"
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


MACHINES = {machine.profile_name: machine for machine in (AsciiMachine, CobsMachine)}


@pytest.fixture
def machine_of():
    """A machine for a board, by the board's name; what differs from the usual one as a mixin or by attributes."""

    def make(board, *mixins, **attributes):
        return type("Machine", (*mixins, MACHINES[board]), attributes)

    return make


@pytest.fixture
def run():
    """Runs a machine, always with the same examples; what they do is counted from zero."""

    def run(machine, *, examples, steps):
        machine.steps = machine.commands = machine.measured = machine.failed = 0
        machine.counts = Counter()
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )

    return run


@pytest.fixture(autouse=True)
def fast():
    """Array axes are checked where each part is tested; here they would take nine tenths of the time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
