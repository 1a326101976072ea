"""Sweeps over all states of an element: rows of Fourier matrices, each entry the state next to its root of unity."""

import math
from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Int, Patterns
from hil.config import SweepConfig
from hil.measure.sweep import BoardRows, SweepPlan
from hil.phy.roots import exponents, radices_for

SAME = 1e-3  # of the states' size: states nearer to each other than that are one
EXACT = 1e-6  # likewise: states that lie so near to a circle's even division make orthogonal rows


@dataclass(frozen=True)
class Ring:
    """Different states of an element in the order of their angle about their middle.

    state: index of each. middle, radius: complex, of the even division of a circle that they are nearest to: state
    number e stands for middle + radius exp(2j pi e / P). exact: they lie on it.
    """

    state: tuple[int, ...]
    middle: complex
    radius: complex
    exact: bool

    @classmethod
    def of(cls, states: Complex[np.ndarray, "state"]) -> "Ring":
        """states: reflection of each. Raises ValueError where all are the same."""
        scale = float(np.abs(states - states.mean()).max())
        apart = [i for i, each in enumerate(states) if all(np.abs(each - states[:i]) > SAME * scale)]
        if len(apart) < 2:
            raise ValueError("an element with one state only tells nothing")
        values = states[apart] - states[apart].mean()
        order = np.argsort(np.angle(values / values[0]) % (2 * math.pi), kind="stable")
        ring = tuple(int(apart[i]) for i in order)
        roots = np.exp(2j * math.pi * np.arange(len(ring)) / len(ring))
        middle, radius = states[list(ring)].mean(), np.vdot(roots, states[list(ring)]) / len(ring)
        left = float(np.abs(states[list(ring)] - middle - radius * roots).max())
        return cls(ring, complex(middle), complex(radius), left < EXACT * scale)

    @property
    def num_roots(self) -> int:
        return len(self.state)


@dataclass(frozen=True, kw_only=True)
class RootPlan(SweepPlan):
    """Every sounding of a sweep over P roots of unity, W of `hil.phy.roots`.

    Sounding i shows the state of root W[row[i], column[n]] times exp(2j pi turn[n] / P). Column 0, which is constant,
    is left to the direct channel. mask and sign are one, plus and minus without meaning: `signs` does not exist.
    """

    radices: tuple[int, ...]
    turn: Int[np.ndarray, "element"]
    ring: Ring

    @classmethod
    def of_states(
        cls,
        config: SweepConfig,
        states: Complex[np.ndarray, "state"],
        num_elements: int,
        *,
        seed: int = 0,
        groups: Int[np.ndarray, "element"] | None = None,
    ) -> "RootPlan":
        """Arguments as of `SweepPlan.from_config`; states: reflection of each, in any units.

        scramble: any columns, each times a root of unity: neighbours would leave a part of the sweep without a rest.
        """
        ring = Ring.of(states)
        groups = np.arange(num_elements) if groups is None else groups
        num_groups = int(groups.max()) + 1
        radices = radices_for(num_groups + 1, ring.num_roots)
        rows, turn = np.arange(math.prod(radices)), np.zeros(num_groups, dtype=int)
        column = 1 + np.arange(num_groups)
        turn_seed, shuffle_seed = np.random.SeedSequence(seed).spawn(2)
        if config.scramble:
            rng = np.random.default_rng(turn_seed)
            turn = rng.integers(0, ring.num_roots, num_groups)
            column = 1 + rng.permutation(rows.size - 1)[:num_groups]
        if config.shuffle:
            rows = np.random.default_rng(shuffle_seed).permutation(rows)
        ones = np.ones(rows.size, dtype=np.int8)
        return cls(
            "dft",
            rows.size,
            column[groups],
            np.ones(num_elements, dtype=np.int8),
            rows,
            ones,
            0,
            0,
            config.block,
            radices=radices,
            turn=turn[groups],
            ring=ring,
        )

    @property
    def partner(self) -> Int[np.ndarray, "pattern"]:
        return np.full(self.num_patterns, -1)

    def signs(self, which: slice | Int[np.ndarray, "some"] = slice(None)) -> Int[np.ndarray, "pattern element"]:
        """Raises TypeError: states of several bits are no signs."""
        raise TypeError("a sweep over roots of unity has no signs")

    def patterns(self, which: slice | Int[np.ndarray, "some"] = slice(None)) -> Patterns:
        powers = exponents(self.row[which], self.column, self.radices, self.ring.num_roots) + self.turn
        return np.asarray(np.array(self.ring.state, dtype=np.uint8)[powers % self.ring.num_roots])

    def board_rows(self, which: slice = slice(None)) -> BoardRows | None:
        """None: boards make rows of Hadamard matrices only."""
        return None
