"""What a board does with its commands, whatever the framing: patterns, stored patterns, on-board sequences.

A command is known by its name in the profile. Supply voltage, serial number and the like are `simulator.values`.
"""

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from hil.arrays import UInt8
from hil.firmware.profile import FirmwareProfile
from hil.sim.boards.base import Board, ResetCause
from hil.sim.boards.outputs import Outputs
from hil.sim.boards.sequence import Sequence, hadamard_rows
from hil.sim.boards.wording import Value, Wording

Values = dict[str, Value]
RESET_CAUSES: dict[ResetCause, int] = {"power": 0, "command": 1, "brown_out": 2, "watchdog": 3, "port_opened": 4}
CHECK_BYTE_S = 5e-9  # of the CRC over stored patterns: a hardware unit at 200 MB/s, assumed


class Refused(Exception):
    """The board says no; `status` is the name of its reason."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class ProfiledBoard(Board):
    """The meaning of commands for a board that is known by its profile only.

    sequence_clock_ppm: by how much the board's own timer runs slow (late) against the testbed's clock.
    """

    def __init__(self, profile: FirmwareProfile, outputs: Outputs, *, sequence_clock_ppm: float = 0.0) -> None:
        super().__init__(outputs, update_s=profile.timing.update_s.value)
        self.profile = profile
        self.sequence_clock_ppm = sequence_clock_ppm
        self.wording = Wording(profile)
        self.sequence = Sequence()
        self._slots: dict[int, bytes] = {}
        self._blank = self.wording.pattern_bytes(np.zeros(outputs.num_elements, np.uint8))
        self._handlers: dict[str, Callable[[Values, float], tuple[Values, float]]] = {
            "set_pattern": self._set_pattern,
            "get_pattern": self._get_pattern,
            "info": self._info,
            "load_slot": self._load_slot,
            "select_slot": self._select_slot,
            "verify_slots": self._verify_slots,
            "arm_sequence": self._arm_sequence,
            "arm_hadamard": self._arm_hadamard,
            "step": self._step,
            "status": self._status,
        }

    def trigger(self, time_s: float) -> None:
        """A rising edge: the next pattern of a sequence armed for triggers."""
        self.run_until(time_s)
        if self.sequence.source == "trigger":
            self._advance(time_s)

    # ------------------------------------------------------------------------------------------------------- commands

    def _perform(self, name: str, values: Values, start_s: float) -> tuple[Values, float]:
        """Do a command from `start_s` on. Returns what it answers and when it is done. Raises Refused."""
        handler = self._handlers.get(name)
        answer, done_s = handler(values, start_s) if handler else ({}, start_s)
        return {**self.profile.simulator.values, **answer}, done_s

    def _set_pattern(self, values: Values, start_s: float) -> tuple[Values, float]:
        self.sequence = Sequence()
        return {}, self._change(self._states(values["pattern"]), start_s)

    def _get_pattern(self, values: Values, start_s: float) -> tuple[Values, float]:
        return {"pattern": self.wording.pattern_bytes(self.outputs.register)}, start_s

    def _info(self, values: Values, start_s: float) -> tuple[Values, float]:
        layout, slots = self.profile.geometry, self.profile.capabilities.slots
        return {"rows": layout.rows, "cols": layout.cols, "slots": slots}, start_s

    def _load_slot(self, values: Values, start_s: float) -> tuple[Values, float]:
        self._slots[self._slot(values["slot"])] = bytes(values["pattern"])  # type: ignore[arg-type]
        return {}, start_s

    def _select_slot(self, values: Values, start_s: float) -> tuple[Values, float]:
        slot = self._slot(values["slot"])
        if slot not in self._slots:
            raise Refused("bad_slot")
        self.sequence = Sequence()
        return {}, self._change(self._states(self._slots[slot]), start_s)

    def _verify_slots(self, values: Values, start_s: float) -> tuple[Values, float]:
        """CRC-32 over the slots' bytes; a slot that was never loaded counts as zeros."""
        held = b"".join(self._slots.get(slot, self._blank) for slot in self._slot_range(values))
        return {"crc32": zlib.crc32(held)}, start_s + CHECK_BYTE_S * len(held)

    # ------------------------------------------------------------------------------------------------------ sequences

    def _arm_sequence(self, values: Values, start_s: float) -> tuple[Values, float]:
        slots = self._slot_range(values)
        if any(slot not in self._slots for slot in slots):
            raise Refused("bad_slot")
        return self._arm(values, [partial(self._slot_states, slot) for slot in slots], start_s)

    def _arm_hadamard(self, values: Values, start_s: float) -> tuple[Values, float]:
        mask = self._states(values["column_mask"])
        first, count = int(values["first"]), int(values["count"])
        if first + count > mask.size:
            raise Refused("bad_slot")
        return self._arm(values, hadamard_rows(first, count, mask, bool(values["complement"])), start_s)

    def _arm(
        self, values: Values, patterns: list[Callable[[], UInt8[np.ndarray, "place"]]], start_s: float
    ) -> tuple[Values, float]:
        """Hold a sequence ready; by timer it starts at once. Otherwise the first step or trigger shows the first."""
        limits = self.profile.capabilities.sequence
        sources = {number: name for name, number in self.profile.fields["source"].names.items()}
        source, dwell_s = sources.get(int(values["source"]), ""), int(values["dwell_us"]) * 1e-6
        if limits is None or source not in limits.sources or len(patterns) > limits.max_length:
            raise Refused("bad_cmd")
        if source == "timer" and dwell_s < limits.min_dwell_s * (1 - 1e-9):
            raise Refused("bad_cmd")
        self.sequence = Sequence(patterns, source, start_s, dwell_s * (1 + self.sequence_clock_ppm * 1e-6))
        if source == "timer":
            self._at(start_s, partial(self._tick, self.sequence))
        return {}, start_s

    def _tick(self, sequence: Sequence, time_s: float) -> None:
        """One beat of the timer; beats of a sequence that was replaced fall on nothing."""
        if sequence is self.sequence and not sequence.finished:
            self._advance(time_s)
            self._at(sequence.beat_s(sequence.applied), partial(self._tick, sequence))

    def _step(self, values: Values, start_s: float) -> tuple[Values, float]:
        if self.sequence.source != "software":
            raise Refused("bad_cmd")
        return {}, self._advance(start_s)

    def _advance(self, time_s: float) -> float:
        """Show the next pattern; while outputs still change, or after the last one, that is an overrun."""
        sequence = self.sequence
        if sequence.finished or time_s < sequence.ready_s:
            sequence.overruns += 1
            return time_s
        sequence.ready_s = self._change(sequence.next(), time_s)
        return sequence.ready_s

    def _status(self, values: Values, start_s: float) -> tuple[Values, float]:
        sequence = self.sequence
        index = max(sequence.applied - 1, 0)
        return {"index": index, "applied": sequence.applied, "overruns": sequence.overruns}, start_s

    # --------------------------------------------------------------------------------------------------------- memory

    def _states(self, raw: Value) -> UInt8[np.ndarray, "place"]:
        states = self.wording.states(raw) if isinstance(raw, bytes) else None
        if states is None:
            raise Refused("bad_length")
        return states

    def _slot(self, value: Value) -> int:
        if int(value) >= self.profile.capabilities.slots:
            raise Refused("bad_slot")
        return int(value)

    def _slot_range(self, values: Values) -> range:
        first, count = int(values["first"]), int(values["count"])
        if first + count > self.profile.capabilities.slots:
            raise Refused("bad_slot")
        return range(first, first + count)

    def _slot_states(self, slot: int) -> UInt8[np.ndarray, "place"]:
        return self._states(self._slots[slot])

    def _forget(self) -> None:
        self._slots.clear()
        self.sequence = Sequence()

    def _boot(self, time_s: float, cause: ResetCause) -> float:
        """Boot silently for the typical time."""
        if self.profile.boot.pattern == "undefined":
            self.outputs.show(self._undefined(), time_s)
        return time_s + self.profile.boot.typical_s if self.profile.boot.deaf_until_ready else time_s

    def _undefined(self) -> UInt8[np.ndarray, "place"]:
        """Anything, but always the same for one board."""
        rng = np.random.default_rng(zlib.crc32(self.profile.id.encode()))
        return rng.integers(self.profile.states.num_states, size=self.outputs.num_elements, dtype=np.uint8)
