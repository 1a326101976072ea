"""Branch and bound over states: the best pattern of a small surface, with the proof; a better bound if time is short.

Elements are given states one after the other; what remains is bounded by the certificate of its semidefinite relaxation
(`relaxation`), whose codes start from those of the surface before. Where no pattern of a branch can beat the best
that is known, the branch ends. The branch of highest bound goes first. At any time the highest bound among the branches
that are left holds for all patterns: a search that is stopped early has tightened the bound nevertheless.

For states on a line the phase of the channel is cut into sectors first (`sectors`): within one the relaxation is tight.
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Float, Int, UInt8
from hil.optimize.bound import certified_bound
from hil.optimize.discrete import StateSearch
from hil.optimize.objective import Problem, power, unit
from hil.optimize.relaxation import Relaxation
from hil.optimize.sectors import FIRST_WEIGHT, sectors

RANK = 2
BRANCHES = 1000  # bounded at the most for each user, unless told otherwise
FIRST_STEPS, STEPS = 20, 5  # of the ascent before a branch is bounded: of the first ones, of all others
TOLERANCE = 1e-6  # relative: branches that cannot beat the best by more than this are left
LISTED = 1024  # patterns: a branch of no more is listed
FREE = -1


@dataclass(frozen=True, eq=False)
class Branch:
    """Some of the elements have their states: pattern, FREE elsewhere. bound: nats, of all patterns that go on so.

    codes: of the relaxation of the others. doubtful: the free element that it leaves most undecided; FREE where all
    have their states, the best of all ways to go on. tilt: as of `Relaxation`.
    """

    bound: float
    pattern: Int[np.ndarray, "element"]
    codes: Complex[np.ndarray, "rank tap"]
    doubtful: int
    tilt: Float[np.ndarray, "part part"] | None

    def __lt__(self, other: "Branch") -> bool:
        return self.bound > other.bound


@dataclass(frozen=True, eq=False)
class Proof:
    """pattern, rate: the best found, in nats. bound: no pattern is better. branches: branches that were bounded."""

    pattern: UInt8[np.ndarray, "element"]
    rate: float
    bound: float
    branches: int


@dataclass(frozen=True, eq=False)
class Tree:
    """relaxation: of the whole surface, which all branches are cut from. values: x of an element in each state."""

    search: StateSearch
    relaxation: Relaxation
    values: Complex[np.ndarray, "term state"] | Float[np.ndarray, "term state"]

    @classmethod
    def of_user(cls, problem: Problem, user: int) -> "Tree":
        """One user of a problem with states and one batch axis."""
        search, relaxation = StateSearch.of_user(problem, user), Relaxation.of_user(problem, user)
        values = (search.states - relaxation.centre[:, None]) / relaxation.scale[:, None]
        return cls(search, relaxation, values.real if relaxation.real else values)

    @property
    def num_states(self) -> int:
        return int(self.values.shape[1])

    def prove(
        self,
        pattern: UInt8[np.ndarray, "element"],
        *,
        ceiling: float = np.inf,
        max_branches: int = BRANCHES,
        until_s: float = np.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> Proof:
        """Search from a good pattern until it is proven the best, or so many branches were bounded, or time is up.

        ceiling: in nats, of all patterns, where one is known.
        """
        rate = self.rate(pattern)
        if ceiling <= rate * (1 + TOLERANCE):
            return Proof(pattern, rate, ceiling, 0)
        open_: list[Branch] = []
        fresh, branches = self.first(pattern), 0
        while True:
            branches += len(fresh)
            for branch in fresh:
                tried = self.completed(branch)
                if tried[1] > rate:
                    pattern, rate = tried
                if branch.doubtful != FREE and branch.bound > rate * (1 + TOLERANCE):
                    heapq.heappush(open_, branch)
            if not open_ or open_[0].bound <= rate * (1 + TOLERANCE) or branches >= max_branches or clock() >= until_s:
                break
            branch = heapq.heappop(open_)
            fresh = [self.child(branch, state) for state in range(self.num_states)]
        bound = max(open_[0].bound if open_ else rate, rate) * (1 + TOLERANCE)
        return Proof(pattern, rate, min(bound, ceiling), branches)

    def rate(self, pattern: UInt8[np.ndarray, "element"]) -> float:
        """In nats."""
        return float(np.log1p(power(self.search.basis @ self.search.taps_of(pattern))).sum())

    def first(self, pattern: UInt8[np.ndarray, "element"]) -> list[Branch]:
        """Branches that hold all patterns: one, or a sector each."""
        none = np.full(len(pattern), FREE, dtype=np.int16)
        response = self.search.basis @ self.search.taps_of(pattern)
        code = unit((response / (1 + power(response))) @ self.search.basis.conj())
        rng = np.random.default_rng(0)
        noise = 0.05 * unit(rng.standard_normal((RANK, len(code), 2)) @ [1, 1j])
        codes = noise + np.stack([code, *([0 * code] * (RANK - 1))])
        if not self.relaxation.real:
            return [self.branch(none, codes, None, FIRST_STEPS)]
        own = float((power(self.search.basis @ code) / (1 + power(response))).sum())
        return [
            self.branch(none, np.exp(1j * each.phase) * codes, FIRST_WEIGHT * own * each.form(), FIRST_STEPS)
            for each in sectors(code)
        ]

    def child(self, branch: Branch, state: int) -> Branch:
        """The branch in which the most doubtful element has that state."""
        pattern = branch.pattern.copy()
        pattern[branch.doubtful] = state
        found = self.branch(pattern, branch.codes, branch.tilt, STEPS)
        return replace(found, bound=min(found.bound, branch.bound))

    def branch(
        self,
        pattern: Int[np.ndarray, "element"],
        codes: Complex[np.ndarray, "rank tap"],
        tilt: Float[np.ndarray, "part part"] | None,
        steps: int,
    ) -> Branch:
        """Bound it, and see which element the relaxation cannot decide."""
        free = np.flatnonzero(pattern == FREE)
        if self.num_states ** len(free) <= LISTED:
            best, rate = self.best_of_all(pattern, free)
            return Branch(rate, best, codes, FREE, tilt)
        rest = self.rest(pattern, tilt)
        codes = rest.ascended(codes, steps)
        _, _, snr, price = rest.evaluate(codes)
        undecided = self.margin(rest, codes)
        return Branch(rest.certificate(snr, price), pattern, codes, int(free[np.argmin(undecided)]), tilt)

    def best_of_all(
        self, pattern: Int[np.ndarray, "element"], free: Int[np.ndarray, "free"]
    ) -> tuple[Int[np.ndarray, "element"], float]:
        """The best pattern of a branch with few free elements, and its rate in nats: all are tried."""
        states = np.indices((self.num_states,) * len(free)).reshape(len(free), self.num_states ** len(free))
        patterns = np.repeat(pattern[:, None], states.shape[1], axis=1)
        patterns[free] = states
        rates = self.search.rate(self.search.taps(patterns.astype(np.uint8))) / self.search.mbps_per_nat
        return patterns[:, int(np.argmax(rates))], float(rates.max())

    def rest(self, pattern: Int[np.ndarray, "element"], tilt: Float[np.ndarray, "part part"] | None) -> Relaxation:
        """Relaxation of the free elements: the others belong to the direct channel."""
        given = pattern != FREE
        rows = self.relaxation.rows
        direct, others = rows[:, :1].copy(), rows[:, 1:]
        direct[0, 0] += np.einsum("pn,pnt->t", self.values[:, pattern[given]], others[:, given])
        return replace(self.relaxation, rows=np.concatenate([direct, others[:, ~given]], axis=1), tilt=tilt)

    def margin(self, rest: Relaxation, codes: Complex[np.ndarray, "rank tap"]) -> Float[np.ndarray, "free"]:
        """How clearly the relaxation prefers a state, for each free element, weighed by what the element is worth."""
        distance = np.sort(self.distance(rest, codes), axis=-1)
        return np.asarray((distance[:, 1] - distance[:, 0]) / (1e-3 + np.linalg.norm(rest.rows[0, 1:], axis=-1)))

    def distance(self, rest: Relaxation, codes: Complex[np.ndarray, "rank tap"]) -> Float[np.ndarray, "free state"]:
        """Of each free element, as its vector looks from the direct channel's, to each state."""
        vectors = rest.vectors(codes)
        shown = np.einsum("r,rpn->pn", vectors[:, 0, 0].conj(), vectors[:, :, 1:])
        return np.asarray(np.linalg.norm(shown[..., None] - self.values[:, None], axis=0))

    def completed(self, branch: Branch) -> tuple[UInt8[np.ndarray, "element"], float]:
        """A pattern of a branch: free elements by what the relaxation shows."""
        free = branch.pattern == FREE
        pattern = branch.pattern.copy()
        if free.any():
            rest = self.rest(branch.pattern, branch.tilt)
            pattern[free] = np.argmin(self.distance(rest, branch.codes), axis=-1)
        whole = pattern.astype(np.uint8)
        return whole, self.rate(whole)


def prove_patterns(
    problem: Problem, patterns: UInt8[np.ndarray, "batch element"], branches: int, until_s: float
) -> tuple[UInt8[np.ndarray, "batch element"], Float[np.ndarray, "batch"]]:
    """Better patterns where there are any, and bounds in Mbit/s, until so many branches or that monotonic time."""
    assert problem.states is not None
    ceilings = certified_bound(problem, problem.states[patterns]) / problem.mbps_per_nat
    proofs = []
    for user, pattern in enumerate(patterns):
        share_s = (until_s - time.monotonic()) / (len(patterns) - user)
        tree = Tree.of_user(problem, user)
        until_s_here = time.monotonic() + share_s
        proofs.append(tree.prove(pattern, ceiling=ceilings[user], max_branches=branches, until_s=until_s_here))
    bound = problem.mbps_per_nat * np.array([proof.bound for proof in proofs])
    return np.stack([proof.pattern for proof in proofs]), bound
