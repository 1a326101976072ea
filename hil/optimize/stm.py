"""Strongest tap maximisation: point the whole surface at one tap of the channel (Lin et al., IEEE JSAC 38, 2653)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, Kind, OneShot, Point
from hil.optimize.objective import TINY, Objective, choose


def tap_candidates(objective: Objective) -> tuple[Any, Any]:
    """Codes of unit norm that align every element, and the direct channel, at delay 0 .. M-1, and what taps they give.

    Both [batch, delay, tap]. The turn to the phase of the direct channel is common to all elements, so it is made on
    the taps; where the taps are those delays themselves, alignment is the conjugate phase of the cascade, without a
    product. This is the yardstick of all other times, so it is written for speed.
    """
    if objective.aims_are_taps:
        phases = objective.cascade.conj() * (1 / (objective.xp.abs(objective.cascade) + TINY))
        pointed = phases.swapaxes(-1, -2) @ objective.cascade
    else:
        pointed = objective.align(objective.aims[None]) @ objective.cascade
    direct = (objective.direct @ objective.aims.conj().swapaxes(-1, -2)).swapaxes(-1, -2)
    modulus = objective.xp.abs(direct)
    turn = objective.xp.where(modulus > 0, direct / (modulus + TINY), 1)
    return objective.aims * turn, objective.direct + turn * pointed


@dataclass(frozen=True)
class StrongestTap(OneShot):
    """All M candidates, one for each tap; `by_rate` offers them all, else only the one whose tap is strongest."""

    by_rate: bool = True
    kind: Kind = "code"

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        codes, taps = tap_candidates(objective)
        if not self.by_rate:
            modulus = np.abs((codes.conj() * taps).sum(axis=-1))
            strongest = np.argmax(modulus, axis=-1)[:, None]
            codes, taps = (choose(values, strongest) for values in (codes, taps))
        return Point(codes, objective.rate(taps))
