"""All optimizers on one site: rates over the true channel, fractions of the certified bound, time."""

from collections.abc import Mapping, Sequence
from functools import partial

from hil.campaign.judge import Contestant, Verdict, judge
from hil.campaign.sites import Site, make_site
from hil.errors import ConfigError
from hil.interfaces import Progress, no_progress
from hil.optimize.algorithms import ALGORITHMS
from hil.optimize.solve import solve

YARDSTICK = "stm"  # times are told in multiples of this one's


def contestants(names: Sequence[str] | None = None, *, seed: int = 0) -> dict[str, Contestant]:
    """Algorithms by name, all where None. Raises ConfigError for an unknown one."""
    unknown = sorted(set(names or ()) - set(ALGORITHMS))
    if unknown:
        raise ConfigError(f"--algorithms: there is no {', '.join(unknown)}, allowed: {', '.join(ALGORITHMS)}")
    return {name: partial(solve, algorithm=name, seed=seed, certify=False) for name in names or ALGORITHMS}


def compare(
    site: Site,
    chosen: Mapping[str, Contestant],
    *,
    csi: str = "perfect",
    scheme: str = "hadamard",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Verdict:
    """Judge contestants. What a library's first use costs is not counted: each runs on a tiny surface before."""
    judge(make_site("paper", size=2, users=1), chosen)
    return judge(site, chosen, csi=csi, scheme=scheme, seed=seed, progress=progress, stage="optimizers")


def table(verdict: Verdict) -> list[dict[str, object]]:
    """Rows of `hil bench optimizers`: no surface first, then the algorithms, the certified bound last.

    `times_stm` is the time as a multiple of STM's in the same run, `below_stm` the number of users whose rate is below
    STM's; null where STM did not run.
    """
    stm_ms = verdict.ms_per_user(YARDSTICK) if YARDSTICK in verdict.seconds else None
    rows: list[dict[str, object]] = [
        {"algorithm": "no-surface", **verdict.figures(verdict.no_surface_mbps), "ms_per_user": 0.0}
    ]
    rows += [verdict.row(name) for name in verdict.rate_mbps]
    bound_ms = 1e3 * verdict.bound_seconds / verdict.num_users
    rows += [{"algorithm": "certified-bound", **verdict.figures(verdict.bound_mbps), "ms_per_user": bound_ms}]
    for row in rows:
        time_ms = row["ms_per_user"]
        row["times_stm"] = time_ms / stm_ms if stm_ms and isinstance(time_ms, float) else None
        row["below_stm"] = _below(verdict, str(row["algorithm"]))
    return rows


def _below(verdict: Verdict, name: str) -> int | None:
    if YARDSTICK not in verdict.rate_mbps or name not in verdict.rate_mbps:
        return None
    return int((verdict.rate_mbps[name] < verdict.rate_mbps[YARDSTICK]).sum())
