"""The Signal Processing Cup's task: one-bit elements that pull at each other, in a way that the optimizer is not told.

Contestants get a noisy sweep in complementary pairs and know the element's circuit. The score is the Cup's: the mean
rate of 50 users, those that do not see the surface counted twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.arrays import Complex, Float, Pattern, Patterns
from hil.campaign.csi import assumed, heard, sweep_plan
from hil.campaign.links import Links
from hil.campaign.sites import Site, make_site
from hil.channel.elements import Coupling, SwitchedElements
from hil.channel.sp_cup import sp_cup_elements, sp_cup_users
from hil.estimation.coupling import channel_under, learn_decay
from hil.estimation.least_squares import least_squares
from hil.interfaces import Progress, no_progress
from hil.optimize.coupled import refined
from hil.optimize.objective import Problem
from hil.optimize.solve import solve

UNCOUPLED = ("columns", "columns-flips", "neural-prior")  # know nothing of the coupling; the others start from theirs
BATCH = 10  # users whose channels are in memory at once


@dataclass(frozen=True)
class Surface:
    """A coupled surface at one frequency, as `hil.estimation.coupling` wants it."""

    elements: SwitchedElements
    coupling: Coupling
    carrier_hz: float

    @classmethod
    def of_decay(cls, site: Site, decay: float) -> "Surface":
        elements = sp_cup_elements(site.geometry, decay=decay)
        assert elements.coupling is not None
        return cls(elements, elements.coupling, site.carrier_hz)

    @property
    def total(self) -> Float[np.ndarray, "element"]:
        return self.coupling.total

    def blur(self, value: Float[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch element"]:
        return self.coupling.blur(value)

    def reflection(self, patterns: Patterns) -> Complex[np.ndarray, "pattern element"]:
        return self.elements.reflection(patterns, self.carrier_hz)


def cup(
    seed: int, *, size: int = 64, users: int = 50, num_nlos: int = 14, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """Rows of `hil bench cup` for one random environment: true rates, score, and its share of the certified bound.

    `learned`: the pull's reach from the user's own sweep. `known`: told, channel from the same sweep. Both start from
    what the others found.
    """
    site = replace(
        make_site("sp-cup-2021", size=size, seed=seed), users=sp_cup_users(seed, count=users, num_nlos=num_nlos)
    )
    parts = []
    for first in range(0, users, BATCH):
        links = site.links(site.users[first : first + BATCH])
        parts.append(_rates(site, links, seed + first))
        progress("users", min(first + BATCH, users), users)
    sees = np.array([user.line_of_sight for user in site.users])
    weight = np.where(sees, 1, 2) / users
    rates = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    best = float(weight @ rates["certified-bound"])
    return [
        {
            "seed": seed,
            "algorithm": name,
            "los_mbps": float(rate[sees].mean()) if sees.any() else None,
            "nlos_mbps": float(rate[~sees].mean()) if not sees.all() else None,
            "score": float(weight @ rate),
            "bound_fraction": float(weight @ rate) / best,
        }
        for name, rate in rates.items()
    ]


def _rates(site: Site, links: Links, seed: int) -> dict[str, Float[np.ndarray, "user"]]:
    plan = sweep_plan(links, "pairs", seed=seed)
    noise_var = 1 / links.truth.snr_scale
    taps = heard(links, plan, noise_var, seed=seed)
    tap_var = np.full(taps.shape[-1], noise_var)
    basis, cols = links.truth.basis, links.truth.cols
    given = assumed(links, plan, [least_squares(plan, each, tap_var, basis=basis, cols=cols) for each in taps])
    starts = {name: _patterns(given, name, seed) for name in UNCOUPLED}
    true_decay = site.elements.coupling.decay if site.elements and site.elements.coupling else np.inf
    knowledge: dict[str, Callable[[Complex[np.ndarray, "pattern tap"]], float]] = {
        "learned": lambda each: learn_decay(plan, each, lambda decay: Surface.of_decay(site, decay)),
        "known": lambda each: true_decay,
    }
    chosen = dict(starts)
    for name, decay_of in knowledge.items():
        surfaces = [Surface.of_decay(site, decay_of(each)) for each in taps]
        channels = [channel_under(plan, each, surface) for each, surface in zip(taps, surfaces, strict=True)]
        chosen[name] = np.stack(
            [
                _best(replace(given, direct=channel.direct[None], cascade=channel.cascade[None]), surface, tried)
                for channel, surface, *tried in zip(channels, surfaces, *starts.values(), strict=True)
            ]
        )
    rates = {name: links.truth.rate_mbps(links.reflection(patterns)) for name, patterns in chosen.items()}
    return {**rates, "certified-bound": links.bound_mbps()}


def _patterns(given: Problem, algorithm: str, seed: int) -> Patterns:
    pattern = solve(given, algorithm, seed=seed, certify=False).pattern
    assert pattern is not None, "a board has states"
    return pattern


def _best(problem: Problem, surface: Surface, starts: Sequence[Pattern]) -> Pattern:
    """The best by its own channel of what the starts lead to. problem: of one user."""
    found = [refined(problem, start[None], surface.reflection) for start in starts]
    patterns, _ = max(found, key=lambda each: float(each[1][0]))
    return np.asarray(patterns[0])
