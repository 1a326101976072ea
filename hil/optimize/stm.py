"""Strongest tap maximisation: point the whole surface at one tap of the channel (Lin et al., IEEE JSAC 38, 2653)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.optimize.iterate import Candidates, InTapSpace, OneShot, Point
from hil.optimize.objective import Objective
from hil.phy.taps import delay_response


def tap_codes(objective: Objective) -> Any:
    """Codes[batch, tap, delay] that align every element, and the direct channel, at delay 0 .. M-1.

    A tap of the channel is a^H basis h with a the response of a pure delay, so its code is basis^H a, turned to the
    phase that the direct channel has there.
    """
    delays = delay_response(objective.basis.shape[0], np.arange(objective.num_taps, dtype=float))
    code = objective.basis.conj().T @ delays.astype(objective.basis.dtype)
    direct = code.conj().T @ objective.direct
    phase = np.where(direct == 0, 1, direct) / np.where(direct == 0, 1, np.abs(direct))
    return code * phase.swapaxes(-1, -2)


def tap_amplitudes(objective: Objective, taps: Any) -> Any:
    """Modulus[batch, delay] of the tap at delay l in taps[batch, tap, l]: of each candidate where it was aimed at."""
    delays = delay_response(objective.basis.shape[0], np.arange(objective.num_taps, dtype=float))
    code = objective.basis.conj().T @ delays
    return np.abs((code.conj() * taps).sum(axis=-2))


@dataclass(frozen=True)
class StrongestTap(OneShot, InTapSpace):
    """All M candidates, one for each tap; `by_rate` offers them all, else only the one whose tap is strongest."""

    by_rate: bool = True

    def init(self, objective: Objective, start: Candidates | None, rng: np.random.Generator) -> Point:
        codes = tap_codes(objective)
        taps = objective.taps(objective.align(codes))
        if self.by_rate:
            return Point(codes, objective.rate(taps))
        strongest = np.argmax(tap_amplitudes(objective, taps), axis=-1)[:, None, None]
        return Point(
            np.take_along_axis(codes, strongest, axis=-1), objective.rate(np.take_along_axis(taps, strongest, axis=-1))
        )
