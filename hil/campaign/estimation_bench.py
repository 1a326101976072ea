"""Estimates against the true channel and against the bound that noise sets: `hil bench estimation`."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hil.arrays import Float
from hil.campaign.csi import sweep_plan
from hil.campaign.estimation_scenes import Row, denoising_rows, scene_rows
from hil.campaign.estimation_sweeps import (
    LAB_SIZE,
    LINK_SNR_DB,
    OVERSAMPLING,
    align,
    align_as_one,
    condition_rows,
    conditions,
    fft_size_of,
    lab_channel,
    large_rows,
    states_rows,
    used_of,
)
from hil.campaign.radio_rows import radio_rows
from hil.campaign.sites import make_site
from hil.campaign.soundings import Conditions, sound
from hil.campaign.start_bounds import LeastDoubt, least_doubt
from hil.config import SweepConfig
from hil.estimation.denoise import denoise
from hil.estimation.least_squares import least_squares
from hil.interfaces import Progress, no_progress
from hil.measure.sweep import SweepPlan
from hil.phy.sync import advance
from hil.units import power_db

OFFSET_SNR_DB = 5.0
GUARDS = (0.05, 0.1, 0.15)  # shares of the band, at each edge
FFT_ROW = "one FFT over [4096, 500], single precision as recorded"
DOUBLE_FFT_ROW = "one FFT over [4096, 500], double precision"


def bench(*, full: bool, seed: int, progress: Progress = no_progress) -> list[Row]:
    """All rows. Each names its seeds and the ratio of the direct channel to the surface's part."""
    sites = list(product(("paper", "paper-rich", "lab"), (16, 32, 64)))
    rows: list[Row] = []
    for done, (scene, size) in enumerate(sites):
        progress("scenes", done, len(sites))
        rows += scene_rows(scene, size, users=10 if full else 2, seed=seed)
    progress("scenes", len(sites), len(sites))
    judged = list(product(("paper", "paper-rich", "sp-cup-2021", "lab"), (16, 32, 64)))
    for done, (scene, size) in enumerate(judged):
        progress("denoised over raw", done, len(judged))
        rows += denoising_rows(scene, size, users=10 if full else 1, seed=seed)
    progress("denoised over raw", len(judged), len(judged))
    seeds = range(seed, seed + (10 if full else 5))
    for done, (direct_db, during) in enumerate(cases := list(conditions())):
        rows += condition_rows(direct_db, during, seeds=seeds)
        progress("conditions", done + 1, len(cases))
    rows += large_rows(seeds=seeds) + states_rows(20.0, seeds=seeds)
    for done, direct_db in enumerate(ratios := range(-10, 31, 5)):
        rows.append(offset_row(direct_db, seeds=range(seed, seed + (200 if full else 4))))
        progress("offsets", done + 1, len(ratios))
    for done, (guards, direct_db) in enumerate(narrowed := list(product(GUARDS, range(-10, 31, 10)))):
        rows.append(offset_row(direct_db, seeds=range(seed, seed + (20 if full else 2)), guards=guards))
        progress("offsets between guards", done + 1, len(narrowed))
    progress("radios", 0, 1)
    rows += radio_rows(seeds=range(seed, seed + 3))
    progress("radios", 1, 1)
    return rows + time_rows(seed=seed)


def offset_row(direct_db: float, *, seeds: range, guards: float = 0.0) -> Row:
    """Starts resolved wrongly without a mark, and those marked, at 5 dB SNR a sample and one symbol a sounding.

    guards: share of the band that is unused at each edge. Beside them how many noise alone leaves in doubt
    (`hil.campaign.start_bounds`): where every response is known but for its start, and where their statistics are.
    """
    snr_db = OFFSET_SNR_DB + float(power_db(OVERSAMPLING))
    wrong = ambiguous = count = 0
    doubts = list[LeastDoubt]()
    for seed in seeds:
        channel, plan = lab_channel(direct_db, seed), _pairs(seed)
        fft_size = fft_size_of(channel)
        soundings = sound(channel, plan, Conditions(snr_db), fft_size=fft_size, seed=seed)
        unused = round(guards * channel.basis.shape[0])
        alignment = align(soundings, channel, plan, guards=unused)
        left = (alignment.samples + soundings.start) % fft_size
        wrong += int(np.sum((left != np.bincount(left).argmax()) & ~alignment.ambiguous))
        ambiguous += int(alignment.ambiguous.sum())
        doubts.append(least_doubt(soundings, channel, plan, used_of(channel, unused), fft_size))
        count += plan.num_patterns
    return {
        "case": f"starts, {direct_db:+.0f} dB" + (f", guards of {guards:.0%} at each edge" if guards else ""),
        "nmse_db": None,
        "crlb_db": None,
        "rate_fraction": None,
        "direct_to_surface_db": float(direct_db),
        "wrong": wrong,
        "ambiguous": ambiguous,
        "ambiguous_by_statistics": sum(each.statistics_known for each in doubts),
        "ambiguous_at_least": sum(each.response_known for each in doubts),
        "soundings": count,
        "seeds": list(seeds),
    }


def time_rows(*, seed: int) -> list[Row]:
    """Processor time from 4096 responses on 500 subcarriers to the estimate, beside one FFT of numpy over them.

    Starts are all different (a capture for each sounding) or all the same (one capture for all). Times and their ratios
    are medians over turns in which everything is done once. times_fft: over the FFT of the responses as they are
    recorded, in single precision; times_double_fft: over that in double precision, in which numpy's is the faster one.
    """
    links = make_site("paper", size=64, users=1, seed=seed).links()
    channel = replace(links.truth, direct=links.truth.direct[0], cascade=links.truth.cascade[0])
    plan = sweep_plan(links, "hadamard", seed=seed)
    captures = sound(channel, plan, Conditions(LINK_SNR_DB), fft_size=fft_size_of(channel), seed=seed)
    together = replace(captures, response=advance(captures.response, -captures.start, fft_size_of(channel)))
    alignment = align(captures, channel, plan)
    basis, tap_var = alignment.model.basis, captures.noise_var[0] * alignment.model.basis.noise_gain
    fit = partial(least_squares, plan, alignment.taps, tap_var, basis=basis.basis, cols=64)
    estimate = fit()
    work: dict[str, Callable[[], Any]] = {
        FFT_ROW: lambda: np.fft.fft(captures.response, axis=1),
        DOUBLE_FFT_ROW: partial(np.fft.fft, captures.response.astype(complex), axis=1),
        "alignment": lambda: align(captures, channel, plan),
        "alignment of one capture": lambda: align_as_one(together, channel),
        "transform": fit,
        "denoising": lambda: denoise(estimate, 64, 64),
    }
    seconds = dict(zip(work, _in_turns(list(work.values())), strict=True))
    rest = seconds["transform"] + seconds["denoising"]
    seconds["responses to estimate"] = seconds["alignment"] + rest
    seconds["responses of one capture to estimate"] = seconds["alignment of one capture"] + rest
    blank = {"nmse_db": None, "crlb_db": None, "rate_fraction": None}
    return [
        {
            "case": f"time, {name}",
            **blank,
            "seconds": float(np.median(each)),
            "times_fft": float(np.median(each / seconds[FFT_ROW])),
            "times_double_fft": float(np.median(each / seconds[DOUBLE_FFT_ROW])),
            "seeds": [seed],
        }
        for name, each in seconds.items()
    ]


def _in_turns(work: list[Callable[[], Any]], tries: int = 9) -> Float[np.ndarray, "work try"]:
    """Seconds of each try of each work; in turns, so that a busy machine slows all of them alike."""
    return np.array([[_processor_s(each) for each in work] for _ in range(tries)]).T


def _processor_s(work: Callable[[], Any]) -> float:
    """On one thread; what other programs do meanwhile counts little."""
    with threadpool_limits(1):
        started_s = time.process_time()
        work()
        return time.process_time() - started_s


def _pairs(seed: int) -> SweepPlan:
    return SweepPlan.from_config(SweepConfig(scheme="pairs"), LAB_SIZE**2, seed=seed)
