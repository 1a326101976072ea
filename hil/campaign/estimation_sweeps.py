"""Sweeps under known conditions, judged by the true channel and by the bound that noise and drift set."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from hil.arrays import Bool
from hil.campaign.estimation_bounds import drifting_pairs_error, patterns_error, pilots_error
from hil.campaign.estimation_scenes import SCHEMES, Row
from hil.campaign.sites import make_site
from hil.campaign.soundings import Conditions, Soundings, sound
from hil.config import SweepConfig
from hil.estimation.align import align_sweep, align_together
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.alignment import Alignment
from hil.estimation.estimate import SIGNS, estimate_taps
from hil.estimation.prediction import nmse_to_truth_db
from hil.measure.roots import RootPlan
from hil.measure.sweep import SweepPlan
from hil.optimize.objective import Problem
from hil.units import power_db, power_from_db

REFERENCES_EVERY = 8
FOUR_STATES = {
    "evenly": np.exp(0.5j * np.pi * np.arange(4)),
    "at 0, 70, 180, 300 deg": np.array([1.0, 0.9, 0.8, 0.9]) * np.exp(1j * np.radians([0.0, 70.0, 180.0, 300.0])),
}
OVERSAMPLING = 1.25
LAB_SIZE, LINK_SNR_DB, LARGE_SNR_DB = 16, 40.0, 30.0
DRIFT_DEG, WALKERS_DB = 10.0, -40.0
INTERVALS_S = (1e-4, 1e-3, 7e-3)  # a surface that steps by a trigger, by its timer, over a serial link


def conditions() -> Iterator[tuple[float, Conditions]]:
    """Direct channel over the surface's part, and what happens meanwhile."""
    for direct_db in (0.0, 20.0, 30.0):
        yield direct_db, Conditions(LINK_SNR_DB)
    for interval_s in INTERVALS_S:
        yield 20.0, Conditions(LINK_SNR_DB, interval_s, drift_deg=DRIFT_DEG)
    yield 20.0, Conditions(LINK_SNR_DB, INTERVALS_S[-1], walkers_db=WALKERS_DB)


def condition_rows(direct_db: float, during: Conditions, *, seeds: range) -> list[Row]:
    """The lab's surface, sounded at unknown starts: from responses to the estimate, as a recorded sweep is read."""
    still = during.walkers_db is None and not during.drift_deg
    ways = [("pairs", None)] if still else [("pairs", None), ("N + 1", None), ("N + 1", REFERENCES_EVERY)]
    rows = []
    for (pilots, every), kind in product(ways, ("raw", "denoised")):
        found = [
            judge_sweep(lab_channel(direct_db, seed), during, SCHEMES[pilots], kind, seed, every) for seed in seeds
        ]
        name = f"{pilots}, a reference every {every}" if every else pilots
        rows.append(_row(f"{_describe(during)}, {direct_db:.0f} dB, {name} {kind}", found, seeds))
    return rows


def large_rows(*, seeds: range) -> list[Row]:
    """64 x 64 elements of the paper's scene, a user who sees the surface, room and radio stand still."""
    during, rows = Conditions(LARGE_SNR_DB), []
    for pilots, kind in product(("N + 1", "pairs"), ("raw", "denoised")):
        found = [judge_sweep(one_user("paper", 64, seed), during, SCHEMES[pilots], kind, seed) for seed in seeds]
        rows.append(_row(f"still, 64x64, {LARGE_SNR_DB:.0f} dB SNR, {pilots} {kind}", found, seeds))
    return rows


def states_rows(direct_db: float, *, seeds: range) -> list[Row]:
    """Sweeps over four states: on a circle evenly, and as a board may have them; whole, and three quarters of it."""
    rows, during = [], Conditions(LINK_SNR_DB)
    for (name, states), share, kind in product(FOUR_STATES.items(), (1.0, 0.75), ("raw", "denoised")):
        found = []
        for seed in seeds:
            channel = replace(lab_channel(direct_db, seed), states=states)
            plan: SweepPlan = RootPlan.of_states(SweepConfig(scheme="dft"), states, LAB_SIZE**2, seed=seed)
            plan = plan.only(np.arange(int(share * plan.num_patterns)))
            found.append(_judge(channel, plan, during, kind, seed))
        case = f"four states {name}, {found[0].patterns} patterns, {direct_db:.0f} dB, {kind}"
        rows.append(_row(case, found, seeds) | {"condition": float(np.mean([each.condition for each in found]))})
    return rows


def _describe(conditions: Conditions) -> str:
    if conditions.drift_deg:
        return f"phase walks {conditions.drift_deg:g} deg/sqrt(s), {1e3 * conditions.interval_s:g} ms a sounding"
    if conditions.walkers_db is not None:
        return f"walkers {conditions.walkers_db:g} dB, {conditions.doppler_hz:g} Hz"
    return "still"


@dataclass(frozen=True)
class Judged:
    """An estimate's error against the truth, and the least one, with drift and without, relative to the surface."""

    nmse_db: float
    crlb: float
    still_crlb: float
    direct_to_surface_db: float
    drift_deg: float
    condition: float
    patterns: int


def judge_sweep(
    channel: Problem, during: Conditions, scheme: str, kind: str, seed: int, every: int | None = None
) -> Judged:
    """One sweep of a channel, from responses at unknown starts to the estimate.

    kind: raw or denoised. every: soundings from one reference to the next; none where None.
    """
    config = SweepConfig.model_validate({"scheme": scheme})
    plan = SweepPlan.from_config(config, channel.num_elements, seed=seed)
    return _judge(channel, plan if every is None else plan.with_references(every), during, kind, seed)


def _row(case: str, found: list[Judged], seeds: range) -> Row:
    """Means over the seeds.

    least_over_db, most_over_db: error over the bound in single seeds. bound_over_still_db: of the bound itself over
    that of a radio whose phase holds, where drift is bounded.
    """
    over_db = [each.nmse_db - float(power_db(each.crlb)) for each in found]
    crlb, still = (float(np.mean([getattr(each, name) for each in found])) for name in ("crlb", "still_crlb"))
    return {
        "case": case,
        "nmse_db": float(power_db(np.mean([power_from_db(each.nmse_db) for each in found]))),
        "crlb_db": float(power_db(crlb)),
        "rate_fraction": None,
        "least_over_db": min(over_db),
        "most_over_db": max(over_db),
        "bound_over_still_db": float(power_db(crlb / still)) if crlb > still else None,
        "direct_to_surface_db": float(np.mean([each.direct_to_surface_db for each in found])),
        "drift_deg_per_sqrt_s": float(np.mean([each.drift_deg for each in found])),
        "seeds": list(seeds),
    }


def _judge(channel: Problem, plan: SweepPlan, during: Conditions, kind: str, seed: int) -> Judged:
    fft_size = fft_size_of(channel)
    soundings = sound(channel, plan, during, fft_size=fft_size, seed=seed)
    alignment = align(soundings, channel, plan)
    basis = alignment.model.basis
    tap_var = soundings.noise_var[0] * basis.noise_gain
    estimate = estimate_taps(
        AlignedSoundings(plan, alignment.taps, tap_var, soundings.time_s, alignment.ambiguous, basis.basis),
        rows=channel.rows,
        cols=channel.cols,
        denoised=kind == "denoised",
        states=SIGNS if channel.states is None else channel.states,
    )
    direct, surface = (float(np.sum(np.abs(each) ** 2)) for each in (channel.direct, channel.cascade))
    still = _still_bound(channel, plan, float(tap_var.sum()))
    with_drift = partial(drifting_pairs_error, plan, float(tap_var.sum()), axis_noise=float(tap_var.mean()))
    drifts = during.drift_deg and plan.scheme == "pairs"
    bound = (
        still
        if not drifts
        else with_drift(
            direct=direct, surface=surface, drift_rad=float(np.radians(during.drift_deg)), step_s=during.interval_s
        )
    )
    return Judged(
        nmse_to_truth_db(estimate.cascade @ estimate.basis.T, channel.cascade @ channel.basis.T, fft_size),
        bound / surface,
        still / surface,
        float(power_db(direct / surface)),
        estimate.drift_deg,
        estimate.condition,
        plan.num_patterns,
    )


def _still_bound(channel: Problem, plan: SweepPlan, noise: float) -> float:
    if isinstance(plan, RootPlan):
        assert channel.states is not None, "rows over all states need them"
        return patterns_error(channel.states[plan.patterns()], noise)
    return pilots_error(plan, noise)


def lab_channel(direct_db: float, seed: int) -> Problem:
    """One user of the lab who sees the surface, the direct channel scaled to a ratio over the surface's part."""
    channel = one_user("lab", LAB_SIZE, seed)
    strength = np.linalg.norm(channel.cascade) / np.linalg.norm(channel.direct)
    return replace(channel, direct=np.sqrt(power_from_db(direct_db)) * strength * channel.direct)


def one_user(scene: str, size: int, seed: int) -> Problem:
    """The first user of a scene, who sees the surface."""
    truth = make_site(scene, size=size, users=1, bits=0, seed=seed).links().truth
    return replace(truth, direct=truth.direct[0], cascade=truth.cascade[0])


def fft_size_of(channel: Problem) -> int:
    """Samples of a symbol."""
    return int(OVERSAMPLING * channel.basis.shape[0])


def align(soundings: Soundings, channel: Problem, plan: SweepPlan, *, guards: int = 0) -> Alignment:
    """The length of the channel known; each sounding's start for itself. guards: subcarriers unused at each edge."""
    used = used_of(channel, guards)
    frame = _frame(channel) | {"used": used}
    response = soundings.response * used if guards else soundings.response
    return align_sweep(response, soundings.noise_var, **frame, partner=plan.partner)


def used_of(channel: Problem, guards: int) -> Bool[np.ndarray, "subcarrier"]:
    """All subcarriers but so many at each edge."""
    used = np.ones(channel.basis.shape[0], dtype=bool)
    used[:guards] = used[used.size - guards :] = False
    return used


def align_as_one(soundings: Soundings, channel: Problem) -> Alignment:
    """The same where one capture holds all soundings."""
    return align_together(soundings.response, soundings.noise_var, **_frame(channel))


def _frame(channel: Problem) -> dict[str, Any]:
    return {"used": used_of(channel, 0), "fft_size": fft_size_of(channel), "num_taps": channel.num_taps}
