"""The receive DMA's blocks: queued to be filled one after the other, whether or not anybody reads them.

A block that waits to be read keeps what the world was like when it was filled. That is why, after a pause or a change
of settings, the first reads are old: as many as blocks were already filled. When no block waits to be filled, samples
are lost in silence.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Int

Take = Callable[[int, int], Int[np.ndarray, "sample column"]]
"""Samples by the index of the first on the receiver's sample clock and their number."""

Gate = Callable[[int], float]
"""The index, at or after the one given, at which a block may start; infinite where that is not known yet."""


@dataclass
class _Block:
    codes: Int[np.ndarray, "sample column"]
    filled: int = 0

    @property
    def missing(self) -> int:
        return len(self.codes) - self.filled


class BlockQueue:
    """`count` blocks of `num_samples`, all queued from sample `first` on; full ones stand before those to be filled.

    gate: what a block waits for before its first sample; by default nothing.
    repeats: once all blocks were full, the one that was read last comes a second time instead of the next.
    """

    def __init__(
        self,
        count: int,
        num_samples: int,
        take: Take,
        first: int,
        gate: Gate = lambda index: index,
        *,
        num_columns: int = 2,
        repeats: bool = False,
    ) -> None:
        self._take, self._gate, self._repeats = take, gate, repeats and count > 1
        self._queue = deque(_Block(np.empty((num_samples, num_columns), np.int16)) for _ in range(count))
        self._in_hand: _Block | None = None
        self._repeated: Int[np.ndarray, "sample column"] | None = None
        self._next = first
        self.lost_samples = False

    @property
    def starved(self) -> bool:
        """Whether no block waits to be filled."""
        return all(block.missing == 0 for block in self._queue)

    @property
    def due(self) -> float:
        """Index before which all samples must be taken until the oldest block is full; infinite where nobody knows.

        Zero where it is full already, whenever the next one starts.
        """
        oldest = self._queue[0]
        return self._start(oldest) + oldest.missing if oldest.missing else 0

    def advance(self, index: int) -> None:
        """Take all samples before `index` with the settings of now."""
        for block in self._queue:
            start = self._start(block) if block.missing else self._next
            if index <= start:
                continue
            self._next = int(start)
            count = min(block.missing, index - self._next)
            if count > 0:
                block.codes[block.filled : block.filled + count] = self._take(self._next, count)
                block.filled += count
                self._next += count

    def _start(self, block: _Block) -> float:
        """Where its next samples come from."""
        return self._next if block.filled else self._gate(self._next)

    def requeue(self, index: int, delay: int) -> None:
        """Give back, at sample `index`, the block that was last read; a DMA that stood still starts `delay` later."""
        self.advance(index)
        if self._in_hand is None:
            return
        if self.starved and index + delay > self._next:
            self.lost_samples |= self._gate(self._next) == self._next
            if self._repeats:
                self._repeated = self._in_hand.codes.copy()
            self._next = index + delay
        self._in_hand.filled = 0
        self._queue.append(self._in_hand)
        self._in_hand = None

    def dequeue(self) -> Int[np.ndarray, "sample column"]:
        """The oldest block, which must be full; it stays the reader's until `requeue`."""
        self._in_hand = self._queue.popleft()
        if self._repeated is not None:
            self._in_hand.codes, self._repeated = self._repeated, None
        return self._in_hand.codes

    def restart(self, first: int) -> None:
        """The sample clock has changed: the next sample has this index."""
        self._next = first
