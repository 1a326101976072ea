"""Estimates against the true channel and against the bound that noise sets: `hil bench estimation`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hil.arrays import Bool
from hil.campaign.csi import assumed, estimates, sweep_plan
from hil.campaign.estimation_bounds import drifting_pairs_error, patterns_error, pilots_error
from hil.campaign.links import Links
from hil.campaign.radio_rows import radio_rows
from hil.campaign.sites import make_site
from hil.campaign.soundings import Conditions, Soundings, sound
from hil.config import SweepConfig
from hil.estimation.align import Alignment, align_sweep
from hil.estimation.denoise import denoise
from hil.estimation.estimate import SIGNS, estimate_taps
from hil.estimation.least_squares import CascadedEstimate, least_squares
from hil.estimation.prediction import nmse_to_truth_db
from hil.interfaces import Progress, no_progress
from hil.measure.roots import RootPlan
from hil.measure.sweep import SweepPlan
from hil.optimize.objective import Problem
from hil.optimize.solve import solve
from hil.phy.sync import advance
from hil.phy.taps import DelayBasis
from hil.units import power_db, power_from_db

Row = dict[str, Any]
SCHEMES = {"N": "hadamard", "N + 1": "hadamard_plus_one", "pairs": "pairs"}
REFERENCES_EVERY = 8
FOUR_STATES = {
    "evenly": np.exp(0.5j * np.pi * np.arange(4)),
    "at 0, 70, 180, 300 deg": np.array([1.0, 0.9, 0.8, 0.9]) * np.exp(1j * np.radians([0.0, 70.0, 180.0, 300.0])),
}
OVERSAMPLING = 1.25
LAB_SIZE, OFFSET_SNR_DB, LINK_SNR_DB = 16, 5.0, 40.0
DRIFT_DEG, WALKERS_DB = 10.0, -40.0
FFT_ROW = "one FFT over [4096, 500]"
INTERVALS_S = (1e-4, 1e-3, 7e-3)  # a surface that steps by a trigger, by its timer, over a serial link


def bench(*, full: bool, seed: int, progress: Progress = no_progress) -> list[Row]:
    """All rows. Each names its seeds and the ratio of the direct channel to the surface's part."""
    sites = list(product(("paper", "paper-rich", "lab"), (16, 32, 64)))
    rows: list[Row] = []
    for done, (scene, size) in enumerate(sites):
        progress("scenes", done, len(sites))
        rows += scene_rows(scene, size, users=10 if full else 2, seed=seed)
    progress("scenes", len(sites), len(sites))
    seeds = range(seed, seed + (10 if full else 2))
    for done, (direct_db, conditions) in enumerate(cases := list(_conditions())):
        rows += condition_rows(direct_db, conditions, seeds=seeds)
        progress("conditions", done + 1, len(cases))
    rows += states_rows(20.0, seeds=seeds)
    for done, direct_db in enumerate(ratios := range(-10, 31, 5)):
        rows.append(offset_row(direct_db, seeds=range(seed, seed + (200 if full else 4))))
        progress("offsets", done + 1, len(ratios))
    progress("radios", 0, 1)
    rows += radio_rows(seed=seed)
    progress("radios", 1, 1)
    return rows + time_rows(seed=seed)


def scene_rows(scene: str, size: int, *, users: int, seed: int) -> list[Row]:
    """Raw and denoised estimates from N, N + 1 and 2N pilots with the link's own noise; rates over the true channel.

    nmse_db and crlb_db: means over the users. rate_fraction: of the rate with perfect knowledge, same optimizer.
    """
    links = make_site(scene, size=size, users=users, bits=0, seed=seed).links()
    best = _rates(links, links.truth, seed)
    rows = []
    for pilots, scheme in SCHEMES.items():
        plan = sweep_plan(links, scheme, seed=seed)
        raw = estimates(links, plan, 1 / links.truth.snr_scale, seed=seed)
        found = {"raw": raw, "denoised": [denoise(each, links.truth.rows, links.truth.cols) for each in raw]}
        for kind, each in found.items():
            rates = _rates(links, assumed(links, plan, each), seed)
            for sight, which in (("los", links.line_of_sight), ("nlos", ~links.line_of_sight)):
                row = _scene_row(links, plan, each, which)
                fraction = float(rates[which].mean() / best[which].mean())
                name = f"{scene} {size}x{size} {sight} {pilots} {kind}"
                rows.append({"case": name, **row, "rate_fraction": fraction, "seeds": [seed]})
    return rows


def _rates(links: Links, problem: Problem, seed: int) -> np.ndarray:
    return links.rate_mbps(solve(problem, "tap-space", certify=False, seed=seed))


def _scene_row(
    links: Links, plan: SweepPlan, found: list[CascadedEstimate], which: Bool[np.ndarray, "user"]
) -> dict[str, float]:
    truth = links.truth
    noise = truth.cascade.shape[-1] / truth.snr_scale
    users = np.flatnonzero(which)
    surface = np.sum(np.abs(truth.cascade[users]) ** 2, axis=(1, 2))
    errors = [np.sum(np.abs(found[user].cascade - truth.cascade[user]) ** 2) for user in users]
    direct = np.sum(np.abs(truth.direct[users]) ** 2, axis=1)
    return {
        "nmse_db": float(power_db(np.mean(errors / surface))),
        "crlb_db": float(power_db(np.mean(pilots_error(plan, noise) / surface))),
        "direct_to_surface_db": float(power_db(np.mean(direct / surface))),
        "users": len(users),
    }


def _conditions() -> Iterator[tuple[float, Conditions]]:
    """Direct channel over the surface's part, and what happens meanwhile."""
    for direct_db in (0.0, 20.0, 30.0):
        yield direct_db, Conditions(LINK_SNR_DB)
    for interval_s in INTERVALS_S:
        yield 20.0, Conditions(LINK_SNR_DB, interval_s, drift_deg=DRIFT_DEG)
    yield 20.0, Conditions(LINK_SNR_DB, INTERVALS_S[-1], walkers_db=WALKERS_DB)


def condition_rows(direct_db: float, conditions: Conditions, *, seeds: range) -> list[Row]:
    """The lab's surface, sounded at unknown starts: from responses to the estimate, as a recorded sweep is read."""
    rows = []
    still = conditions.walkers_db is None and not conditions.drift_deg
    ways = [("pairs", None)] if still else [("pairs", None), ("N + 1", None), ("N + 1", REFERENCES_EVERY)]
    for (pilots, every), kind in product(ways, ("raw", "denoised")):
        figures = [
            sweep_figures(_lab_channel(direct_db, seed), conditions, SCHEMES[pilots], kind, seed, every)
            for seed in seeds
        ]
        name = f"{pilots}, a reference every {every}" if every else pilots
        rows.append(
            {
                "case": f"{_describe(conditions)}, {direct_db:.0f} dB, {name} {kind}",
                "nmse_db": float(power_db(np.mean([power_from_db(nmse) for nmse, _, _ in figures]))),
                "crlb_db": float(power_db(np.mean([crlb for _, crlb, _ in figures]))),
                "rate_fraction": None,
                "direct_to_surface_db": direct_db,
                "drift_deg_per_sqrt_s": float(np.mean([drift for _, _, drift in figures])),
                "seeds": list(seeds),
            }
        )
    return rows


def states_rows(direct_db: float, *, seeds: range) -> list[Row]:
    """Sweeps over four states: on a circle evenly, and as a board may have them; whole, and three quarters of it."""
    rows, conditions = [], Conditions(LINK_SNR_DB)
    for (name, states), share in product(FOUR_STATES.items(), (1.0, 0.75)):
        found = []
        for seed in seeds:
            channel = replace(_lab_channel(direct_db, seed), states=states)
            plan: SweepPlan = RootPlan.of_states(SweepConfig(scheme="dft"), states, LAB_SIZE**2, seed=seed)
            plan = plan.only(np.arange(int(share * plan.num_patterns)))
            found.append(_estimate(channel, plan, conditions, "raw", seed))
        rows.append(
            {
                "case": f"four states {name}, {found[0].patterns} patterns, {direct_db:.0f} dB, raw",
                "nmse_db": float(power_db(np.mean([power_from_db(each.nmse_db) for each in found]))),
                "crlb_db": float(power_db(np.mean([each.crlb for each in found]))),
                "rate_fraction": None,
                "direct_to_surface_db": direct_db,
                "condition": float(np.mean([each.estimate.condition for each in found])),
                "seeds": list(seeds),
            }
        )
    return rows


def _describe(conditions: Conditions) -> str:
    if conditions.drift_deg:
        return f"phase walks {conditions.drift_deg:g} deg/sqrt(s), {1e3 * conditions.interval_s:g} ms a sounding"
    if conditions.walkers_db is not None:
        return f"walkers {conditions.walkers_db:g} dB, {conditions.doppler_hz:g} Hz"
    return "still"


def sweep_figures(
    channel: Problem, conditions: Conditions, scheme: str, kind: str, seed: int, every: int | None = None
) -> tuple[float, float, float]:
    """NMSE against the truth in dB, hybrid CRLB of the raw estimate, and the drift that was found.

    every: soundings from one reference to the next; none where None.
    """
    plan = _plan(scheme, seed)
    found = _estimate(channel, plan if every is None else plan.with_references(every), conditions, kind, seed)
    return found.nmse_db, found.crlb, found.estimate.drift_deg


@dataclass(frozen=True)
class _Judged:
    """An estimate, its error against the truth, and the least one, relative to the surface's energy."""

    estimate: CascadedEstimate
    nmse_db: float
    crlb: float
    patterns: int


def _estimate(channel: Problem, plan: SweepPlan, conditions: Conditions, kind: str, seed: int) -> _Judged:
    fft_size = _fft_size(channel)
    soundings = sound(channel, plan, conditions, fft_size=fft_size, seed=seed)
    alignment = _align(soundings, channel, plan)
    basis = alignment.model.basis
    estimate = estimate_taps(
        plan,
        alignment.taps,
        soundings.noise_var[0] * basis.noise_gain,
        soundings.time_s,
        basis=basis.basis,
        rows=LAB_SIZE,
        cols=LAB_SIZE,
        lost=alignment.ambiguous,
        denoised=kind == "denoised",
        states=SIGNS if channel.states is None else channel.states,
    )
    error_db = nmse_to_truth_db(estimate.cascade @ estimate.basis.T, channel.cascade @ channel.basis.T, fft_size)
    surface = float(np.sum(np.abs(channel.cascade) ** 2))
    return _Judged(estimate, error_db, _bound(channel, plan, soundings, basis, conditions) / surface, plan.num_patterns)


def _bound(channel: Problem, plan: SweepPlan, soundings: Soundings, basis: DelayBasis, conditions: Conditions) -> float:
    noise = float(soundings.noise_var[0] * basis.noise_gain.sum())
    if isinstance(plan, RootPlan):
        assert channel.states is not None, "rows over all states need them"
        return patterns_error(channel.states[plan.patterns()], noise)
    if not conditions.drift_deg or plan.scheme != "pairs":
        return pilots_error(plan, noise)
    return drifting_pairs_error(
        plan,
        noise,
        axis_noise=float(soundings.noise_var[0] * basis.noise_gain.mean()),
        direct=float(np.sum(np.abs(channel.direct) ** 2)),
        surface=float(np.sum(np.abs(channel.cascade) ** 2)),
        drift_rad=float(np.radians(conditions.drift_deg)),
        step_s=conditions.interval_s,
    )


def offset_row(direct_db: float, *, seeds: range) -> Row:
    """Starts resolved wrongly without a mark, and those marked, at 5 dB SNR a sample and one symbol a sounding."""
    snr_db = OFFSET_SNR_DB + float(power_db(OVERSAMPLING))
    wrong = ambiguous = count = 0
    for seed in seeds:
        channel, plan = _lab_channel(direct_db, seed), _plan("pairs", seed)
        fft_size = _fft_size(channel)
        soundings = sound(channel, plan, Conditions(snr_db), fft_size=fft_size, seed=seed)
        alignment = _align(soundings, channel, plan)
        left = (alignment.samples + soundings.start) % fft_size
        wrong += int(np.sum((left != np.bincount(left).argmax()) & ~alignment.ambiguous))
        ambiguous += int(alignment.ambiguous.sum())
        count += plan.num_patterns
    return {
        "case": f"starts, {direct_db:+.0f} dB",
        "nmse_db": None,
        "crlb_db": None,
        "rate_fraction": None,
        "direct_to_surface_db": float(direct_db),
        "wrong": wrong,
        "ambiguous": ambiguous,
        "soundings": count,
        "seeds": list(seeds),
    }


def time_rows(*, seed: int) -> list[Row]:
    """Processor time from 4096 responses on 500 subcarriers to the estimate, beside one FFT over them; best of seven.

    Starts are all different (a capture for each sounding) or all the same (one capture for all).
    """
    links = make_site("paper", size=64, users=1, seed=seed).links()
    channel = replace(links.truth, direct=links.truth.direct[0], cascade=links.truth.cascade[0])
    plan = sweep_plan(links, "hadamard", seed=seed)
    captures = sound(channel, plan, Conditions(LINK_SNR_DB), fft_size=_fft_size(channel), seed=seed)
    together = replace(captures, response=advance(captures.response, -captures.start, _fft_size(channel)))
    alignment = _align(captures, channel, plan)
    basis, tap_var = alignment.model.basis, captures.noise_var[0] * alignment.model.basis.noise_gain
    fit = partial(least_squares, plan, alignment.taps, tap_var, basis=basis.basis, cols=64)
    estimate = fit()
    work: dict[str, Callable[[], Any]] = {
        FFT_ROW: lambda: np.fft.fft(captures.response, axis=1),
        "one FFT in double precision": partial(np.fft.fft, captures.response.astype(complex), axis=1),
        "alignment": lambda: _align(captures, channel, plan),
        "alignment of one capture": lambda: _align(together, channel, plan),
        "transform": fit,
        "denoising": lambda: denoise(estimate, 64, 64),
    }
    seconds = {name: min(each) for name, each in zip(work, _in_turns(list(work.values())), strict=True)}
    rest = seconds["transform"] + seconds["denoising"]
    seconds["responses to estimate"] = seconds["alignment"] + rest
    seconds["responses of one capture to estimate"] = seconds["alignment of one capture"] + rest
    blank = {"nmse_db": None, "crlb_db": None, "rate_fraction": None}
    return [
        {"case": f"time, {name}", **blank, "seconds": each, "times_fft": each / seconds[FFT_ROW], "seeds": [seed]}
        for name, each in seconds.items()
    ]


def _in_turns(work: list[Callable[[], Any]], tries: int = 7) -> Iterator[tuple[float, ...]]:
    """Seconds of each try of each work; in turns, so that a busy machine slows all of them alike."""
    return zip(*([_processor_s(each) for each in work] for _ in range(tries)), strict=True)


def _processor_s(work: Callable[[], Any]) -> float:
    """On one thread; what other programs do meanwhile counts little."""
    with threadpool_limits(1):
        started_s = time.process_time()
        work()
        return time.process_time() - started_s


def _lab_channel(direct_db: float, seed: int) -> Problem:
    """One user of the lab who sees the surface, the direct channel scaled to a ratio over the surface's part."""
    links = make_site("lab", size=LAB_SIZE, users=1, bits=0, seed=seed).links()
    direct, cascade = links.truth.direct[0], links.truth.cascade[0]
    scale = np.sqrt(power_from_db(direct_db)) * np.linalg.norm(cascade) / np.linalg.norm(direct)
    return replace(links.truth, direct=scale * direct, cascade=cascade)


def _plan(scheme: str, seed: int) -> SweepPlan:
    return SweepPlan.from_config(SweepConfig.model_validate({"scheme": scheme}), LAB_SIZE**2, seed=seed)


def _fft_size(channel: Problem) -> int:
    return int(OVERSAMPLING * channel.basis.shape[0])


def _align(soundings: Soundings, channel: Problem, plan: SweepPlan) -> Alignment:
    return align_sweep(
        soundings.response,
        soundings.noise_var,
        used=np.ones(channel.basis.shape[0], dtype=bool),
        fft_size=_fft_size(channel),
        num_taps=channel.num_taps,
        partner=plan.partner,
    )
