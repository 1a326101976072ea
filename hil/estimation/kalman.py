"""The coefficients of a moving user's channel, followed from a few soundings: a Kalman filter over the array's waves.

State: for each wave, and for the direct channel, one complex number for each tap. All taps share the covariance, since
a pattern excites all taps of a wave alike and noise is white over them. Between soundings a wave turns at its own
Doppler frequency, which is learnt from the corrections that its phase needs (an alpha-beta tracker, Benedict and
Bordner 1962), and wanders around that as a first-order process. The direct channel, whose paths all have their own
Doppler shifts, is a sum of oscillators that span the band of shifts that the fastest user could cause: band-limited
prediction. A phase that everything shares comes from the radios and does not change the rate: it is taken out.
"""

from dataclasses import dataclass, field

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.estimation.consistency import Consistency, whitened_energy

TURN_GAIN = 0.6  # of the correction of a Doppler frequency
WANDER = 0.05, 1e-4, 1.0  # share of its power by which a wave forgets itself in a round: at first, at least, at most
NEWS = 0.5  # share of a wave's variance that soundings must take away for its frequency to be corrected
LEAST_SHARE = 0.3  # of its expected power that a wave is taken to have kept: fades pass
FADING, SURE = 0.8, 10.0  # of the evidence for another turn from round to round; what is enough of it
STIRRED = 0.02  # of the direct channel's power that each of its oscillators is expected to have before anyone moves
STILL_LONGER = 10.0  # times the memory of the other oscillators that what stands has
STILL_MEMORY_S = 1.0  # of a direct channel that is taken to stand
MIX = 0.3  # of the new power of each wave in the running mean


@dataclass
class ModeFilter:
    """What is known of the channel at `time_s`, and how it moves.

    mean: complex[state, tap]; the first `num_direct` states are the direct channel's. covariance: of the states, of
    each tap. doppler: in rad/s. power: mean square that is expected of each state and tap. seen_s: when a state was
    last told. memory_s: after which the direct channel's oscillators have forgotten 1 / e. wander: see `WANDER`.
    last_s: of the last soundings. evidence: log-likelihood that a wave turns once more, or less, between rounds.
    consistency: of the last updates.
    """

    mean: Complex[np.ndarray, "state tap"]
    covariance: Complex[np.ndarray, "state state"]
    doppler: Float[np.ndarray, "state"]
    power: Float[np.ndarray, "state"]
    seen_s: Float[np.ndarray, "state"]
    num_direct: int
    time_s: float
    memory_s: float = 1.0
    wander: float = WANDER[0]
    consistency: Consistency = field(default_factory=Consistency)
    last_s: float = field(init=False)
    evidence: Float[np.ndarray, "2 state"] = field(init=False)

    def __post_init__(self) -> None:
        self.last_s, self.evidence = self.time_s, np.zeros((2, len(self.mean)))

    @classmethod
    def begin(
        cls,
        direct: Complex[np.ndarray, "tap"],
        modes: Complex[np.ndarray, "mode tap"],
        variance: Float[np.ndarray, "1+mode"],
        power: Float[np.ndarray, "mode"],
        direct_doppler: Float[np.ndarray, "oscillator"],
        time_s: float,
    ) -> "ModeFilter":
        """From an estimate of a user who stands still. variance: of a tap of the direct channel, and of each wave.

        direct_doppler: of the oscillators that make up the direct channel, in rad/s; one of them is 0.
        """
        still = np.abs(direct_doppler) == 0
        mean = np.concatenate([np.outer(still, direct), modes]).astype(complex)
        oscillators = len(direct_doppler)
        of_direct = float(np.mean(np.abs(direct) ** 2)) * np.where(still, 1.0, STIRRED)
        powers = np.concatenate([of_direct, power])
        variances = np.concatenate([np.where(still, variance[0], 0.1 * of_direct), variance[1:]])
        doppler = np.concatenate([direct_doppler, np.zeros(len(modes))])
        seen_s = np.full(len(mean), time_s)
        apart = float(np.ptp(direct_doppler)) / (2 * np.pi * max(oscillators - 1, 1))
        memory_s = 1 / apart if apart else STILL_MEMORY_S  # longer, and neighbours would be told apart
        covariance = np.diag(variances).astype(complex)
        return cls(mean, covariance, doppler, powers, seen_s, oscillators, time_s, memory_s)

    @property
    def widest(self) -> float:
        """The largest Doppler frequency of any wave, in rad/s: that of the direct channel's band, where it has one."""
        widest = float(np.abs(self.doppler[: self.num_direct]).max())
        return widest if widest > 0 else np.inf

    def at(self, time_s: float) -> tuple[Complex[np.ndarray, "tap"], Complex[np.ndarray, "mode tap"]]:
        """Direct channel and the waves' coefficients to expect at a time."""
        turned = self.mean * np.exp(1j * self.doppler * (time_s - self.time_s))[:, None]
        return turned[: self.num_direct].sum(axis=0), turned[self.num_direct :]

    def excitation(
        self, rows: Complex[np.ndarray, "pattern mode"], time_s: Float[np.ndarray, "pattern"]
    ) -> Complex[np.ndarray, "pattern state"]:
        """What each state adds to a pattern's response at its own time, by the state at `self.time_s`."""
        whole = np.concatenate([np.ones((len(rows), self.num_direct)), rows], axis=1)
        return np.asarray(whole * np.exp(1j * np.outer(time_s - self.time_s, self.doppler)))

    def predict(
        self, rows: Complex[np.ndarray, "pattern mode"], time_s: Float[np.ndarray, "pattern"]
    ) -> Complex[np.ndarray, "pattern tap"]:
        """Taps to expect of patterns at their times."""
        return np.asarray(self.excitation(rows, time_s) @ self.mean)

    def advance(self, time_s: float) -> None:
        """Go on to a later time: turn, forget a little."""
        elapsed_s = time_s - self.time_s
        kept = np.full(len(self.mean), np.sqrt(1 - min(self.wander, 0.999)))
        still = self.doppler[: self.num_direct] == 0
        kept[: self.num_direct] = np.exp(-elapsed_s / (self.memory_s * np.where(still, STILL_LONGER, 1.0)))
        turn = kept * np.exp(1j * self.doppler * elapsed_s)
        self.mean = turn[:, None] * self.mean
        self.covariance = turn[:, None] * self.covariance * turn.conj()
        self.covariance[np.diag_indices(len(turn))] += (1 - kept**2) * self.power
        self.time_s = time_s

    def update(
        self,
        rows: Complex[np.ndarray, "pattern mode"],
        time_s: Float[np.ndarray, "pattern"],
        taps: Complex[np.ndarray, "pattern tap"],
        noise_var: float,
    ) -> float:
        """Take in soundings: taps[m] of the pattern of rows[m] at time_s[m], in the order of time.

        Returns the share of the soundings' energy that is neither noise nor what the waves can explain.
        """
        self.advance(float(time_s[-1]))
        excitation, before = self.excitation(rows, time_s), self.mean
        innovation = taps - excitation @ before
        strange = whitened_energy(innovation, excitation, self.power, noise_var, self.num_direct)
        self.consistency.add(strange, taps.size)
        reach = excitation @ self.covariance
        expected = reach @ excitation.conj().T + noise_var * np.eye(len(taps))
        inverse = np.linalg.inv(expected)
        own, gain = inverse @ innovation, (inverse @ reach).conj().T
        was = self.covariance.diagonal().real
        self.mean = before + gain @ innovation
        self.covariance = self.covariance - gain @ reach
        self._adapt(float(np.vdot(innovation, own).real) / taps.size)
        self._correct_doppler(before, 1 - self.covariance.diagonal().real / was)
        self._resolve_turns(excitation, time_s, own, inverse)
        now = np.mean(np.abs(self.mean) ** 2, axis=1)
        self.power = (1 - MIX) * self.power + MIX * np.maximum(now, LEAST_SHARE * self.power)
        return _unexplained(taps, taps - excitation @ self.mean, noise_var)

    def _resolve_turns(
        self,
        excitation: Complex[np.ndarray, "pattern state"],
        time_s: Float[np.ndarray, "pattern"],
        own: Complex[np.ndarray, "pattern tap"],
        inverse: Complex[np.ndarray, "pattern pattern"],
    ) -> None:
        """Whether a wave turned once more, or once less, between two rounds: told by its pace within one.

        By the likelihood ratio of the innovation under either hypothesis, added up over rounds, where the wave stays
        within the band. own: the innovation weighed with `inverse`, the inverse of its covariance.
        """
        between_s, self.last_s = self.time_s - self.last_s, self.time_s
        if between_s <= 0:
            return
        self.evidence *= FADING
        for index, turns in enumerate((1, -1)):
            pace = np.exp(2j * np.pi * turns * (time_s - time_s.mean()) / between_s) - 1
            change = pace[:, None] * excitation
            met = np.sum(self.mean.conj() * (change.conj().T @ own), axis=1).real
            size = np.sum(change.conj() * (inverse @ change), axis=0).real * np.sum(np.abs(self.mean) ** 2, axis=1)
            self.evidence[index] += 2 * met - size
            sure = self.evidence[index] > SURE
            sure &= np.abs(self.doppler + 2 * np.pi * turns / between_s) <= self.widest
            sure[: self.num_direct] = False
            self.doppler[sure] += 2 * np.pi * turns / between_s
            self.evidence[:, sure] = 0

    def exchange(self, kept: Int[np.ndarray, "kept"], power: Float[np.ndarray, "new"]) -> None:
        """Follow other waves: those numbered `kept`, in that order, then new ones of which only a power is expected."""
        order = np.concatenate([np.arange(self.num_direct), self.num_direct + kept])
        size, known = len(order) + len(power), len(order)
        covariance = np.zeros((size, size), dtype=complex)
        covariance[:known, :known] = self.covariance[np.ix_(order, order)]
        covariance[np.arange(known, size), np.arange(known, size)] = power
        self.covariance = covariance
        self.mean = np.concatenate([self.mean[order], np.zeros((len(power), self.mean.shape[1]))])
        self.doppler = np.concatenate([self.doppler[order], np.zeros(len(power))])
        self.power = np.concatenate([self.power[order], power])
        self.seen_s = np.concatenate([self.seen_s[order], np.full(len(power), self.time_s)])
        self.evidence = np.concatenate([self.evidence[:, order], np.zeros((2, len(power)))], axis=1)

    def _adapt(self, surprise: float) -> None:
        """surprise: mean square of the innovation over what was expected of it; 1 where the model is honest."""
        self.wander = float(np.clip(self.wander * np.clip(surprise, 0.5, 2.0) ** 0.5, *WANDER[1:]))

    def _correct_doppler(self, before: Complex[np.ndarray, "state tap"], news: Float[np.ndarray, "state"]) -> None:
        """By the turn of each wave since it was told last, as far as its own signal stands above its error."""
        turn = np.sum(self.mean * before.conj(), axis=1)
        signal = np.mean(np.abs(self.mean) ** 2, axis=1)
        trust = signal / (signal + self.covariance.diagonal().real)
        elapsed_s = self.time_s - self.seen_s
        told = (news > NEWS) & (elapsed_s > 0)
        told[: self.num_direct] = False
        self.doppler[told] += TURN_GAIN * (trust * np.angle(turn))[told] / elapsed_s[told]
        self.seen_s[told] = self.time_s


def _unexplained(
    taps: Complex[np.ndarray, "pattern tap"], residual: Complex[np.ndarray, "pattern tap"], noise_var: float
) -> float:
    energy = float(np.sum(np.abs(taps) ** 2))
    return max(float(np.sum(np.abs(residual) ** 2)) - noise_var * taps.size, 0.0) / energy
