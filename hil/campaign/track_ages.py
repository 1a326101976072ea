"""How old a pattern may be: oracles that know the true channel of some moments ago perfectly, and nothing else.

What they keep bounds every loop that does not foresee. A round of period T holds its soundings, its pattern serves at
ages from `lag_s` to `lag_s` + T, and each sounding takes time: from the data while pilots are listened to, and from the
surface until the pattern is back. So what is served is at most

    mean over the ages of what the oracle keeps  -  what the soundings take / T

for the best T, with two soundings a round: fewer do not tell the direct channel and the surface apart, nor the phase
between them, which turns fastest. A loop that predicts may exceed the first term, but never 1 minus the second one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.track_rows import interval
from hil.campaign.walks import Case, station_of
from hil.config import UserConfig
from hil.experiments.tracking.judge import best_pattern
from hil.interfaces import Progress, no_progress
from hil.measure.sweep import choose_mode, pattern_floor_s
from hil.testbed import Testbed, open_testbed

AGES_S = (0.0, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
PERIODS_S = np.geomspace(0.05, 2.0, 60)
INSTANTS = 8  # of a walk
RANDOM = 4  # patterns that stand for those that are sounded
FEWEST = 2  # soundings of a round


def ages_of(case: Case, progress: Progress = no_progress, ages_s: Sequence[float] = AGES_S) -> dict[str, Any]:
    """What patterns of each age keep of the best rate, means over users with intervals, and what may be served so.

    lag_s: charged for a round's software. served_at_most, period_s: for the best period; only where patterns are sent
    one by one, whose time the station tells.
    """
    kept, random, told = [], [], None
    for number, user in enumerate(case.users):
        with open_testbed(station_of(case, user)) as testbed:
            found = _of_user(testbed, user, case, ages_s)
            told = told or _sounding_s(testbed)
        kept.append(found[0])
        random.append(found[1])
        progress("ages", number + 1, len(case.users))
    fraction, lag_s = np.mean(kept, axis=0), next(iter(case.experiments.values())).compute_s
    row = {
        "testbed": case.station.name,
        "kind": case.kind,
        "speed_m_per_s": case.speed_m_per_s,
        "users": len(kept),
        "age_s": list(ages_s),
        "fraction": fraction.tolist(),
        "interval": [interval(each) for each in np.transpose(kept)],
        "random": float(np.mean(random)),
        "lag_s": lag_s,
    }
    return row | ({} if told is None else _bound(np.array(ages_s), fraction, float(np.mean(random)), lag_s, *told))


def _of_user(
    testbed: Testbed, user: UserConfig, case: Case, ages_s: Sequence[float]
) -> tuple[Float[np.ndarray, "age"], float]:
    """Fractions by age, and of random patterns, over the walk."""
    truth, setup, states = testbed.truth, testbed.setup, testbed.surface.states
    assert truth is not None and user.path is not None, "simulated walkers"
    rng, walk_s = np.random.default_rng(5), next(iter(case.experiments.values())).duration_s
    fractions, others = [], []
    for time_s in user.path.start_s + max(ages_s) + walk_s * rng.uniform(size=INSTANTS):
        patterns = [best_pattern(truth, time_s - age_s, setup, states) for age_s in (0.0, *ages_s)]
        patterns += list(rng.integers(0, 2, (RANDOM, setup.num_elements), dtype=np.uint8))
        rates = np.array([setup.rate_mbps(truth.response(pattern, time_s)) for pattern in patterns])
        fractions.append(rates[1 : 1 + len(ages_s)] / rates.max())
        others.append(rates[-RANDOM:] / rates.max())
    return np.mean(fractions, axis=0), float(np.mean(others))


def _sounding_s(testbed: Testbed) -> tuple[float, float] | None:
    """Time of a sounding, and of that without data; None of a board that steps by itself."""
    repetitions = testbed.config.ofdm.repetitions
    mode = choose_mode("auto", [each for each in testbed.sweep_modes(repetitions) if each in ("pipelined", "stepped")])
    if any(each in ("sequence", "triggered") for each in testbed.sweep_modes(repetitions)):
        return None
    capture_s = repetitions * testbed.grid.symbol_s
    whole_s = pattern_floor_s(testbed.surface.timing, mode, capture_s=capture_s, turnaround_s=testbed.turnaround_s)
    return whole_s, capture_s + testbed.turnaround_s


def _bound(
    age_s: Float[np.ndarray, "age"],
    fraction: Float[np.ndarray, "age"],
    random: float,
    lag_s: float,
    sounding_s: float,
    listening_s: float,
) -> dict[str, float]:
    """The most that is served without foresight, over all periods; ages beyond those asked for keep the last value."""
    away_s = listening_s + (sounding_s - listening_s) * (1 - random / fraction[0])
    taken_s = listening_s + (FEWEST - 1) * away_s  # the first one is of the pattern that serves
    steps = np.linspace(0, 1, 50)
    served = [
        np.interp(lag_s + period_s * steps, age_s, fraction).mean() - taken_s / period_s for period_s in PERIODS_S
    ]
    best = int(np.argmax(served))
    return {"served_at_most": float(served[best]), "period_s": float(PERIODS_S[best]), "taken_s": taken_s}
