"""The sweep: which patterns, in which order, and how long it must take at least."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from hil.arrays import Int, Pattern, Patterns
from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.interfaces import SurfaceTiming, SweepMode
from hil.phy.hadamard import entries, order_for

Scheme = Literal["pairs", "hadamard", "hadamard_plus_one"]
"""Sweeps over two states, by rows of a Hadamard matrix."""


@dataclass(frozen=True)
class BoardRows:
    """Patterns that a board makes itself: `count` rows of a Hadamard matrix from row `first` on.

    State of element n in row i = parity(i AND n) XOR mask[n]. complement: each row is followed by its complement.
    """

    first: int
    count: int
    complement: bool
    mask: Pattern


@dataclass(frozen=True)
class SweepPlan:
    """Every sounding of a sweep, known before it starts.

    Sounding i shows signs[i, n] = sign[i] * H[row[i], column[n]] * mask[n], H the Sylvester matrix of `order`;
    `plus` and `minus` are the states that stand for +1 and -1.
    column: Hadamard column of each element; elements that switch together share one. Where the order exceeds the number
    of columns, column 0 (constant) is left to the direct channel.
    reference: soundings of the first pattern once more, between the others; they tell of the radio, not of the surface.
    """

    scheme: Scheme | Literal["dft"]
    order: int
    column: Int[np.ndarray, "element"]
    mask: Int[np.ndarray, "element"]
    row: Int[np.ndarray, "pattern"]
    sign: Int[np.ndarray, "pattern"]
    plus: int
    minus: int
    block_size: int
    reference: Int[np.ndarray, "reference"] = field(default_factory=lambda: np.empty(0, dtype=int), kw_only=True)

    @classmethod
    def from_config(
        cls,
        config: SweepConfig,
        num_elements: int,
        *,
        plus: int = 0,
        minus: int = 1,
        seed: int = 0,
        groups: Int[np.ndarray, "element"] | None = None,
    ) -> "SweepPlan":
        """Plan of a surface of any size: the order is the next power of two. Mask and order of rows follow the seed.

        groups: of each element, numbered from 0 (`hil.phy.grouping`); those of a group switch together.
        Raises ValueError for the scheme `dft`, which needs the states (`hil.measure.roots`).
        """
        if config.scheme == "dft":
            raise ValueError("the scheme dft is a RootPlan")
        groups = np.arange(num_elements) if groups is None else groups
        num_groups = int(groups.max()) + 1
        order = order_for(num_groups)
        column = groups + (order > num_groups)
        mask_seed, shuffle_seed = np.random.SeedSequence(seed).spawn(2)
        mask = np.ones(num_groups, dtype=np.int8)
        if config.scramble:
            mask = np.random.default_rng(mask_seed).choice(np.array([-1, 1], dtype=np.int8), num_groups)
        rows = np.arange(order)
        if config.shuffle:
            rows = np.random.default_rng(shuffle_seed).permutation(order)
        row, sign = _soundings(config.scheme, rows)
        return cls(config.scheme, order, column, mask[groups], row, sign, plus, minus, config.block)

    @property
    def num_elements(self) -> int:
        return self.column.size

    @property
    def group_size(self) -> Int[np.ndarray, "element"]:
        """How many elements switch together with each, itself included."""
        return np.asarray(np.bincount(self.column)[self.column])

    @property
    def num_patterns(self) -> int:
        return self.row.size

    @property
    def num_blocks(self) -> int:
        return -(-self.num_patterns // self.block_size)

    @property
    def num_groups(self) -> int:
        """Unknowns of the surface: elements, or groups that switch together."""
        return int(np.count_nonzero(np.bincount(self.column)))

    @property
    def whole(self) -> bool:
        """Nothing of the scheme was left out."""
        return self.num_patterns - self.reference.size == self._num_of_scheme

    @property
    def _num_of_scheme(self) -> int:
        return {"pairs": 2 * self.order, "hadamard_plus_one": self.order + 1}.get(self.scheme, self.order)

    @property
    def partner(self) -> Int[np.ndarray, "pattern"]:
        """Index of the sounding that shows the complement; -1 where the plan has none, and of references."""
        index, surface = np.full((2, self.order), -1), self.of_surface
        index[(self.sign[surface] < 0).astype(int), self.row[surface]] = surface
        partner = index[(self.sign > 0).astype(int), self.row]
        partner[self.reference] = -1
        return np.asarray(partner)

    @property
    def of_surface(self) -> Int[np.ndarray, "some"]:
        """Soundings that are no references."""
        return np.delete(np.arange(self.num_patterns), self.reference)

    def only(self, which: Int[np.ndarray, "some"]) -> "SweepPlan":
        """The plan of some of its soundings, none of which is taken as a reference."""
        return replace(self, row=self.row[which], sign=self.sign[which], reference=np.empty(0, dtype=int))

    def with_references(self, every: int) -> "SweepPlan":
        """Its first pattern once more before all, after each `every` and after all; complements stay side by side."""
        step = every + every % 2 if self.scheme == "pairs" else every
        places = np.append(np.arange(0, self.num_patterns, step), self.num_patterns)
        row, sign = (np.insert(values, places, values[0]) for values in (self.row, self.sign))
        return replace(self, row=row, sign=sign, reference=places + np.arange(places.size))

    def block(self, index: int) -> slice:
        """The soundings of one durable step. Raises IndexError past the last."""
        if not 0 <= index < self.num_blocks:
            raise IndexError(f"block {index} of {self.num_blocks}")
        return slice(index * self.block_size, min((index + 1) * self.block_size, self.num_patterns))

    def signs(self, which: slice | Int[np.ndarray, "some"] = slice(None)) -> Int[np.ndarray, "pattern element"]:
        """int8 +1 / -1 of each element."""
        signs = entries(self.row[which], self.column)
        signs *= self.mask
        signs *= self.sign[which, None]
        return signs

    def patterns(self, which: slice | Int[np.ndarray, "some"] = slice(None)) -> Patterns:
        """State indices of each element, as the surface gets them."""
        states = (self.signs(which) > 0).view(np.uint8)
        states *= np.uint8(self.plus ^ self.minus)
        states ^= np.uint8(self.minus)
        return states

    def board_rows(self, which: slice = slice(None)) -> BoardRows | None:
        """These soundings as a board that makes Hadamard rows shows them; None where they are no such sequence."""
        row, sign = self.row[which], self.sign[which]
        complement = bool((sign < 0).any())
        count, odd = divmod(row.size, 1 + complement)
        rows, signs = np.arange(row[0], row[0] + count), np.array([1, -1] if complement else [1])
        regular = not odd and np.array_equal(row, np.repeat(rows, signs.size))
        regular &= np.array_equal(sign, np.tile(signs, count))
        straight = np.array_equal(self.column, np.arange(self.num_elements))
        if not (regular and straight and {self.plus, self.minus} == {0, 1}):
            return None
        mask = np.where(self.mask > 0, self.plus, self.minus).astype(np.uint8)
        return BoardRows(int(row[0]), count, complement, mask)


def _soundings(
    scheme: Scheme, rows: Int[np.ndarray, "row"]
) -> tuple[Int[np.ndarray, "pattern"], Int[np.ndarray, "pattern"]]:
    """Row and sign of each sounding: complements stand right behind their rows, so that the room holds still."""
    match scheme:
        case "pairs":
            return np.repeat(rows, 2), np.tile(np.array([1, -1], dtype=np.int8), rows.size)
        case "hadamard":
            return rows, np.ones(rows.size, dtype=np.int8)
        case "hadamard_plus_one":
            sign = np.ones(rows.size + 1, dtype=np.int8)
            sign[1] = -1
            return np.concatenate([rows[:1], rows]), sign


def choose_mode(requested: SweepMode | Literal["auto"], available: Sequence[SweepMode]) -> SweepMode:
    """How the board steps: what was asked for, or the first of the station's modes.

    A codebook is worth its upload only for who sweeps again and again, a burst its many samples only where captures
    start slowly or the radios have two crystals: neither is chosen unasked where another mode is there.
    Raises ConfigError where the station cannot do what was asked for.
    """
    unasked = [mode for mode in available if mode not in ("codebook", "burst")] or available
    if requested == "auto" and unasked:
        return unasked[0]
    for mode in available:
        if mode == requested:
            return mode
    raise ConfigError(f"sweep.mode: {requested} is not possible here; this board and radio do {', '.join(available)}")


def pattern_floor_s(timing: SurfaceTiming, mode: SweepMode, *, capture_s: float, turnaround_s: float) -> float:
    """Shortest time from one pattern to the next that link, surface and radio allow.

    max(link time that can overlap the capture, settle + symbols + USB turn-around) + link time that cannot overlap;
    the acknowledgement is waited for, nothing overlaps when stepped, and of a codebook only the selection travels.
    sequence, triggered: update + settle + symbols, or the board's shortest dwell; nothing travels.
    burst: as pipelined without the turn-around; or, where no reply is waited for, the whole pattern's link time.
    capture_s: samples of one sounding. turnaround_s: from the request of a capture to its first sample.
    """
    still_s = timing.update_s + timing.settle_s + capture_s
    if mode in ("sequence", "triggered"):
        return max(still_s, timing.sequence_dwell_s or 0.0)
    if mode == "burst":
        turnaround_s = 0.0
        if timing.stream_s and timing.stream_s >= still_s:
            return timing.stream_s
    ahead_s = timing.overlap_s if mode in ("pipelined", "codebook", "burst") else 0.0
    overlap_s = ahead_s if mode in ("pipelined", "burst") else 0.0
    asked_s = max(overlap_s, still_s + turnaround_s) + timing.frame_s - ahead_s
    if timing.ahead_replied and overlap_s and asked_s <= overlap_s + timing.reply_s:
        return overlap_s + timing.reply_s  # the last reply comes with the one to what was sent ahead
    return asked_s + timing.reply_s
