"""What an old code is worth after a step, and how few iterations make it as good as a new search from nothing."""

from typing import Any

import numpy as np

from hil.campaign.learning import KeptCode
from hil.campaign.sites import make_site
from hil.interfaces import Progress, no_progress
from hil.optimize.solve import solve

ITERATIONS = (0, 1, 2, 3, 5, 7, 10)
LIMITS = {"los": 0.999, "nlos": 0.99}  # of the cold optimum, after the last number of iterations


def bench_warm(
    size: int, users: int, step_m: float, *, seed: int = 0, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Rows: iterations, mean and worst fraction of the cold optimum for users that see the surface and others; held.

    Each user goes `step_m` in a direction of its own. An iteration is one step of the tap-space search with all
    elements, from the old code alone; the cold optimum is the better of `tap-space` and `neural-prior` where it went.
    """
    site = make_site("paper", size=size, users=users, seed=seed)
    rng = np.random.default_rng([seed, 9])
    found: dict[int, list[np.ndarray]] = {count: [] for count in ITERATIONS}
    sees = []
    for number, user in enumerate(site.users):
        progress("warm", number, len(site.users))
        angle = rng.uniform(0, 2 * np.pi)
        x, y, z = user.position_m
        there = user.model_copy(update={"position_m": (x + step_m * np.cos(angle), y + step_m * np.sin(angle), z)})
        before, after = site.links([user]).truth, site.links([there]).truth
        code = KeptCode.of(before, solve(before, "tap-space", certify=False).reflection)
        cold = max(solve(after, name, certify=False).rate_mbps[0] for name in ("tap-space", "neural-prior"))
        sees.append(bool(user.line_of_sight))
        for count in ITERATIONS:
            found[count].append(code.stepped_rate_mbps(after, count)[0] / cold)
    progress("warm", len(site.users), len(site.users))
    return [_row(count, np.array(fractions), np.array(sees)) for count, fractions in found.items()]


def _row(count: int, fractions: np.ndarray, sees: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"iterations": count}
    for kind, chosen in (("los", sees), ("nlos", ~sees)):
        row |= {f"{kind}_fraction": float(fractions[chosen].mean()), f"{kind}_worst": float(fractions[chosen].min())}
    last = count == ITERATIONS[-1]
    row["held"] = all(row[f"{kind}_fraction"] >= limit for kind, limit in LIMITS.items()) if last else None
    return row
