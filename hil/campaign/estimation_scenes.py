"""Estimates of whole scenes with the noise of their links, and what they are worth: rates over the true channel."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hil.arrays import Bool, Float
from hil.campaign.csi import assumed, estimates, sweep_plan
from hil.campaign.estimation_bounds import pilots_error
from hil.campaign.links import Links
from hil.campaign.sites import make_site
from hil.estimation.denoise import denoise
from hil.estimation.least_squares import CascadedEstimate
from hil.measure.sweep import SweepPlan
from hil.optimize.objective import Problem
from hil.optimize.solve import solve
from hil.units import power_db, power_from_db

Row = dict[str, Any]
SCHEMES = {"N": "hadamard", "N + 1": "hadamard_plus_one", "pairs": "pairs"}
NOISE_DB = (-20, -10, 0, 10, 20)  # over that of the link itself


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


def denoising_rows(scene: str, size: int, *, users: int, seed: int) -> Iterator[Row]:
    """Whether denoising ever costs rate: a row for each noise level, the least of all sets of pilots.

    rate_ratio: mean rate with the denoised estimate over that with the raw one; worst_user_ratio: of the user who loses
    most. In much noise a raw estimate is a lottery ticket, and some user always holds the better one.
    """
    links = make_site(scene, size=size, users=users, bits=0, seed=seed).links()
    for noise_db in NOISE_DB:
        raw, clean = zip(*(_both_rates(links, scheme, noise_db, seed) for scheme in SCHEMES.values()), strict=True)
        yield {
            "case": f"{scene} {size}x{size}, noise {noise_db:+d} dB, denoised over raw",
            "nmse_db": None,
            "crlb_db": None,
            "rate_fraction": None,
            "rate_ratio": float(min(np.mean(clean, axis=1) / np.mean(raw, axis=1))),
            "worst_user_ratio": float((np.array(clean) / np.array(raw)).min()),
            "users": links.num_users,
            "seeds": [seed],
        }


def _both_rates(
    links: Links, scheme: str, noise_db: float, seed: int
) -> tuple[Float[np.ndarray, "user"], Float[np.ndarray, "user"]]:
    plan = sweep_plan(links, scheme, seed=seed)
    raw = estimates(links, plan, power_from_db(noise_db) / links.truth.snr_scale, seed=seed)
    clean = [denoise(each, links.truth.rows, links.truth.cols) for each in raw]
    return _rates(links, assumed(links, plan, raw), seed), _rates(links, assumed(links, plan, clean), seed)
