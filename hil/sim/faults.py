"""Faults on demand or by chance, seeded and counted: what happens to bytes, to the board, and to its outputs.

Bytes: drop, flip, duplicate, delay, split (either direction), mute, stale ack (towards the host).
Board: reset now (as a command begins), reset mid-frame, brown-out.
Outputs: dead columns, stuck elements, no latch, exchanged cables; they last until `repair`.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Literal

from hil.sim.boards.base import Board

Direction = Literal["to_board", "to_host"]
Mishap = Callable[[Board, float], None]


class Fault(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    FLIP = "flip"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    SPLIT = "split"
    MUTE = "mute"
    STALE_ACK = "stale_ack"
    RESET_NOW = "reset_now"
    RESET_MID_FRAME = "reset_mid_frame"
    BROWN_OUT = "brown_out"
    DEAD_COLUMNS = "dead_columns"
    STUCK_ELEMENTS = "stuck_elements"
    NO_LATCH = "no_latch"
    MISWIRED = "miswired"


BYTE_FAULTS = (Fault.DROP, Fault.FLIP, Fault.DUPLICATE, Fault.DELAY, Fault.SPLIT)
BOARD_FAULTS = (Fault.RESET_NOW, Fault.RESET_MID_FRAME, Fault.BROWN_OUT)
OUTPUT_FAULTS = (Fault.DEAD_COLUMNS, Fault.STUCK_ELEMENTS, Fault.NO_LATCH)  # by chance; cables by `strike` only


class Faults:
    """Decides what goes wrong, and counts it in `counts`.

    probability: of each fault, at each opportunity (a write of the host, an answer of the board).
    delay_s, gap_s, mute_s, brown_out_s: how long the longest delay, a split's gap, a mute and a brown-out last.
    """

    def __init__(
        self,
        seed: int = 0,
        probability: Mapping[Fault, float] | None = None,
        *,
        delay_s: float = 0.5,
        gap_s: float = 0.02,
        mute_s: float = 0.3,
        brown_out_s: float = 0.05,
    ) -> None:
        self.counts: Counter[Fault] = Counter()
        self._random = random.Random(seed)
        self._probability = dict(probability or {})
        self._armed: list[tuple[Fault, Direction | None]] = []
        self._delay_s, self._gap_s, self._mute_s, self._brown_out_s = delay_s, gap_s, mute_s, brown_out_s
        self._mute_until_s = 0.0
        self._last_answer = b""

    def arm(self, fault: Fault, where: Direction | None = None) -> None:
        """Let a fault happen once, at its next opportunity (in that direction, where one is given)."""
        self._armed.append((fault, where))

    def stop(self) -> None:
        """From now on nothing new goes wrong. What is broken stays broken until `repair`."""
        self._probability.clear()
        self._armed.clear()
        self._mute_until_s = 0.0

    # ------------------------------------------------------------------------------------------- what the line asks

    def to_board(self, data: bytes) -> list[tuple[float, bytes]]:
        """A write of the host as it comes out of the line: (time behind its turn, bytes)."""
        return self._mangled(data, "to_board")

    def to_host(self, data: bytes, time_s: float) -> list[tuple[float, bytes]]:
        """An answer of the board as it comes out of the line."""
        if time_s < self._mute_until_s:
            return []
        if self._happens(Fault.MUTE, "to_host"):
            self._mute_until_s = time_s + self._mute_s
            return []
        self._last_answer = data
        return self._mangled(data, "to_host")

    def stale_answer(self) -> bytes:
        """An earlier answer that comes once more as the host writes; mostly nothing."""
        if self._last_answer and self._happens(Fault.STALE_ACK):
            return self._last_answer
        return b""

    def mishaps(self, first_s: float, last_s: float) -> list[tuple[float, Mishap]]:
        """What befalls the board while a write of the host travels."""
        when = {Fault.RESET_MID_FRAME: (first_s + last_s) / 2}
        return [
            (when.get(fault, first_s), self._mishap(fault))
            for fault in (*BOARD_FAULTS, *OUTPUT_FAULTS)
            if self._happens(fault)
        ]

    def strike(self, fault: Fault) -> Mishap:
        """One of the board's or outputs' faults, at this moment, whatever the probability."""
        self.counts[fault] += 1
        return self._mishap(fault)

    # --------------------------------------------------------------------------------------------------------- chance

    def _happens(self, fault: Fault, where: Direction | None = None) -> bool:
        for armed in ((fault, where), (fault, None)):
            if armed in self._armed:
                self._armed.remove(armed)
                break
        else:
            if self._random.random() >= self._probability.get(fault, 0.0):
                return False
        self.counts[fault] += 1
        return True

    def _mangled(self, data: bytes, where: Direction) -> list[tuple[float, bytes]]:
        place = self._random.randrange(len(data))
        if self._happens(Fault.DROP, where):
            data = data[:place] + data[place + 1 :]
        if data and self._happens(Fault.FLIP, where):
            place %= len(data)
            data = data[:place] + bytes([data[place] ^ 1 << self._random.randrange(8)]) + data[place + 1 :]
        if self._happens(Fault.DUPLICATE, where):
            data += data if self._random.random() < 0.5 else data[-1:]
        delay_s = self._random.uniform(0, self._delay_s) if self._happens(Fault.DELAY, where) else 0.0
        if len(data) > 1 and self._happens(Fault.SPLIT, where):
            cut = self._random.randrange(1, len(data))
            return [(delay_s, data[:cut]), (self._gap_s, data[cut:])]
        return [(delay_s, data)] if data else []

    def _mishap(self, fault: Fault) -> Mishap:
        number = self._random.randrange(1 << 30)

        def kill_column(board: Board, time_s: float) -> None:
            board.outputs.dead_columns |= {number % board.outputs.cols}
            board.outputs.refresh(time_s)

        def stick_element(board: Board, time_s: float) -> None:
            board.outputs.stuck = {**board.outputs.stuck, number % board.outputs.num_elements: number & 1}
            board.outputs.refresh(time_s)

        def exchange_columns(board: Board, time_s: float) -> None:
            outputs = board.outputs
            first, second = number % outputs.cols, (number % outputs.cols + 1) % outputs.cols
            grid = outputs.wiring.reshape(outputs.rows, outputs.cols).copy()
            grid[:, [first, second]] = grid[:, [second, first]]
            outputs.wiring = grid.ravel()
            outputs.refresh(time_s)

        def lose_latch(board: Board, time_s: float) -> None:
            board.outputs.latched = False

        return {
            Fault.RESET_NOW: lambda board, time_s: board.reset(time_s, "watchdog"),
            Fault.RESET_MID_FRAME: lambda board, time_s: board.reset(time_s, "watchdog"),
            Fault.BROWN_OUT: lambda board, time_s: board.brown_out(time_s, self._brown_out_s),
            Fault.DEAD_COLUMNS: kill_column,
            Fault.STUCK_ELEMENTS: stick_element,
            Fault.NO_LATCH: lose_latch,
            Fault.MISWIRED: exchange_columns,
        }[fault]


def repair(board: Board, time_s: float) -> None:
    """Columns, elements, cables and latch as new. A mishap like the others, a good one."""
    board.outputs.repair(time_s)
