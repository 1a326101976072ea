"""From phases to the states that a board has: quantisation under a global rotation, then flips of single elements.

Every state set is handled by what it is, complex reflections of any amplitude. With the smallest circle around them,
centre c and radius r, the surface is a phase-controlled one: c joins the direct channel, r scales the cascade. What
that relaxed problem's optimum asks for, u = conj(cascade) dR/dh*, chooses each element's state: the one of largest
Re(conj(u) state).
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Complex, Float, Int, UInt8
from hil.optimize.objective import Problem, power

ROTATIONS = 32  # global phases tried; the direct channel makes all of them differ
SCREENED = 64  # single changes of best predicted gain that are evaluated exactly
MAX_ROUNDS = 200


def enclosing_circle(states: Complex[np.ndarray, "state"]) -> tuple[complex, float]:
    """Centre and radius of the smallest circle around the states: that around few of them which holds all others."""
    rounding = 1e-12 * np.abs(states - states.mean()).max() + 4 * np.finfo(float).eps * np.abs(states).max()
    distance, few = np.abs(states - states[0]), [0]
    while True:
        few.append(int(np.argmax(distance)))
        centre, radius = _smallest_circle(states[few], rounding)
        distance = np.abs(states - centre)
        if distance.max() <= radius + rounding:
            return complex(centre), float(max(radius, distance.max()))


def _smallest_circle(states: Complex[np.ndarray, "few"], rounding: float) -> tuple[complex, float]:
    """Of all circles through two or three of the states."""
    pairs = [((a + b) / 2, abs(a - b) / 2) for i, a in enumerate(states) for b in states[:i]]
    triples = [
        _circumcircle(a, b, c) for i, a in enumerate(states) for j, b in enumerate(states[:i]) for c in states[:j]
    ]
    enclosing = [
        (centre, radius) for centre, radius in pairs + triples if np.abs(states - centre).max() <= radius + rounding
    ]
    return min(enclosing, key=lambda circle: circle[1])


def _circumcircle(a: complex, b: complex, c: complex) -> tuple[complex, float]:
    """Circle through three points; of infinite radius where they lie on a line."""
    b, c = b - a, c - a
    cross = 2 * (b.real * c.imag - b.imag * c.real)
    if abs(cross) < 1e-12 * (abs(b) * abs(c) + 1e-300):
        return 0j, np.inf
    centre = 1j * (b * abs(c) ** 2 - c * abs(b) ** 2) / cross
    return a + centre, abs(centre)


def collinear(states: Complex[np.ndarray, "state"]) -> bool:
    """All states lie on one line: the reflection is a real number, but for a shift and a turn."""
    along = states - states[0]
    along = along * np.exp(-1j * np.angle(along[-1]))
    return bool(np.abs(along.imag).max() <= 1e-9 * np.abs(along).max())


def relaxed(problem: Problem) -> Problem:
    """The phase-controlled surface that can do all that the states can at the carrier, and more."""
    if problem.states is None:
        return problem
    centre, radius = enclosing_circle(problem.states)
    return replace(
        problem,
        direct=problem.direct + centre * problem.cascade.sum(axis=-2),
        cascade=radius * problem.cascade,
        states=None,
        dispersion=None,
    )


@dataclass(frozen=True, eq=False)
class StateSearch:
    """The rate of one user as a function of its pattern.

    Where states vary over the band, an element's reflection is a few numbers, its terms, and the channel has as many
    times the taps of the cascade (`Problem.over_band`). snr_scale is folded into both channels.
    """

    direct: Complex[np.ndarray, "taps"]
    cascade: Complex[np.ndarray, "element tap"]
    basis: Complex[np.ndarray, "subcarrier taps"]
    states: Complex[np.ndarray, "term state"]
    mbps_per_nat: float

    @classmethod
    def of_user(cls, problem: Problem, user: int) -> "StateSearch":
        """One user of a problem with states and one batch axis."""
        amplitude = np.sqrt(problem.snr_scale)
        basis, states = problem.over_band()
        direct = np.zeros(basis.shape[1], dtype=complex)
        direct[: problem.direct.shape[-1]] = amplitude * problem.direct[user]
        cascade = np.ascontiguousarray(amplitude * problem.cascade[user])
        return cls(direct, cascade, basis, states, problem.mbps_per_nat)

    def taps(self, patterns: UInt8[np.ndarray, "element start"]) -> Complex[np.ndarray, "taps start"]:
        """Channel taps of patterns; one real product for each state but the first."""
        planes = self.cascade.view(np.float64)
        first = self.direct + np.outer(self.states[:, 0], self.cascade.sum(axis=0)).ravel()
        taps = np.repeat(first[:, None], patterns.shape[-1], axis=1)
        for state in range(1, self.states.shape[1]):
            chosen = planes.T @ (patterns == state).astype(np.float64)
            taps += self.reflected(self.states[:, state] - self.states[:, 0], chosen[0::2] + 1j * chosen[1::2])
        return taps

    def steps(
        self,
        pattern: UInt8[np.ndarray, "element"],
        element: Int[np.ndarray, "change"],
        state: Int[np.ndarray, "change"],
    ) -> Complex[np.ndarray, "taps change"]:
        """What each single change, a new state of an element, adds to the channel's taps."""
        return self.reflected(self.states[:, state] - self.states[:, pattern[element]], self.cascade[element].T)

    def reflected(
        self, reflection: Complex[np.ndarray, "term *many"], taps: Complex[np.ndarray, "tap many"]
    ) -> Complex[np.ndarray, "taps many"]:
        """Taps of all terms of what one reflection, or each its own, makes of some taps of the cascade."""
        return np.asarray((reflection.reshape(len(reflection), 1, -1) * taps).reshape(-1, taps.shape[-1]))

    def rate(self, taps: Complex[np.ndarray, "taps start"]) -> Float[np.ndarray, "start"]:
        return np.asarray(self.mbps_per_nat * np.log1p(power(self.basis @ taps)).sum(axis=0))

    def taps_of(self, pattern: UInt8[np.ndarray, "element"]) -> Complex[np.ndarray, "taps"]:
        return self.taps(pattern[:, None])[:, 0]

    def rate_of(self, pattern: UInt8[np.ndarray, "element"]) -> float:
        return float(self.rate(self.taps_of(pattern)[:, None])[0])

    def drive(self, code: Complex[np.ndarray, "taps"]) -> Complex[np.ndarray, "term element"]:
        """conj(cascade) code, for as many terms as the code has taps of."""
        return np.asarray((code.conj().reshape(-1, self.cascade.shape[1]) @ self.cascade.T).conj())

    def asked(self, taps: Complex[np.ndarray, "taps"]) -> Complex[np.ndarray, "term element"]:
        """conj(cascade) dR/dh* at a channel: the reflection that each element should have, to first order."""
        response = self.basis @ taps
        return self.mbps_per_nat * self.drive(self.basis.conj().T @ (response / (1 + power(response))))

    def nearest(self, asked: Complex[np.ndarray, "term *start"]) -> UInt8[np.ndarray, "*start"]:
        """State of largest Re(conj(asked) state) for each element; terms that are not asked for count for nothing."""
        asked = asked.conj()
        if self.states.shape[1] == 2:
            step = self.states[:, 1] - self.states[:, 0]
            return np.asarray(sum(map(np.multiply, asked, step)).real > 0, dtype=np.uint8)
        worth = sum((each[..., None] * states).real for each, states in zip(asked, self.states, strict=False))
        return np.asarray(np.argmax(worth, axis=-1), dtype=np.uint8)

    def quantise(self, asked: Complex[np.ndarray, "element"]) -> tuple[UInt8[np.ndarray, "element"], float]:
        """Best pattern, and its rate, over global rotations of what the elements are asked for, one number each."""
        turns = np.exp(2j * np.pi * np.arange(ROTATIONS) / ROTATIONS)
        patterns = self.nearest(asked[None, :, None] * turns)
        rates = self.rate(self.taps(patterns))
        best = int(np.argmax(rates))
        return patterns[:, best], float(rates[best])

    def settle(self, pattern: UInt8[np.ndarray, "element"], rate: float) -> tuple[UInt8[np.ndarray, "element"], float]:
        """Give each element the state that the present pattern asks it for, as long as that helps."""
        for _ in range(MAX_ROUNDS):
            trial = self.nearest(self.asked(self.taps_of(pattern)))
            trial_rate = self.rate_of(trial)
            if trial_rate <= rate * (1 + 1e-13):
                break
            pattern, rate = trial, trial_rate
        return pattern, rate

    def gains(
        self, taps: Complex[np.ndarray, "taps"], pattern: UInt8[np.ndarray, "element"]
    ) -> Float[np.ndarray, "element state"]:
        """What giving one element another state adds to the rate, in Mbit/s, to second order; -inf for its own state.

        In nats: with d = E v the change of the response r, w = 1 / (1 + |r|^2),
        sum_k w 2 Re(conj(r) d) + w^2 |d|^2 - w^2 Re(conj(r)^2 d^2).
        Simplification: in what is of second order, a state is its mean over the band.
        """
        response, mean = self.basis @ taps, self.basis[:, : self.cascade.shape[1]]
        weight = 1 / (1 + power(response))
        first = 2 * self.drive(self.basis.conj().T @ (weight * response)).conj()
        spread = (mean.conj().T * weight**2) @ mean
        twist = (mean.T * (weight * response.conj()) ** 2) @ mean
        second = ((self.cascade.conj() @ spread) * self.cascade).sum(axis=-1).real
        turned = ((self.cascade @ twist) * self.cascade).sum(axis=-1)
        step = self.states[:, None] - self.states[:, pattern, None]
        gain = sum((step * first[..., None]).real)
        gain += power(step[0]) * second[:, None] - (step[0] ** 2 * turned[:, None]).real
        gain[np.arange(len(pattern)), pattern] = -np.inf
        return np.asarray(self.mbps_per_nat * gain)

    def changes(
        self, taps: Complex[np.ndarray, "taps"], pattern: UInt8[np.ndarray, "element"]
    ) -> tuple[Int[np.ndarray, "change"], Int[np.ndarray, "change"]]:
        """(element, new state) of the single changes of best predicted gain, best first."""
        gain = self.gains(taps, pattern)
        order = np.argsort(-gain, axis=None)[:SCREENED]
        element, state = np.unravel_index(order, gain.shape)
        return np.asarray(element), np.asarray(state)

    def flip(self, pattern: UInt8[np.ndarray, "element"], rate: float) -> tuple[UInt8[np.ndarray, "element"], float]:
        """Change elements, several at once while that pays, at last one at a time, until no screened change helps."""
        pattern = pattern.copy()
        for _ in range(MAX_ROUNDS):
            taps = self.taps_of(pattern)
            element, state = self.changes(taps, pattern)
            _, first = np.unique(element, return_index=True)
            first.sort()
            element, state = element[first], state[first]
            step = self.steps(pattern, element, state)
            together, alone = taps[:, None] + np.cumsum(step, axis=1), taps[:, None] + step
            rates = self.rate(np.concatenate([together, alone], axis=1))
            best = int(np.argmax(rates))
            if rates[best] <= rate * (1 + 1e-13):
                break
            chosen = slice(0, best + 1) if best < len(element) else slice(best - len(element), best - len(element) + 1)
            pattern[element[chosen]] = state[chosen]
            rate = float(rates[best])
        return pattern, self.rate_of(pattern)


def discretise(
    problem: Problem, reflection: Complex[np.ndarray, "batch start element"], flipped: int = 3
) -> tuple[UInt8[np.ndarray, "batch element"], Float[np.ndarray, "batch"]]:
    """Best pattern, and its rate in Mbit/s, on the way from relaxed configurations of each user.

    Every candidate is quantised under rotations and settled; the best `flipped` of them are improved by flips. With
    none, they are quantised only.
    """
    results = [
        _discretise_user(StateSearch.of_user(problem, user), found, flipped) for user, found in enumerate(reflection)
    ]
    return np.stack([pattern for pattern, _ in results]), np.array([rate for _, rate in results])


def _discretise_user(
    search: StateSearch, candidates: Complex[np.ndarray, "start element"], flipped: int
) -> tuple[UInt8[np.ndarray, "element"], float]:
    if not flipped:
        return max((search.quantise(asked) for asked in candidates), key=lambda result: result[1])
    settled = {rate: pattern for pattern, rate in (search.settle(*search.quantise(asked)) for asked in candidates)}
    best = sorted(settled, reverse=True)[:flipped]
    return max((search.flip(settled[rate], rate) for rate in best), key=lambda result: result[1])
