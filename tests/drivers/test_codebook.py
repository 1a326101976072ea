"""Only what a board does not hold already is sent to it, and nothing is believed that its CRC does not prove."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from hil.arrays import Pattern, Patterns
from hil.drivers.codebook import Codebook
from hil.errors import ReadbackMismatch


class Slots:
    """A board's memory."""

    def __init__(self, *, damaged: int | None = None) -> None:
        self.held: dict[int, bytes] = {}
        self.loaded: list[int] = []
        self.damaged = damaged

    def load(self, commands: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        for name, values in commands:
            assert name == "load_slot"
            self.loaded.append(values["slot"])
            self.held[values["slot"]] = b"\xff" if values["slot"] == self.damaged else values["pattern"].tobytes()

    def crc(self, count: int) -> int | None:
        if not all(slot in self.held for slot in range(count)):
            return None
        return zlib.crc32(b"".join(self.held[slot] for slot in range(count)))


def stored(board: Slots, *, tells: bool = True) -> Codebook:
    return Codebook("board", encode, board.load, board.crc if tells else None)


def encode(pattern: Pattern) -> bytes:
    return pattern.tobytes()


def patterns(count: int, seed: int = 0) -> Patterns:
    return np.random.default_rng(seed).integers(2, size=(count, 16), dtype=np.uint8)


def test_only_slots_that_changed_are_sent() -> None:
    board = Slots()
    book, wanted = stored(board), patterns(10)
    book.put(wanted)
    wanted[[2, 7]] ^= 1
    board.loaded.clear()
    book.put(wanted)
    assert board.loaded == [2, 7]
    assert board.held[7] == wanted[7].tobytes()


def test_a_longer_codebook_sends_what_is_new() -> None:
    board = Slots()
    book, wanted = stored(board), patterns(10)
    book.put(wanted[:6])
    board.loaded.clear()
    book.put(wanted)
    assert board.loaded == [6, 7, 8, 9]


def test_a_board_that_lost_a_pattern_gets_all_of_them_again() -> None:
    board = Slots()
    book, wanted = stored(board), patterns(10)
    book.put(wanted)
    board.held[3] = b"something else"
    wanted[0] ^= 1
    book.put(wanted)
    assert board.held == {slot: each.tobytes() for slot, each in enumerate(wanted)}


def test_after_a_restart_all_are_sent_again() -> None:
    board = Slots()
    book, wanted = stored(board), patterns(5)
    book.put(wanted)
    book.forget()
    board.held.clear()
    board.loaded.clear()
    book.ensure()
    assert board.loaded == [0, 1, 2, 3, 4]


def test_without_a_crc_nothing_is_spared() -> None:
    board = Slots()
    book, wanted = stored(board, tells=False), patterns(5)
    book.put(wanted)
    book.put(wanted)
    assert board.loaded == [0, 1, 2, 3, 4] * 2


def test_a_pattern_that_arrives_damaged_each_time_is_told() -> None:
    with pytest.raises(ReadbackMismatch, match="CRC-32"):
        stored(Slots(damaged=1)).put(patterns(3))


def test_a_shorter_codebook_leaves_later_slots_known() -> None:
    board = Slots()
    book, wanted = stored(board), patterns(10)
    book.put(wanted)
    book.put(wanted[:4])
    board.loaded.clear()
    book.put(wanted)
    assert board.loaded == []
