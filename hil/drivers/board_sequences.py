"""Patterns that a board steps through by itself: by its timer, by triggers, by steps; and batches that it plays."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from hil.arrays import Pattern, Patterns
from hil.drivers.codebook import Codebook
from hil.firmware.profile import FirmwareProfile
from hil.firmware.wire import Value, Values
from hil.interfaces import Geometry, SequenceAbility, StateSet

__all__ = ["SequenceSource", "SteppingBoard"]

SequenceSource = Literal["software", "timer", "trigger"]


class SteppingBoard(ABC):
    """The part of a board's driver that arms sequences."""

    profile: FirmwareProfile
    _codebook: Codebook

    @property
    @abstractmethod
    def geometry(self) -> Geometry: ...

    @property
    @abstractmethod
    def states(self) -> StateSet: ...

    @abstractmethod
    def _request(self, name: str, **values: Value) -> Values:
        """Send one command."""

    @abstractmethod
    def _lose_sight(self) -> None:
        """From now on the host does not know what the surface shows."""

    @abstractmethod
    def _done_s(self) -> float:
        """When the outputs have changed."""

    @abstractmethod
    def _settle(self, changed_s: float) -> None:
        """Wait until the reflection is the new one."""

    @property
    def sequence(self) -> SequenceAbility | None:
        """What the board can step through by its timer or by triggers; None where it cannot."""
        limits = self.profile.capabilities.sequence
        if limits is None or "status" not in self.profile.commands:
            return None
        straight = np.array_equal(self.profile.geometry.wire_order(), np.arange(self.geometry.num_elements))
        hadamard = straight and self.states.num_states == 2 and "arm_hadamard" in self.profile.commands
        slots = self.profile.capabilities.slots
        return SequenceAbility(limits.min_dwell_s, limits.max_length, slots, hadamard, limits.sources)

    def arm_sequence(self, first: int, count: int, dwell_s: float, source: SequenceSource) -> None:
        """Step through stored patterns on the board: by `step`, by its timer at once, or by the trigger input."""
        self._codebook.ensure()
        self._arm("arm_sequence", first, count, dwell_s, source)

    def arm_hadamard(
        self, first: int, count: int, dwell_s: float, source: SequenceSource, *, complement: bool, mask: Pattern
    ) -> None:
        """Step through rows of a Hadamard matrix that the board makes itself; nothing is uploaded.

        Bit j (place on the wire) of row i = parity(i AND j) XOR mask[j]; complement: each row, then its complement.
        """
        self._arm("arm_hadamard", first, count, dwell_s, source, complement=int(complement), column_mask=mask)

    def step(self) -> None:
        """Next pattern of a sequence armed for software; return when it has settled. Never sent twice."""
        self._request("step")
        self._settle(self._done_s())

    def sequence_status(self) -> Values:
        """Where a sequence is: `index`, `applied`, `overruns`."""
        return self._request("status")

    def play(self, patterns: Patterns, *, loop: bool = False) -> None:
        """Hand over a batch that the board plays at its own pace, once or until the next command."""
        if len(patterns) > self.profile.capabilities.batch:
            raise ValueError(f"{self.profile.id} plays up to {self.profile.capabilities.batch} patterns at once")
        self._lose_sight()
        self._request("play_loop" if loop else "play_once", patterns=patterns)

    def _arm(self, name: str, first: int, count: int, dwell_s: float, source: SequenceSource, **more: Value) -> None:
        limits = self.profile.capabilities.sequence
        if limits is None or name not in self.profile.commands:
            raise ValueError(f"{self.profile.id} has no {name}")
        if source not in limits.sources or dwell_s < limits.min_dwell_s * (1 - 1e-9):
            raise ValueError(f"{name}: sources {limits.sources}, dwell at least {limits.min_dwell_s:g} s")
        self._lose_sight()
        self._request(name, first=first, count=count, dwell_us=round(dwell_s * 1e6), source=source, **more)
