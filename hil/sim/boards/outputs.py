"""From a board's registers to its elements: order of the wire, latch or ripple, dead columns, stuck elements."""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Int, Pattern, UInt8


@runtime_checkable
class PatternDoor(Protocol):
    """Where a board's outputs lead: the simulated world, or a test's log."""

    def set_pattern(self, states: Pattern, time_s: float) -> None: ...


class Outputs:
    """The output stage of a board.

    order: element (row * cols + col, front view) at each place of the wire.
    chains: places of the wire held by each shift register, `[register, stage]`; the first stage is clocked in first.
    A chain of registers without a latch shows each shift.

    `register` is what the board latched, in wire order; `surface` what the elements do, in Geometry order. They differ
    where columns are dead (their elements rest in state 0), elements are stuck, or cables lead to other elements:
    `wiring` holds the element that moves in the place of each.
    """

    def __init__(
        self,
        door: PatternDoor,
        *,
        rows: int,
        cols: int,
        order: Int[np.ndarray, "place"] | None = None,
        chains: Int[np.ndarray, "register stage"] | None = None,
        latched: bool = True,
    ) -> None:
        self.rows, self.cols = rows, cols
        self.latched = self._built_latched = latched
        self.dead_columns: frozenset[int] = frozenset()
        self.stuck: Mapping[int, int] = {}
        self.wiring: Int[np.ndarray, element] = np.arange(rows * cols)
        self._door = door
        places = np.arange(rows * cols)
        self._order = places if order is None else np.asarray(order)
        self._chains = places.reshape(rows, cols).T if chains is None else np.asarray(chains)
        self.register = np.zeros(rows * cols, np.uint8)
        self.surface = np.zeros(rows * cols, np.uint8)

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    @property
    def miswired(self) -> bool:
        """Whether cables lead to other elements than the board means."""
        return not np.array_equal(self.wiring, np.arange(self.num_elements))

    def show(self, register: UInt8[np.ndarray, "place"], time_s: float) -> None:
        """Put states, in wire order, on the elements."""
        self.register = register
        states = np.empty_like(register)
        states[self.wiring[self._order]] = register
        self.surface = self._broken(states)
        self._door.set_pattern(self.surface, time_s)

    def refresh(self, time_s: float) -> None:
        """Show the register again, after something broke or was repaired."""
        self.show(self.register, time_s)

    def repair(self, time_s: float) -> None:
        """Columns, elements, cables and latch as they were built."""
        self.dead_columns, self.stuck, self.latched = frozenset(), {}, self._built_latched
        self.wiring = np.arange(self.num_elements)
        self.refresh(time_s)

    def steps(self, register: UInt8[np.ndarray, "place"]) -> Iterator[UInt8[np.ndarray, "place"]]:
        """What the outputs go through on their way to `register`: each shift of the registers, or that alone."""
        if not self.latched:
            both = np.concatenate([self.register[self._chains], register[self._chains]], axis=1)
            depth = self._chains.shape[1]
            for shift in range(1, depth):
                passing = np.empty_like(register)
                passing[self._chains] = both[:, shift : shift + depth]
                yield passing
        yield register

    def _broken(self, states: Pattern) -> Pattern:
        if self.dead_columns:
            states.reshape(self.rows, self.cols)[:, sorted(self.dead_columns)] = 0
        for element, state in self.stuck.items():
            states[element] = state
        return states
