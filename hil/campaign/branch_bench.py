"""How far branch and bound carries: what it adds to flips of single elements, and to the certificate, over the size."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hil.campaign.sites import make_site
from hil.interfaces import Progress, no_progress
from hil.optimize.algorithms import Options
from hil.optimize.solve import solve

PROVEN = 1e-5  # relative gap from where on a pattern counts as proven the best


def bench_branches(
    scene: str, sizes: Sequence[int], users: int, *, branches: int, seed: int = 0, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Rows by size and optimizer, one bit an element, `users` of each kind.

    gain_percent: mean rate over that of `tap-space` with flips, the same for all rows of a size. gap_percent: from the
    rate to the certified bound, mean. proven: users whose pattern no other beats.
    """
    rows = []
    for number, size in enumerate(sizes):
        progress("branches", number, len(sizes))
        problem = make_site(scene, size=size, users=users, bits=1, seed=seed).links().truth
        base = solve(problem, "tap-space", seed=seed, certify=False).rate_mbps
        for name in ("tap-space", "turn-sweep", "branch-and-bound"):
            began_s = time.process_time()
            solution = solve(problem, name, Options(epochs=branches), seed=seed)
            taken_s = time.process_time() - began_s
            gap = solution.bound_mbps / solution.rate_mbps - 1
            rows.append(
                {
                    "num_elements": problem.num_elements,
                    "algorithm": name,
                    "rate_mbps": float(solution.rate_mbps.mean()),
                    "gain_percent": float(100 * np.mean(solution.rate_mbps / base - 1)),
                    "gap_percent": float(100 * gap.mean()),
                    "worst_gap_percent": float(100 * gap.max()),
                    "proven": int((gap < PROVEN).sum()),
                    "users": len(gap),
                    "s_per_user": taken_s / len(gap),
                }
            )
    progress("branches", len(sizes), len(sizes))
    return rows
