"""The unknown start of each capture, resolved for a whole sweep at once.

Every sounding of a sweep shows direct + S V at its own integer advance (`hil.phy.sync`), with phases of the LOs that
hold. What all soundings share is their statistics: over the patterns, the surface's part is a zero-mean Gaussian vector
of delays, the direct part its mean. So the advance of a sounding is the one under which it is most likely, and mean and
covariance are those of the advanced soundings: both are found in turns, first with the mean delay profile alone (which
needs no phase), then with the full covariance. Where one of two complements is in doubt, both are resolved together:
their half-sum is the direct channel, whatever the surface does. What stays in doubt is marked, never guessed.

The centroid of a sounding's delays says roughly where it lies, and only advances near it are scored (`hil.estimation.
lags`). Where that is not sure to hold the best one, for a sounding or, in much noise, for all, every advance is.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import MeasurementError
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.exhaustive import learn_advances, margin_of, search, search_pairs
from hil.estimation.lags import Lags, centroid_error, centroids
from hil.estimation.profiles import MAX_TURNS, align_profiles
from hil.phy.taps import DelayBasis, delay_profile, place_window

SUBSET = 512  # soundings that mean and covariance are learnt from
PAIRS = 32  # resolved at once: bounds the memory
MIN_MARGIN = float(np.log(1e5))  # log-likelihood ratio to the second best advance, below it a sounding is ambiguous
REACH_TAPS, CENTRED_BY = 4, 64  # how far the window may move once all soundings are aligned, and by how many of them
LEARNING_TAPS = 5  # from the best delay profile, within which the likeliest advance is looked for
AROUND_TAPS = 16  # of the delay profile, more than twice the channel's length
WIDEST_TAPS = 12  # spread of the centroids, above which every advance is scored
SPREAD = 0.995  # share of the soundings that shall lie in reach of their centroids
ROUGHEST_TAPS = 2.0  # error of a centroid by noise, above which it tells nothing
LEARNING_SNR, KNOWING_SNR = 10.0, 100.0  # highest SNR of a subcarrier that the model believes, learning and afterwards
QUIETEST_SNR = 0.02  # of a subcarrier, over the whole sweep: below it there is no pilot to align
REACH_STEP = 4
EDGE, SIGMAS = 2, 6.0


@dataclass(frozen=True)
class Alignment:
    """The advance that brings each sounding to the sweep's common reference.

    samples: of the oversampled grid, in [0, fft_size).
    margin: log-likelihood ratio between the best advance and the second best.
    taps: the soundings at the common reference, in the coordinates of the model's basis.
    """

    model: DelayModel
    fft_size: int
    samples: Int[np.ndarray, "pattern"]
    margin: Float[np.ndarray, "pattern"]
    taps: Complex[np.ndarray, "pattern tap"]

    @property
    def ambiguous(self) -> Bool[np.ndarray, "pattern"]:
        """Soundings whose advance is in doubt: to be retaken."""
        return np.asarray(self.margin < MIN_MARGIN)

    def locate(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> "Alignment":
        """The same reference for other soundings that the radio took at the same LO phases."""
        return Alignment(self.model, self.fft_size, *search(self.model, responses, self.fft_size))

    def retaken(self, which: Int[np.ndarray, "retake"], again: "Alignment") -> "Alignment":
        """With soundings `which` taken once more, and located as `again`."""
        samples, margin, taps = self.samples.copy(), self.margin.copy(), self.taps.copy()
        samples[which], margin[which], taps[which] = again.samples, again.margin, again.taps
        return replace(self, samples=samples, margin=margin, taps=taps)


def align_sweep(
    responses: Complex[np.ndarray, "pattern subcarrier"],
    noise_var: Float[np.ndarray, "pattern"],
    *,
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    num_taps: int,
    partner: Int[np.ndarray, "pattern"] | None = None,
) -> Alignment:
    """Resolve the advances of a sweep over balanced patterns.

    responses: raw, zero on unused subcarriers. noise_var: of each.
    num_taps: length of the channel in taps of 1/B; the window of the delay basis is placed by energy, one tap wider.
    partner: index of each sounding's complement, -1 where it has none.
    Raises MeasurementError where the soundings hold no signal.
    """
    level = float(np.median(noise_var))
    strength = energy(responses).astype(float)
    snr = float(strength.mean()) / int(used.sum()) / level - 1
    _require_signal(snr)
    learnt = np.random.default_rng(0).permutation(len(responses))[:SUBSET]
    power = float(strength.mean()) / len(used)
    believed = (max(level, power / most) for most in (LEARNING_SNR, KNOWING_SNR))
    sweep = _Sweep(responses, strength, used, fft_size, num_taps, *believed)
    told = centroid_error(snr, len(used)) < ROUGHEST_TAPS
    found = sweep.near_centroids(learnt) if told else sweep.anywhere(learnt)
    return found if partner is None else _resolve_pairs(found, responses, partner)


def _require_signal(snr: float) -> None:
    if snr < QUIETEST_SNR:
        raise MeasurementError(
            f"the receiver hears no pilot: {snr:.3f} of the noise's power on a subcarrier; check cables and antennas, "
            "power.radiated_power_dbm, radio.rx_gain_db and ofdm.repetitions"
        )


@dataclass(frozen=True)
class _Sweep:
    """Soundings, and what is believed of their noise.

    strength: energy of each. learning_var, knowing_var: noise on a subcarrier while the model is learnt and afterwards;
    more than there is, for without noise any alignment is certain of itself.
    """

    responses: Complex[np.ndarray, "pattern subcarrier"]
    strength: Float[np.ndarray, "pattern"]
    used: Bool[np.ndarray, "subcarrier"]
    fft_size: int
    num_taps: int
    learning_var: float
    knowing_var: float

    @property
    def tap(self) -> float:
        """Samples of one tap."""
        return self.fft_size / self.used.size

    def anywhere(self, learnt: Int[np.ndarray, "learnt"]) -> Alignment:
        """Every advance of every sounding is scored."""
        lags, length = self._lags(REACH_TAPS), round(self.num_taps * self.tap)
        advances = learn_advances(lags.basis, self.responses[learnt], self.learning_var, self.fft_size, length)
        rough = lags.roughly(advances)
        coordinates = lags.coordinates(self.responses[learnt], rough)
        fine = advances - rough
        fine += self._centre(lags, coordinates, fine)
        model = self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.knowing_var)
        return Alignment(model, self.fft_size, *search(model, self.responses, self.fft_size))

    def near_centroids(self, learnt: Int[np.ndarray, "learnt"]) -> Alignment:
        """Advances near each sounding's centroid are scored, and every one where that is not sure to hold the best."""
        middle = centroids(self.responses) * self.tap
        model, advances = self._learn(learnt, middle[learnt])
        guesses = (self._guess(about, learnt, advances) for about in (middle, np.zeros_like(middle)))
        guess, spread = min(guesses, key=lambda each: each[1])
        if spread > WIDEST_TAPS:
            return Alignment(model, self.fft_size, *search(model, self.responses, self.fft_size))
        lags = self._lags(spread + 1)
        rough = lags.roughly(guess)
        coordinates = lags.coordinates(self.responses, rough)
        score = lags.log_likelihood(model, coordinates, lags.reach)
        fine, margin = score.argmax(axis=1) - lags.reach, margin_of(score)
        taps = lags.taps(coordinates, fine)
        found = Alignment(model, self.fft_size, (rough + fine) % self.fft_size, margin, taps)
        unsure = np.flatnonzero(~self._sure(model, score, self.strength - energy(coordinates), coordinates.shape[1]))
        return found.retaken(unsure, found.locate(self.responses[unsure])) if unsure.size else found

    def _guess(
        self,
        about: Float[np.ndarray, "pattern"],
        learnt: Int[np.ndarray, "learnt"],
        advances: Int[np.ndarray, "learnt"],
    ) -> tuple[Float[np.ndarray, "pattern"], float]:
        """All advances, guessed from those that were found, and how far off such guesses are, in taps.

        about: what the advances are counted from: the centroids, or nothing, if they should all be equal.
        """
        offset, half = advances - about[learnt], self.fft_size / 2
        apart = (offset - offset[0] + half) % self.fft_size - half
        centre = float(np.median(apart))
        return about + offset[0] + centre, float(np.quantile(np.abs(apart - centre), SPREAD, method="lower")) / self.tap

    def _learn(
        self, learnt: Int[np.ndarray, "learnt"], middle: Float[np.ndarray, "learnt"]
    ) -> tuple[DelayModel, Int[np.ndarray, "learnt"]]:
        """The model, and the advances of the soundings that it is learnt from."""
        lags = self._lags(LEARNING_TAPS + REACH_TAPS)
        start = self._by_profile(self.responses[learnt], middle)
        rough = lags.roughly(start)
        coordinates, fine = lags.coordinates(self.responses[learnt], rough), start - rough
        reach = lags.reach - round(REACH_TAPS * self.tap)
        for _ in range(MAX_TURNS):
            model = self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.learning_var)
            before, fine = fine, lags.log_likelihood(model, coordinates, reach).argmax(axis=1) - reach
            if np.array_equal(before, fine):
                break
        fine += self._centre(lags, coordinates, fine)
        return self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.knowing_var), rough + fine

    def _by_profile(
        self, responses: Complex[np.ndarray, "learnt subcarrier"], middle: Float[np.ndarray, "learnt"]
    ) -> Int[np.ndarray, "learnt"]:
        """Advances by power alone, not far from the centroids."""
        size = min(scipy.fft.next_fast_len(round((2 * self.num_taps + AROUND_TAPS) * self.tap)), self.fft_size)
        first = np.round(middle).astype(int) - size // 2
        index = (first[:, None] + np.arange(size)) % self.fft_size
        profiles = np.take_along_axis(delay_profile(responses, self.fft_size), index, axis=1)
        samples, profile = align_profiles(profiles, self.learning_var * self.used.size, profiles.mean(axis=0)[None])
        return np.asarray(first + (samples + place_window(profile, round(self.num_taps * self.tap))) % size)

    def _centre(
        self, lags: Lags, coordinates: Complex[np.ndarray, "learnt lag"], fine: Int[np.ndarray, "learnt"]
    ) -> int:
        """Common advance with which the basis holds most of the energy.

        The delay profile cannot tell: the sidelobes of its strongest delay hide the weak ones at the window's end.
        """
        some = slice(None, None, -(-len(fine) // CENTRED_BY))
        reach = round(REACH_TAPS * self.tap)
        shifts = np.arange(-reach, reach + 1)
        held = [float(energy(lags.taps(coordinates[some], fine[some] + shift)).sum()) for shift in shifts]
        return int(shifts[np.argmax(held)])

    def _sure(
        self,
        model: DelayModel,
        score: Float[np.ndarray, "pattern advance"],
        outside: Float[np.ndarray, "pattern"],
        num_lags: int,
    ) -> Bool[np.ndarray, "pattern"]:
        """Where no advance beyond the scored ones can be the best.

        Those next to them are already unlikely, noise alone makes less of any other, and the response holds nothing but
        noise at other delays; deviations of six sigmas are allowed for.
        """
        matched, _ = model.filters()
        best, freedom = score.max(axis=1), model.basis.num_taps
        ends = np.maximum(score[:, :EDGE].max(axis=1), score[:, -EDGE:].max(axis=1))
        noise_alone = freedom + SIGMAS * np.sqrt(freedom + 2 * model.noise_var * float(energy(matched)))
        others = self.used.size - num_lags
        quiet = outside < model.noise_var * (others + SIGMAS * np.sqrt(others))
        return np.asarray(quiet & (best > MIN_MARGIN + np.maximum(noise_alone, ends + MIN_MARGIN)))

    def _lags(self, reach_taps: float) -> Lags:
        """For advances of so many taps at least; few different ones, since each must be built."""
        reach = REACH_STEP * int(np.ceil(reach_taps * self.tap / REACH_STEP))
        return Lags.build(self.used, -1.0, float(self.num_taps), self.fft_size, reach)

    def _fit(
        self,
        taps: Complex[np.ndarray, "learnt tap"],
        learnt: Int[np.ndarray, "learnt"],
        basis: DelayBasis,
        noise_var: float,
    ) -> DelayModel:
        return DelayModel.fit(basis, taps, self.strength[learnt] - energy(taps), noise_var)


def _resolve_pairs(
    found: Alignment, responses: Complex[np.ndarray, "pattern subcarrier"], partner: Int[np.ndarray, "pattern"]
) -> Alignment:
    """Soundings in doubt once more, together with their complements."""
    doubtful = found.ambiguous & (partner >= 0)
    first = np.flatnonzero(doubtful | doubtful[partner])
    first = first[partner[first] > first]
    samples, margin, taps = found.samples.copy(), found.margin.copy(), found.taps.copy()
    for start in range(0, first.size, PAIRS):
        one = first[start : start + PAIRS]
        both = np.stack([one, partner[one]])
        samples[both], margin[both], taps[both] = search_pairs(found.model, responses[both], found.fft_size)
    return replace(found, samples=samples, margin=margin, taps=taps)
