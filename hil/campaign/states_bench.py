"""What it is worth to choose by states as they are over the band, and what it takes.

The judge sums what each state really reflects, element by element and subcarrier by subcarrier; the optimizers know
polynomials that follow it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hil.arrays import Bool, Complex, Float, Patterns
from hil.campaign.judge import timed
from hil.campaign.links import Links
from hil.campaign.sites import make_site
from hil.interfaces import Progress, no_progress
from hil.optimize.bound import certified_bound
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution, solve
from hil.phy.band import band_powers, smooth_over
from hil.phy.metrics import rate_mbps

POWERS = 7  # of the polynomials
Row = dict[str, str | float]
Table = Complex[np.ndarray, "state subcarrier"]


def bench_states(
    size: int, users: int, bits: int, turns_deg: Sequence[float], *, seed: int = 0, progress: Progress = no_progress
) -> list[Row]:
    """Rows by slope and kind of user, `users` of each, before the paper's base station.

    turn_deg: of each state over the band, neighbours to opposite sides. one_number_mbps, mbps: true rates of
    `tap-space`, told the states at the carrier only, and over the band. certified: what the latter is of a bound that
    no pattern passes, mean. ms_per_user, certificate_ms: of the latter; times_stm: what it takes over STM with the same
    quantiser and flips, told the states at the carrier.
    """
    links = make_site("paper", size=size, users=users, seed=seed).links()
    solve(make_site("paper", size=2, users=1, bits=bits).links().truth, "tap-space")  # what a first use costs
    rows = []
    for number, turn_deg in enumerate(turns_deg):
        for half, kind in enumerate(("LOS", "NLOS")):
            progress("states", 2 * number + half, 2 * len(turns_deg))
            chosen = links.line_of_sight == (kind == "LOS")
            rows.append({"turn_deg": turn_deg, "kind": kind, **_compared(links, chosen, 2**bits, turn_deg, seed)})
    progress("states", 2 * len(turns_deg), 2 * len(turns_deg))
    return rows


def turning_states(count: int, turn_deg: float, num_subcarriers: int) -> Table:
    """Evenly spaced phases; each turns by `turn_deg` over the band, neighbours to opposite sides."""
    x, state = band_powers(num_subcarriers, 2)[1], np.arange(count)[:, None]
    side = (-1.0) ** state * np.where(state < count / 2, 1, -1)
    return np.asarray(np.exp(1j * (2 * np.pi * state / count + np.radians(turn_deg) / 2 * side * x)))


def true_mbps(problem: Problem, table: Table, patterns: Patterns) -> Float[np.ndarray, "user"]:
    """Rate of each user under its pattern."""
    responses = problem.direct @ problem.basis.T
    for response, cascade, pattern in zip(responses, problem.cascade, patterns, strict=True):
        for state, reflection in enumerate(table):
            response += reflection * (problem.basis @ cascade[pattern == state].sum(axis=0))
    link = {"snr_scale": problem.snr_scale, "bandwidth_hz": problem.bandwidth_hz}
    return rate_mbps(responses, num_taps=problem.num_taps, **link)


def _compared(links: Links, chosen: Bool[np.ndarray, "user"], count: int, turn_deg: float, seed: int) -> Row:
    truth = links.truth
    table = turning_states(count, turn_deg, truth.num_subcarriers)
    curves = smooth_over(table.T, POWERS)
    one = replace(truth, direct=truth.direct[chosen], cascade=truth.cascade[chosen], states=curves[0])
    over_band = replace(one, dispersion=curves[1:])
    search = partial(solve, algorithm="tap-space", seed=seed, certify=False)
    _, stm_s = timed(partial(solve, one, "stm", seed=seed, certify=False))
    (flat, _), (found, seconds) = timed(partial(search, one)), timed(partial(search, over_band))
    bound, bound_s = timed(partial(certified_bound, over_band, found.reflection))
    before, after = (_mean_mbps(one, table, each) for each in (flat, found))
    return {
        "one_number_mbps": before,
        "mbps": after,
        "gain_percent": 100 * (after / before - 1),
        "certified": float(np.mean(found.rate_mbps / bound)),
        "ms_per_user": 1e3 * seconds / len(bound),
        "times_stm": seconds / stm_s,
        "certificate_ms": 1e3 * bound_s / len(bound),
    }


def _mean_mbps(truth: Problem, table: Table, solution: Solution) -> float:
    assert solution.pattern is not None, "a board has states"
    return float(true_mbps(truth, table, solution.pattern).mean())
