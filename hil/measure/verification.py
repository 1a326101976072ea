"""The verdict: what soundings that nothing else used say about each arm, with confidence intervals.

An arm is a pattern with a name. All arms are sounded in each round, in random order, so that whatever drifts drifts for
all of them; intervals come from the scatter between rounds (jackknife over rounds), comparisons are paired by round.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hil.arrays import Complex, Float, Int

Figure = Callable[[Complex[np.ndarray, "sounding subcarrier"]], float]


class Outcome(StrEnum):
    """PASS and FAIL are measured; ERROR means that there is no measurement."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Interval:
    """A value and the confidence interval around it."""

    value: float
    low: float
    high: float

    @classmethod
    def jackknife(cls, value: float, leave_one_out: Float[np.ndarray, "round"], confidence: float) -> "Interval":
        """Student's interval from estimates that each leave one round out."""
        from scipy.special import stdtrit

        rounds = leave_one_out.size
        error = np.sqrt((rounds - 1) / rounds * np.sum((leave_one_out - leave_one_out.mean()) ** 2))
        half = float(stdtrit(rounds - 1, (1 + confidence) / 2) * error)
        return cls(value, value - half, value + half)


@dataclass(frozen=True)
class Schedule:
    """Which arm each sounding of the verification shows: arm[i] in round round_[i]."""

    arm: Int[np.ndarray, "sounding"]
    round_: Int[np.ndarray, "sounding"]

    @classmethod
    def interleaved(cls, num_arms: int, rounds: int, soundings: int, seed: int) -> "Schedule":
        """`soundings` of each arm in each round, in an order drawn anew for each round."""
        rng = np.random.default_rng(seed)
        once = np.repeat(np.arange(num_arms), soundings)
        arm = np.concatenate([rng.permutation(once) for _ in range(rounds)])
        return cls(arm, np.repeat(np.arange(rounds), once.size))


@dataclass(frozen=True)
class Verification:
    """What was measured of each arm.

    rate_mbps, gain_db: by arm; gain is the mean received power against `all_zero`.
    advantage_mbps: rate of `chosen` minus that of each other arm, paired by round.
    response: mean response of each arm, channel units, at an arbitrary delay and phase.
    """

    rate_mbps: dict[str, Interval]
    gain_db: dict[str, Interval]
    advantage_mbps: dict[str, Interval]
    response: dict[str, Complex[np.ndarray, "subcarrier"]]
    confidence: float

    @property
    def outcome(self) -> Outcome:
        """PASS: at the stated confidence `chosen` beats `all_zero`, and `best_pilot` where there is one."""
        beaten = all(each.low > 0 for name, each in self.advantage_mbps.items() if name in ("all_zero", "best_pilot"))
        return Outcome.PASS if beaten else Outcome.FAIL


def judge(
    schedule: Schedule,
    names: Sequence[str],
    responses: Complex[np.ndarray, "sounding subcarrier"],
    *,
    rate: Figure,
    power: Figure,
    confidence: float,
) -> Verification:
    """Judge arms by their soundings.

    responses: in the order of the schedule, channel units, the soundings of an arm aligned with each other.
    rate, power: Mbit/s and mean |h|^2 > 0 from the soundings of one arm, both corrected for noise.
    """
    rates, powers = (
        {name: _leave_out(schedule, arm, responses, figure) for arm, name in enumerate(names)}
        for figure in (rate, power)
    )
    zero = powers["all_zero"]
    gains = {name: 10 * np.log10(values / zero) for name, values in powers.items()}
    chosen = rates["chosen"]
    return Verification(
        _intervals(rates, confidence),
        _intervals(gains, confidence),
        _intervals({name: chosen - values for name, values in rates.items() if name != "chosen"}, confidence),
        {name: responses[schedule.arm == arm].mean(axis=0) for arm, name in enumerate(names)},
        confidence,
    )


def _leave_out(
    schedule: Schedule, arm: int, responses: Complex[np.ndarray, "sounding subcarrier"], figure: Figure
) -> Float[np.ndarray, "estimate"]:
    """The figure from all rounds, then without each of them."""
    mine = schedule.arm == arm
    rounds = np.unique(schedule.round_)
    kept = [mine, *(mine & (schedule.round_ != left_out) for left_out in rounds)]
    return np.array([figure(responses[which]) for which in kept])


def _intervals(values: Mapping[str, Float[np.ndarray, "estimate"]], confidence: float) -> dict[str, Interval]:
    return {name: Interval.jackknife(float(each[0]), each[1:], confidence) for name, each in values.items()}
