"""The rows of `hil bench track`: means over users, and differences between policies, paired by user.

Intervals are Student's over users. A difference is taken for each user first: users differ more than policies do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hil.arrays import Float
from hil.campaign.walks import Case

CONFIDENCE = 0.95
FIGURES = ("mean_true_fraction", "mean_served_fraction", "mean_hold_fraction")
MEDIANS = ("patterns", "period_s", "lag_s", "software_ms", "thinking_ms", "charged_ms", "follows_m_per_s")
COUNTS = ("rounds", "lost_rounds", "sweeps_again", "retaken", "overloaded", "restarts")

Summaries = Mapping[str, Mapping[str, Any]]
"""What each policy's track of one user came to, by policy."""


def row_of(case: Case, policy: str, results: Sequence[Summaries]) -> dict[str, Any]:
    """One policy of a case, as plain values.

    true_fraction, interval, worst_user: of the pattern configured last. served_fraction: soundings counted.
    over, served_over: by policy, of `hold` too: [low, mean, high] of the difference; None for a single user.
    """
    mine = [result[policy] for result in results]
    true, served, held = (np.array([each[name] for each in mine]) for name in FIGURES)
    others = [name for name in case.experiments if name != policy]
    return {
        **where_of(case, results),
        "policy": policy,
        "true_fraction": float(true.mean()),
        "interval": interval(true),
        "worst_user": float(true.min()),
        "served_fraction": float(served.mean()),
        "hold_fraction": float(held.mean()),
        "over": {"first pattern": interval(true - held)}
        | {name: interval(true - _of(results, name, FIGURES[0])) for name in others},
        "served_over": {"first pattern": interval(served - held)}
        | {name: interval(served - _of(results, name, FIGURES[1])) for name in others},
        **{name: _median([each[name] for each in mine]) for name in MEDIANS},
        **{name: sum(each[name] for each in mine) for name in COUNTS},
    }


def where_of(case: Case, results: Sequence[Summaries]) -> dict[str, Any]:
    """Scene, link, path and users of a case: what each of its rows holds for.

    sounding_snr_db: of a sounding of the first sweep, median over subcarriers, then over users; link_snr_db: of the
    best pattern at each instant, such that all subcarriers alike would carry its rate.
    """
    scene = case.station.simulation.scene if case.station.simulation is not None else None
    experiment = next(iter(case.experiments.values()))
    some = [next(iter(result.values())) for result in results]
    return {
        "testbed": case.station.name,
        "scene": "" if scene is None else " ".join([scene.kind, f"seed {scene.seed}", *_options(scene.options)]),
        "kind": case.kind,
        "speed_m_per_s": case.speed_m_per_s,
        "path": f"straight, {case.speed_m_per_s * experiment.duration_s:.3g} m in {experiment.duration_s:g} s",
        "users": len(some),
        "user_names": [user.name for user in case.users],
        "sounding_snr_db": _median([each["sounding_snr_db"] for each in some]),
        "link_snr_db": _median([each["link_snr_db"] for each in some]),
    }


def interval(values: Float[np.ndarray, "user"]) -> list[float] | None:
    """Mean and Student's interval over users: [low, mean, high]; None for a single user."""
    from scipy.special import stdtrit

    if values.size < 2:
        return None
    half = float(stdtrit(values.size - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(values.size))
    mean = float(values.mean())
    return [mean - half, mean, mean + half]


def _of(results: Sequence[Summaries], policy: str, name: str) -> Float[np.ndarray, "user"]:
    return np.array([result[policy][name] for result in results])


def _options(options: Mapping[str, object]) -> list[str]:
    return [f"{name} {value}" for name, value in options.items()]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
