"""Patterns that a board steps through by itself."""

from collections.abc import Callable
from collections.abc import Sequence as Items
from functools import partial

import numpy as np

from hil.arrays import UInt8

Maker = Callable[[], UInt8[np.ndarray, "place"]]


class Sequence:
    """A list of patterns and how far it has come.

    source: what makes a step: `software`, `timer`, `trigger`; empty where nothing is armed.
    start_s, dwell_s: of the timer, by the testbed's clock.
    """

    def __init__(
        self, patterns: Items[Maker] = (), source: str = "", start_s: float = 0.0, dwell_s: float = 0.0
    ) -> None:
        self.source = source
        self.applied = 0
        self.overruns = 0
        self.ready_s = start_s
        self._patterns = patterns
        self._start_s, self._dwell_s = start_s, dwell_s

    @property
    def finished(self) -> bool:
        return self.applied >= len(self._patterns)

    def beat_s(self, number: int) -> float:
        """When the timer asks for pattern `number`; counted from the start, so that rounding does not add up."""
        return self._start_s + number * self._dwell_s

    def next(self) -> UInt8[np.ndarray, "place"]:
        """The pattern to show now."""
        pattern = self._patterns[self.applied]()
        self.applied += 1
        return pattern


def hadamard_rows(first: int, count: int, mask: UInt8[np.ndarray, "place"], complement: bool) -> list[Maker]:
    """Rows of the Sylvester-Hadamard matrix in 0/1, scrambled by a mask: bit j = parity(i AND j) XOR mask[j].

    With `complement` each row is followed by its complement.
    """
    place_bits = (np.arange(mask.size) >> np.arange(max(1, mask.size - 1).bit_length())[:, None] & 1).astype(np.uint8)

    def row(index: int, flip: int) -> UInt8[np.ndarray, "place"]:
        pattern = mask ^ np.uint8(flip)
        for bit, places in enumerate(place_bits):
            if index >> bit & 1:
                pattern ^= places
        return pattern

    return [
        partial(row, index, flip) for index in range(first, first + count) for flip in ((0, 1) if complement else (0,))
    ]
