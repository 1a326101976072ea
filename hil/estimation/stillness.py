"""Whether a sweep's soundings belong together: do phases hold from one to the next, did the room stand still?

The half-sum of complements holds no surface. From one pair to the next it may change by noise alone: where phases are
lost between captures it changes by half of all that is heard, where somebody moves by what the echo changes, which
stands in the half-differences, and so in the cascade, just as well. Simplification: only what changes within two pairs
counts; how far a room has drifted from the first sounding to the last is not asked.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Complex, Float
from hil.errors import Incoherent
from hil.estimation.aligned import AlignedSoundings
from hil.units import power_db

MIN_PAIRS = 16
SIGMAS = 6.0
INCOHERENT = 0.1  # of a sounding's energy: phases that are 27 degrees off; lost ones make it a half
MOVED_DB = -10.0  # of the surface's part: beyond it motion alone spoils a tenth of the cascade


@dataclass(frozen=True)
class Change:
    """Energy by which half-sums of complements change from one pair to the next, noise taken out.

    energy: half of the mean squared difference: the variance of each. resolution: what noise alone may make of it.
    total: mean energy of a sounding.
    """

    energy: float
    resolution: float
    total: float

    @property
    def coherent(self) -> bool:
        """Phases hold from sounding to sounding."""
        return self.energy < max(INCOHERENT * self.total, self.resolution)


def change_between_pairs(heard: AlignedSoundings) -> Change | None:
    """None where too few complements follow each other."""
    taps, (order, first) = heard.taps, heard.following_pairs()
    if first.size < MIN_PAIRS:
        return None
    half_sums = (taps[order[first]] + taps[order[first + 1]]) / 2
    return _change(half_sums, taps[~heard.lost], heard.tap_var, 1 / 2)


def change_between_references(heard: AlignedSoundings) -> Change | None:
    """The same from one sounding of a sweep's reference to the next; None where there are too few."""
    same = heard.taps[heard.references()]
    return None if len(same) < MIN_PAIRS else _change(same, same, heard.tap_var, 1.0)


def _change(
    same: Complex[np.ndarray, "time tap"],
    soundings: Complex[np.ndarray, "sounding tap"],
    tap_var: Float[np.ndarray, "tap"],
    share: float,
) -> Change:
    """same: what no pattern changes, one after the other; share: of a sounding's noise that is in each."""
    steps, noise = np.diff(same, axis=0), float(tap_var.sum())
    energy = float(np.sum(np.abs(steps) ** 2)) / len(steps) / 2 - share * noise
    spread = share * float(np.sqrt(np.sum(tap_var**2)))
    resolution = SIGMAS * spread * np.sqrt(1.5 / len(steps))  # neighbours share one of `same`: 3/2 of independent ones
    total = float(np.sum(np.abs(soundings) ** 2)) / len(soundings) - noise
    return Change(max(energy, 0.0), float(resolution), total)


def require_coherence(change: Change | None, between: str = "pair of complements") -> None:
    """Raise Incoherent where phases are lost between the soundings."""
    if change is None or change.coherent:
        return
    lost, most = f"{100 * change.energy / change.total:.0f} %", "50" if between == "pair of complements" else "100"
    raise Incoherent(
        f"the sweep is not coherent: from one {between} to the next {lost} of what is heard changes, "
        f"{most} % where each capture has a phase of its own; let the LOs run through the sweep, "
        "sound faster (sweep.mode: sequence or burst), or use the experiment `power_only`, which needs no phase"
    )


def motion_db(change: Change | None, surface: float) -> float | None:
    """What motion between soundings leaves in the cascade, relative to the surface's energy in a sounding.

    Never below what noise lets see; None without pairs, and where the surface itself is not seen. Beyond `MOVED_DB` the
    room moved too much.
    """
    if change is None or surface <= 0:
        return None
    return float(power_db(max(change.energy, change.resolution, np.finfo(float).tiny) / surface))
