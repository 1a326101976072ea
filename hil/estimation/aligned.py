"""Soundings of a sweep at one start: from these drift, change and the channel itself are found."""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.measure.sweep import SweepPlan


@dataclass(frozen=True)
class AlignedSoundings:
    """Soundings at one start, projected on a basis, in the plan's order.

    tap_var: noise variance of each coordinate of one sounding. lost: soundings that tell nothing.
    """

    plan: SweepPlan
    taps: Complex[np.ndarray, "pattern tap"]
    tap_var: Float[np.ndarray, "tap"]
    time_s: Float[np.ndarray, "pattern"]
    lost: Bool[np.ndarray, "pattern"]
    basis: Complex[np.ndarray, "subcarrier tap"]

    def of_surface(self, added: Complex[np.ndarray, "pattern tap"] | None = None) -> "AlignedSoundings":
        """Without the references between them, and without what is `added` to each."""
        which = self.plan.of_surface
        taps = self.taps[which] if added is None else (self.taps - added)[which].astype(self.taps.dtype)
        return replace(self, plan=self.plan.only(which), taps=taps, time_s=self.time_s[which], lost=self.lost[which])

    def references(self) -> Int[np.ndarray, "reference"]:
        """Numbers of the references that are there, in order of time."""
        there = self.plan.reference[~self.lost[self.plan.reference]]
        return np.asarray(there[np.argsort(self.time_s[there])])

    def following_pairs(self) -> tuple[Int[np.ndarray, "pattern"], Int[np.ndarray, "pair"]]:
        """Numbers of all soundings in order of time, and where in it complements follow each other, both of them there.

        Soundings that were retaken come last.
        """
        order = np.argsort(self.time_s)
        there = ~self.lost[order]
        return order, np.flatnonzero((self.plan.partner[order[:-1]] == order[1:]) & there[:-1] & there[1:])
