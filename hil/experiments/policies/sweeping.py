"""Policies that know only what they have just swept: nothing, everything, groups of elements, or a part in turns."""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Pattern
from hil.config import SweepConfig
from hil.estimation.estimate import estimate_channel
from hil.estimation.least_squares import CascadedEstimate, least_squares
from hil.experiments.policies.policy import (
    Ask,
    Heard,
    predicted_taps,
    reception,
    reflections,
)
from hil.interfaces import Geometry
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan
from hil.phy.grouping import block_groups
from hil.phy.hadamard import transform


class Hold:
    """Never sounds again: the channel stays what the first sweep saw."""

    watches = False

    def __init__(self, setup: Setup, estimate: CascadedEstimate) -> None:
        self.setup, self.estimate = setup, estimate

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        return None

    def hear(self, heard: Heard) -> float:
        return 0.0

    def channel(self, time_s: float) -> CascadedEstimate:
        return self.estimate

    def foresee(self, pattern: Pattern, time_s: float) -> Complex[np.ndarray, "tap"]:
        return predicted_taps(self.estimate, reflections(self.setup, pattern))


class Full(Hold):
    """A whole sweep in each round."""

    def __init__(self, setup: Setup, estimate: CascadedEstimate, plan: SweepPlan) -> None:
        super().__init__(setup, estimate)
        self.plan = plan
        self._first = estimate

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        return Ask(self.plan.patterns(), self.plan.board_rows)

    def hear(self, heard: Heard) -> float:
        self.estimate = sweep_again(self.setup, self._first, self.plan, heard)
        return 0.0


class Grouped(Full):
    """A sweep of groups of neighbours that switch together: few patterns, a coarse surface."""

    def __init__(self, setup: Setup, estimate: CascadedEstimate, group: tuple[int, int], seed: int) -> None:
        groups = block_groups(Geometry(setup.rows, setup.cols, 1.0, 1.0), *group)
        config = SweepConfig(scheme="pairs", group=group)
        plan = SweepPlan.from_config(
            config, setup.num_elements, plus=setup.plus, minus=setup.minus, seed=seed, groups=groups
        )
        super().__init__(setup, estimate, plan)


class Partial(Hold):
    """Some rows of the Hadamard matrix in each round, in turns: each replaces what was known of it before.

    Known is the surface's answer to every row, so that the estimate is of all elements at once, but of different times.
    """

    def __init__(self, setup: Setup, estimate: CascadedEstimate, num_patterns: int) -> None:
        super().__init__(setup, estimate)
        config = SweepConfig(scheme="hadamard", shuffle=False, scramble=False)
        self.plan = SweepPlan.from_config(config, setup.num_elements, plus=setup.plus, minus=setup.minus)
        self._count = min(num_patterns, self.plan.order)
        self._next = 0
        columns = np.zeros((self.plan.order, estimate.cascade.shape[1]), dtype=np.complex64)
        columns[self.plan.column] = estimate.cascade
        self._table = transform(columns)

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        which = slice(self._next, min(self._next + self._count, self.plan.order))
        return Ask(self.plan.patterns(which))

    def hear(self, heard: Heard) -> float:
        asked = heard.only_asked()
        which = slice(self._next, self._next + len(asked.patterns))
        foreseen = predicted_taps(self.estimate, reflections(self.setup, asked.patterns))
        taps = asked.taps(reception(self.setup, self.estimate), foreseen)
        self._table[which] = taps - self.estimate.direct
        cascade = (transform(self._table) / self.plan.order)[self.plan.column]
        self.estimate = replace(self.estimate, cascade=cascade.astype(np.complex64))
        self._next = which.stop % self.plan.order
        return 0.0


def sweep_again(setup: Setup, first: CascadedEstimate, plan: SweepPlan, heard: Heard) -> CascadedEstimate:
    """The channel by a sweep of its own, whatever was known before; `first` tells where in a capture it begins."""
    asked = heard.only_asked()
    if not asked.captures:
        return estimate_channel(_Swept(plan, asked.block), setup)
    receive = reception(setup, first)
    foreseen = predicted_taps(first, reflections(setup, asked.patterns))
    taps = asked.taps(receive, foreseen)
    tap_var = asked.noise_var * np.sum(np.abs(receive.projector) ** 2, axis=1)
    estimate = least_squares(plan, taps, tap_var, basis=first.basis, cols=setup.cols)
    return replace(estimate, states=setup.states)


class _Swept:
    alignment = None  # each round lies anew

    def __init__(self, plan: SweepPlan, soundings: SoundingBlock) -> None:
        self.plan, self.soundings = plan, soundings
