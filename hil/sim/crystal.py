"""The reference oscillator of a radio: everything that the radio calls a second or a hertz is a multiple of its own."""

import math
from dataclasses import dataclass

from hil.config import CrystalConfig

PPM = 1e-6


@dataclass(frozen=True)
class Crystal:
    """Runs fast by `offset_ppm`, and when it starts, at time zero, by `warm_up_ppm` more, which then decays.

    A pure function of the world's time, so that two ends of a radio agree and a resumed run goes on with it.
    """

    offset_ppm: float = 0.0
    warm_up_ppm: float = 0.0
    time_constant_s: float = 300.0

    @classmethod
    def from_config(cls, config: CrystalConfig) -> "Crystal":
        return cls(config.offset_ppm, config.warm_up_ppm, config.time_constant_s)

    def rate(self, time_s: float) -> float:
        """Seconds that its clock counts per second: true frequency over nominal frequency."""
        decay = math.exp(-max(time_s, 0.0) / self.time_constant_s)
        return 1 + PPM * (self.offset_ppm + self.warm_up_ppm * decay)

    def ahead_s(self, time_s: float) -> float:
        """How much more than `time_s` its clock has counted since time zero."""
        warming_s = -self.time_constant_s * math.expm1(-max(time_s, 0.0) / self.time_constant_s) + min(time_s, 0.0)
        return PPM * (self.offset_ppm * time_s + self.warm_up_ppm * warming_s)

    def elapsed_s(self, from_s: float, until_s: float) -> float:
        """Seconds that its clock counts between two times, the second of which may be infinite."""
        if math.isinf(until_s):
            return until_s
        return until_s - from_s + (self.ahead_s(until_s) - self.ahead_s(from_s))

    def when_s(self, from_s: float, elapsed_s: float) -> float:
        """The time at which its clock has counted so much since `from_s`: the inverse of `elapsed_s`."""
        until_s = from_s + elapsed_s
        for _ in range(3):  # each step leaves less than a thousandth of the error
            until_s = from_s + (elapsed_s - (self.ahead_s(until_s) - self.ahead_s(from_s)))
        return until_s


EXACT = Crystal()


def beat_cycles(sent_hz: float, sender: Crystal, heard_hz: float, hearer: Crystal, time_s: float) -> float:
    """Cycles, up to whole ones, by which one oscillator leads another at `time_s`; both had phase zero at time zero.

    Summed from parts that stay small, or a difference of days times gigahertz would have no digits left.
    """
    beat = math.fmod((sent_hz - heard_hz) * time_s, 1.0)
    return beat + math.fmod(sent_hz * sender.ahead_s(time_s) - heard_hz * hearer.ahead_s(time_s), 1.0)
