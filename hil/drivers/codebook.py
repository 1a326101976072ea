"""The patterns stored on a board: only what it does not hold already travels, and its CRC proves that it holds it."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from hil.arrays import Int, Pattern, Patterns
from hil.errors import ReadbackMismatch

LoadSlots = Callable[[Iterable[tuple[str, Mapping[str, Any]]]], object]


class Codebook:
    """Patterns in slots 0, 1, ...

    encode: a pattern as the board stores it. load: sends `load_slot` commands. crc: CRC-32 (zlib) of the first `count`
    slots as encoded, None where they hold nothing; itself None for a board that cannot say.
    """

    def __init__(
        self,
        name: str,
        encode: Callable[[Pattern], bytes],
        load: LoadSlots,
        crc: Callable[[int], int | None] | None,
    ) -> None:
        self._name, self._encode, self._load, self._crc = name, encode, load, crc
        self.patterns: Patterns | None = None
        self._proved: Patterns | None = None  # what the first slots are known to hold
        self._on_board = False

    def put(self, patterns: Patterns) -> None:
        """Store patterns. Raises ReadbackMismatch where the CRC differs afterwards, and what the link raises."""
        self.patterns, self._on_board = patterns.copy(), False
        self.ensure()

    def ensure(self) -> None:
        """Store the codebook again where the board may have lost it. Raises as `put`."""
        if self.patterns is None or self._on_board:
            return
        known = self._proved
        if not self._update(self.patterns):
            known = None
            if not self._load_all(self.patterns):
                raise ReadbackMismatch(
                    f"{self._name}: stored patterns have another CRC-32 than those sent; check link and supply"
                )
        later = self.patterns[:0] if known is None else known[len(self.patterns) :]
        self._proved = np.concatenate([self.patterns, later]) if self._crc is not None else None
        self._on_board = True

    def forget(self) -> None:
        """The board may hold something else."""
        self._on_board, self._proved = False, None

    def _update(self, patterns: Patterns) -> bool:
        """Whether the board holds the patterns once what changed was sent; false where only all of them can tell."""
        if self._crc is None:
            return False
        if self._proved is not None:
            self._send(patterns, _changed(patterns, self._proved))
        return self._holds(patterns) is True

    def _load_all(self, patterns: Patterns) -> bool:
        self._send(patterns, np.arange(len(patterns)))
        return self._holds(patterns) is not False

    def _send(self, patterns: Patterns, slots: Int[np.ndarray, "slot"]) -> None:
        self._proved = None
        self._load(("load_slot", {"slot": int(slot), "pattern": patterns[slot]}) for slot in slots)

    def _holds(self, patterns: Patterns) -> bool | None:
        """By the board's CRC; None where it cannot say."""
        crc = None if self._crc is None else self._crc(len(patterns))
        return None if crc is None else crc == zlib.crc32(b"".join(self._encode(pattern) for pattern in patterns))


def _changed(patterns: Patterns, before: Patterns) -> Int[np.ndarray, "slot"]:
    count = min(len(patterns), len(before))
    same = (patterns[:count] == before[:count]).all(axis=1)
    return np.setdiff1d(np.arange(len(patterns)), np.flatnonzero(same))
