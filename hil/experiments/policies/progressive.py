"""A peer: progressive channel estimation (Lin, Zheng, Alexandropoulos, Wen, Chen, GLOBECOM 2020; the paper's [14]).

Elements stand in groups, and within a group keep the phases that they have on the surface; a round sounds the groups
against each other, and sets each group as a whole. From round to round the groups are split, until there are as many as
a round has patterns for; then it begins again with large ones. What is sounded is always the present configuration with
groups of it inverted, so that each sounding has the array's gain.
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Int, Pattern
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.policies.policy import Ask, Heard, predicted_taps, reception, reflections
from hil.experiments.policies.sweeping import Hold
from hil.interfaces import Geometry
from hil.measure.setup import Setup
from hil.phy.grouping import block_groups
from hil.phy.hadamard import entries

COARSEST = 4  # groups along each side at first


class Progressive(Hold):
    """Groups of the present configuration against each other, finer from round to round."""

    def __init__(self, setup: Setup, estimate: CascadedEstimate, num_patterns: int) -> None:
        super().__init__(setup, estimate)
        self._sides = _sides(setup, num_patterns)
        self._round = 0
        self._signs = np.ones(setup.num_elements, dtype=np.int8)

    @property
    def groups(self) -> Int[np.ndarray, "element"]:
        """Group of each element in this round."""
        side = self._sides[self._round % len(self._sides)]
        geometry = Geometry(self.setup.rows, self.setup.cols, 1.0, 1.0)
        return block_groups(geometry, -(-self.setup.rows // side), -(-self.setup.cols // side))

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        self._signs = np.where(serving == self.setup.plus, 1, -1).astype(np.int8)
        order = 2 * self._sides[self._round % len(self._sides)] ** 2
        signs = entries(np.arange(order), 1 + self.groups) * self._signs
        return Ask(self.setup.patterns(signs))

    def hear(self, heard: Heard) -> float:
        """Least squares of the groups' sums: column 0 of the Hadamard matrix is the direct channel's."""
        asked, groups = heard.only_asked(), self.groups
        foreseen = predicted_taps(self.estimate, reflections(self.setup, asked.patterns))
        taps = asked.taps(reception(self.setup, self.estimate), foreseen)
        order = len(taps)
        columns = entries(np.arange(order), np.arange(order)).T.astype(np.float32) @ taps / order
        share = self._signs / np.bincount(groups)[groups]
        cascade = columns[1 + groups] * share[:, None]
        self.estimate = replace(self.estimate, direct=columns[0], cascade=cascade.astype(np.complex64))
        self._round += 1
        return 0.0


def _sides(setup: Setup, num_patterns: int) -> list[int]:
    """Groups along a side, round by round: powers of two for which the patterns are enough."""
    sides = [COARSEST]
    while 2 * (2 * sides[-1]) ** 2 <= num_patterns and 2 * sides[-1] <= min(setup.rows, setup.cols):
        sides.append(2 * sides[-1])
    return sides
