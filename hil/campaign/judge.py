"""Optimizers against each other on one site: judged over the true channel, timed in one thread."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from hil.arrays import Bool, Float
from hil.campaign.csi import observe
from hil.campaign.links import Links
from hil.campaign.sites import Site
from hil.errors import ConfigError
from hil.interfaces import Progress, no_progress
from hil.optimize.objective import Problem
from hil.optimize.solve import Solution

Result = TypeVar("Result")
Contestant = Callable[[Problem], Solution]


@dataclass(frozen=True, eq=False)
class Verdict:
    """What contestants reached on the same users.

    rate_mbps: true rate of each user by contestant. bound_mbps: certified, for the true channel.
    seconds, bound_seconds: of all users together; the bound's includes the search for a configuration to certify.
    refused: contestants that do not take this problem, and why.
    """

    line_of_sight: Bool[np.ndarray, "user"]
    no_surface_mbps: Float[np.ndarray, "user"]
    bound_mbps: Float[np.ndarray, "user"]
    bound_seconds: float
    rate_mbps: dict[str, Float[np.ndarray, "user"]]
    seconds: dict[str, float]
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def num_users(self) -> int:
        return len(self.line_of_sight)

    def row(self, name: str) -> dict[str, object]:
        """Figures of one contestant, under the keys of `hil bench optimizers`."""
        return {"algorithm": name, **self.figures(self.rate_mbps[name]), "ms_per_user": self.ms_per_user(name)}

    def figures(self, rate_mbps: Float[np.ndarray, "user"]) -> dict[str, float]:
        """Mean rate, mean fraction of the bound and worst fraction, for users that see the surface and the others.

        The mean fraction is that of the mean rates, as in tables of rates.
        """
        kinds = {"los": self.line_of_sight, "nlos": ~self.line_of_sight}
        found: dict[str, float] = {}
        for kind, users in kinds.items():
            rate, bound = rate_mbps[users], self.bound_mbps[users]
            found[f"{kind}_mbps"] = float(rate.mean())
            found[f"{kind}_fraction"] = float(rate.mean() / bound.mean())
            found[f"{kind}_worst_fraction"] = float((rate / bound).min())
        return found

    def ms_per_user(self, name: str) -> float:
        return 1e3 * self.seconds[name] / self.num_users

    @classmethod
    def join(cls, parts: list["Verdict"]) -> "Verdict":
        """Of several batches of users. A contestant that refused one of them is out."""
        refused = {name: why for part in parts for name, why in part.refused.items()}
        names = [name for name in parts[0].rate_mbps if name not in refused]
        return cls(
            line_of_sight=np.concatenate([part.line_of_sight for part in parts]),
            no_surface_mbps=np.concatenate([part.no_surface_mbps for part in parts]),
            bound_mbps=np.concatenate([part.bound_mbps for part in parts]),
            bound_seconds=sum(part.bound_seconds for part in parts),
            rate_mbps={name: np.concatenate([part.rate_mbps[name] for part in parts]) for name in names},
            seconds={name: sum(part.seconds[name] for part in parts) for name in names},
            refused=refused,
        )


def judge(
    site: Site,
    contestants: Mapping[str, Contestant],
    *,
    csi: str = "perfect",
    scheme: str = "hadamard",
    seed: int = 0,
    progress: Progress = no_progress,
    stage: str = "judging",
) -> Verdict:
    """Give every contestant the same view of each user's channel, and score what it returns over the true one."""
    parts, done = [], 0
    for users in site.batches():
        links = site.links(users)
        given = observe(links, csi, seed=seed + done, scheme=scheme)
        parts.append(_judge_batch(links, given, contestants))
        done += len(users)
        progress(stage, done, len(site.users))
    return Verdict.join(parts)


def _judge_batch(links: Links, given: Problem, contestants: Mapping[str, Contestant]) -> Verdict:
    rates, seconds, refused = {}, {}, {}
    for name, contestant in contestants.items():
        try:
            solution, seconds[name] = timed(partial(contestant, given))
        except (ConfigError, ValueError) as error:
            refused[name] = str(error)
        else:
            rates[name] = links.rate_mbps(solution)
    bound, bound_seconds = timed(links.bound_mbps)
    return Verdict(links.line_of_sight, links.no_surface_mbps(), bound, bound_seconds, rates, seconds, refused)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What a function returns, and the seconds that it takes on one thread."""
    with threadpool_limits(1):
        began = time.perf_counter()
        result = work()
        return result, time.perf_counter() - began
