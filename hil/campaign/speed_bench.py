"""How long searches, certificates and channels take; the former as multiples of strongest-tap maximisation in that run.

A time is that of the search alone, channels made ready before, one user after the other unless it says otherwise.
Everything is repeated in turns, and the median taken: what slows the machine for a while slows all of them. Counted is
the time of the processor, which on a core of its own is the time on the wall.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from hil.arrays import Complex, Float, Int
from hil.campaign.sites import make_site
from hil.interfaces import Progress, no_progress
from hil.optimize.algorithms import Options
from hil.optimize.bound import certified_bound
from hil.optimize.iterate import Candidates
from hil.optimize.objective import Objective, Problem
from hil.optimize.solve import search

BATCH = 16
CONVERGED = 0.99  # of the final rate
LARGE_USERS = 2  # on the surface of twice the side
Row = dict[str, str | float | None]
Work = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Users:
    """The same users in a batch, in double precision as a problem, and one by one."""

    problem: Problem
    together: Objective
    alone: list[Objective]

    @classmethod
    def before(cls, size: int, count: int, seed: int) -> "Users":
        """Half of them see the surface."""
        truth = make_site("paper", size=size, users=-(-count // 2), seed=seed).links().truth
        together = Objective.of(truth, np.complex64)
        alone = [together.users(np.arange(count) == user) for user in range(count)]
        return cls(truth, together, alone)

    def each(self, algorithm: str) -> Work:
        return lambda: [search(one, algorithm) for one in self.alone]

    def reflection(self, found: Candidates) -> Complex[np.ndarray, "user element"]:
        """The best configuration of each, in double precision."""
        code = found.best(1).point.astype(complex)
        return np.asarray(Objective.of(self.problem).align(code)[:, 0])

    def rate_mbps(self, found: Candidates) -> Float[np.ndarray, "user"]:
        return self.problem.rate_mbps(self.reflection(found))


def bench_speed(size: int, *, repetitions: int, seed: int = 0, progress: Progress = no_progress) -> list[Row]:
    """Rows: case, ms_per_user, times, of, limit, held. size: elements a side; a second surface has twice as many."""
    users, large = Users.before(size, BATCH, seed), Users.before(2 * size, LARGE_USERS, seed)
    with threadpool_limits(1):
        found = users.reflection(search(users.together, "neural-prior")[0])
        epochs = epochs_to_converge(users)
        works: dict[str, tuple[Work, int]] = {
            "stm": (users.each("stm"), BATCH),
            "stm, batch": (lambda: search(users.together, "stm"), BATCH),
            "tap-space": (users.each("tap-space"), BATCH),
            "tap-space, batch": (lambda: search(users.together, "tap-space"), BATCH),
            "neural-prior": (users.each("neural-prior"), BATCH),
            "neural-prior, batch": (lambda: search(users.together, "neural-prior"), BATCH),
            "neural-prior, to 99 %": (lambda: _short(users, epochs), BATCH),
            "certificate": (lambda: certified_bound(users.problem, found), BATCH),
            "neural-prior, twice the side": (large.each("neural-prior"), LARGE_USERS),
            "channel, one elevation": (_channels("paper", size, seed), 2),
            "channel, many elevations": (_channels("paper-rich", size, seed), 2),
        }
        ms = _in_turns(works, repetitions, progress)
    return [_row(case, ms) for case in works]


def epochs_to_converge(users: Users, share: float = CONVERGED) -> Int[np.ndarray, "user"]:
    """Epochs of the network alone that bring each user to a share of the final rate of `neural-prior`, polished."""
    final = users.rate_mbps(search(users.together, "neural-prior")[0])
    needed = np.full(len(final), -1)
    epochs = 0
    while (needed < 0).any():
        stopped, _ = search(users.together, "neural-prior", Options(epochs=epochs, polish=False))
        reached = users.rate_mbps(stopped) >= share * final
        needed = np.where((needed < 0) & reached, epochs, needed)
        epochs += 1
    return needed


def _channels(scene: str, size: int, seed: int) -> Work:
    """Taps of two users, one that sees the surface and one that does not, from the scene on."""
    site = make_site(scene, size=size, users=1, seed=seed)
    return lambda: [site.channel(user) for user in site.users]


def _short(users: Users, epochs: Int[np.ndarray, "user"]) -> None:
    for one, few in zip(users.alone, epochs, strict=True):
        search(one, "neural-prior", Options(epochs=int(few), polish=False))


def _in_turns(works: Mapping[str, tuple[Work, int]], repetitions: int, progress: Progress) -> dict[str, float]:
    """Median time of a user in ms, by case."""
    times: dict[str, list[float]] = {case: [] for case in works}
    for repetition in range(repetitions):
        progress("speed", repetition, repetitions)
        for case, (work, count) in works.items():
            began_s = time.process_time()
            work()
            times[case].append(1e3 * (time.process_time() - began_s) / count)
    progress("speed", repetitions, repetitions)
    return {case: median(each) for case, each in times.items()}


IN_MS = "ms"
BASES = {
    "neural-prior, twice the side": "neural-prior",
    "channel, one elevation": IN_MS,
    "channel, many elevations": IN_MS,
}
LIMITS = {
    "tap-space": 10.0,
    "tap-space, batch": 6.0,
    "neural-prior": 40.0,
    "neural-prior, batch": 40.0,
    "neural-prior, to 99 %": 5.0,
    "certificate": 40.0,
    "neural-prior, twice the side": 4.5,
    "channel, one elevation": 5.0,
    "channel, many elevations": 25.0,
}


def _row(case: str, ms: Mapping[str, float]) -> Row:
    """times: as a multiple of what `of` says; of one user after the other, batch or not; on the larger surface, the
    growth over the smaller one; of channels the time itself."""
    of, limit = BASES.get(case, "stm"), LIMITS.get(case)
    times = ms[case] / (1.0 if of == IN_MS else ms[of])
    return {
        "case": case,
        "ms_per_user": ms[case],
        "times": times,
        "of": of,
        "limit": limit,
        "held": None if limit is None else times <= limit,
    }
