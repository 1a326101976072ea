"""The unknown start of each capture, resolved for a whole sweep at once.

Every sounding of a sweep shows direct + S V at its own integer advance (`hil.phy.sync`), with phases of the LOs that
hold. What all soundings share is their statistics: over the patterns, the surface's part is a zero-mean Gaussian vector
of delays, the direct part its mean. So the advance of a sounding is the one under which it is most likely, and mean and
covariance are those of the advanced soundings: both are found in turns, first with the mean delay profile alone (which
needs no phase), then with the full covariance. Where one of two complements is in doubt, both are resolved together:
their half-sum is the direct channel, whatever the surface does. What stays in doubt is marked, never guessed.

A sounding's power over delay says to about a sample where it lies (`hil.estimation.profiles`), and only advances near
are scored (`hil.estimation.lags`). Where that is not sure to hold the best one, for a sounding or, in much noise, for
all, every advance is.

Guards tell nothing: soundings are aligned as those of the narrower band between them, whose taps are longer.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import MeasurementError
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.exhaustive import learn_advances, margin_of, search, search_pairs
from hil.estimation.lags import Lags, centroid_error, told_by_neighbours
from hil.estimation.profiles import MAX_TURNS, Comb, place_by_power
from hil.phy.sync import advance, whole_samples
from hil.phy.taps import DelayBasis, band_of, delay_profile, guards_of, place_window

SUBSET = 512  # soundings that mean and covariance are learnt from
PAIRS = 32  # resolved at once: bounds the memory
MIN_MARGIN = float(np.log(1e5))  # log-likelihood ratio to the second best advance, with which one is sure by itself
WRONG = 2e-6  # share of wrong ones among the others: a model that these taught is two to five times too sure of itself
REACH_TAPS, CENTRED_BY = 4, 64  # how far the window may move once all soundings are aligned, and by how many of them
LEARNING_TAPS = 3  # from where power places them, within which the likeliest advance is looked for
DOUBTED = 0.1  # share of the soundings that are learnt from, above which other advances are tried
SPREAD = 0.995  # share of the soundings that shall lie in reach of where power places them
ROUGHEST_TAPS = 2.0  # error of a centroid by noise, above which it tells nothing
LEARNING_SNR, KNOWING_SNR = 10.0, 100.0  # highest SNR of a subcarrier that the model believes, learning and afterwards
QUIETEST_SNR = 0.02  # of a subcarrier, over the whole sweep: below it there is no pilot to align
POWER_MARGIN = 2 * MIN_MARGIN  # the same by power alone, on a comb's profile that has two points a delay
LEAST_REACH, BEYOND = 3, 2  # samples: reach of the scored advances is a multiple of that, and that beyond the spread
APART = 4  # samples, from which on power must tell two places apart
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
        return in_doubt(self.margin)

    def locate(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> "Alignment":
        """The same reference for other soundings that the radio took at the same LO phases."""
        return Alignment(self.model, self.fft_size, *search(self.model, responses, self.fft_size))

    def between(self, guards: int) -> "Alignment":
        """The same of soundings with so many unused subcarriers at each edge."""
        if not guards:
            return self
        return replace(self, model=replace(self.model, basis=self.model.basis.between(guards)))

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
    sweep, learnt, snr = _begin(responses, noise_var, used, fft_size, num_taps)
    told = centroid_error(snr, sweep.used.size) < ROUGHEST_TAPS
    found = sweep.near_power(learnt) if told else sweep.anywhere(learnt)
    if partner is not None:
        found = resolve_pairs(found, sweep.responses, partner)
    return found.between(guards_of(used))


def prepare(*, used: Bool[np.ndarray, "subcarrier"], fft_size: int, num_taps: int) -> None:
    """Build the tables that aligning such a sweep takes whatever it shows, so that they are there when it ends."""
    band = band_of(used)
    none, sweep_taps = np.empty((0, used[band].size), dtype=np.complex64), num_taps * used[band].size / used.size
    sweep = _Sweep(none, np.empty(0), np.empty(0), used[band], fft_size, sweep_taps, 1.0, 1.0)
    for reach in (0.0, REACH_TAPS * sweep.tap, sweep.learning_reach, sweep.period_reach):
        sweep.lags(reach).coordinates(none, np.empty(0, dtype=int))


def align_together(
    responses: Complex[np.ndarray, "pattern subcarrier"],
    noise_var: Float[np.ndarray, "pattern"],
    *,
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    num_taps: int,
) -> Alignment:
    """The same of soundings that are known to share their start: only where the window of delays lies is asked.

    So much less noise is needed, and nothing is in doubt. Raises MeasurementError where they hold no signal.
    """
    sweep, learnt, _ = _begin(responses, noise_var, used, fft_size, num_taps)
    return sweep.together(learnt).between(guards_of(used))


def _begin(
    responses: Complex[np.ndarray, "pattern subcarrier"],
    noise_var: Float[np.ndarray, "pattern"],
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    num_taps: int,
) -> tuple["_Sweep", Int[np.ndarray, "learnt"], float]:
    """The soundings between their guards, those of them that their statistics are learnt from, and the SNR of a
    subcarrier."""
    band = band_of(used)
    responses, length = responses[:, band], num_taps * used[band].size / used.size
    used = used[band]
    level = float(np.median(noise_var))
    strength, places = told_by_neighbours(responses)
    snr = float(strength.mean()) / int(used.sum()) / level - 1
    _require_signal(snr)
    learnt = np.random.default_rng(0).permutation(len(responses))[:SUBSET]
    power = float(strength.mean()) / len(used)
    believed = (max(level, power / most) for most in (LEARNING_SNR, KNOWING_SNR))
    return _Sweep(responses, strength, places, used, fft_size, length, *believed), learnt, snr


def _require_signal(snr: float) -> None:
    if snr < QUIETEST_SNR:
        raise MeasurementError(
            f"the receiver hears no pilot: {snr:.3f} of the noise's power on a subcarrier; check cables and antennas, "
            "power.radiated_power_dbm, radio.rx_gain_db and ofdm.repetitions"
        )


@dataclass(frozen=True)
class _Sweep:
    """Soundings of a band without guards, and what is believed of their noise.

    strength: energy of each. places: centroid of its delays, in taps. num_taps: length of the channel in taps of the
    band. learning_var, knowing_var: noise on a subcarrier while the model is learnt and afterwards; more than there is,
    for without noise any alignment is certain of itself.
    """

    responses: Complex[np.ndarray, "pattern subcarrier"]
    strength: Float[np.ndarray, "pattern"]
    places: Float[np.ndarray, "pattern"]
    used: Bool[np.ndarray, "subcarrier"]
    fft_size: int
    num_taps: float
    learning_var: float
    knowing_var: float

    @property
    def tap(self) -> float:
        """Samples of one tap."""
        return self.fft_size / self.used.size

    @property
    def learning_reach(self) -> int:
        """Samples, from where power places soundings that are learnt from."""
        return round(LEARNING_TAPS * self.tap) + round(REACH_TAPS * self.tap)

    @property
    def period_reach(self) -> float:
        """The same of soundings that power cannot tell apart: half the comb's period."""
        return self._comb.period * self.tap / 2 + BEYOND

    @property
    def _comb(self) -> Comb:
        return Comb.of(self.used.size, self.num_taps)

    def anywhere(self, learnt: Int[np.ndarray, "learnt"]) -> Alignment:
        """Every advance of every sounding is scored."""
        lags, length = self.lags(REACH_TAPS * self.tap), round(self.num_taps * self.tap)
        advances = learn_advances(lags.basis, self.responses[learnt], self.learning_var, self.fft_size, length)
        coordinates = lags.coordinates(self.responses[learnt], advances)
        fine = np.zeros_like(advances)
        fine += self._centre(lags, coordinates, fine)
        model = self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.knowing_var)
        return Alignment(model, self.fft_size, *search(model, self.responses, self.fft_size))

    def together(self, learnt: Int[np.ndarray, "learnt"]) -> Alignment:
        """All at one advance, with which the basis holds most of the energy."""
        lags, length = self.lags(REACH_TAPS * self.tap), round(self.num_taps * self.tap)
        some, fine = self.responses[learnt], np.zeros(len(learnt), dtype=int)
        start = place_window(delay_profile(some, self.fft_size).mean(axis=0), length)
        coordinates = lags.coordinates(some, fine + start)
        fine += self._centre(lags, coordinates, fine)
        model = self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.knowing_var)
        common = (start + int(fine[0])) % self.fft_size
        projector = advance(lags.basis.projector, np.asarray(common), self.fft_size).astype(self.responses.dtype)
        everywhere = np.full(len(self.responses), common)
        return Alignment(
            model, self.fft_size, everywhere, np.full(len(self.responses), np.inf), self.responses @ projector.T
        )

    def near_power(self, learnt: Int[np.ndarray, "learnt"]) -> Alignment:
        """Advances near those that each sounding's power tells are scored. Where that is not sure to hold the best one,
        all that power cannot tell apart are, and then every one."""
        placed, clear = self._by_power(learnt)
        model, advances = self._learn(learnt, whole_samples(placed[learnt]))
        guesses = (self._guess(about, learnt, advances) for about in (placed, np.zeros_like(placed)))
        guess, spread = min(guesses, key=lambda each: each[1])
        rough = np.round(guess).astype(int)
        found, sure = self._near(model, slice(None), rough, spread + BEYOND)
        sure &= clear
        for reach in (self.period_reach, None):
            unsure = np.flatnonzero(~sure)
            if not unsure.size:
                break
            if reach is None:
                again = found.locate(self.responses[unsure])
            else:
                again, sure[unsure] = self._near(model, unsure, rough[unsure], reach)
            found = found.retaken(unsure, again)
        return found

    def _near(
        self, model: DelayModel, which: slice | Int[np.ndarray, "some"], rough: Int[np.ndarray, "some"], reach: float
    ) -> tuple[Alignment, Bool[np.ndarray, "some"]]:
        """The best of the advances near the rough ones, and where no other can be better."""
        lags, responses = self.lags(reach), self.responses[which]
        coordinates = lags.coordinates(responses, rough)
        score = lags.log_likelihood(model, coordinates, lags.reach)
        fine, margin = score.argmax(axis=1) - lags.reach, margin_of(score)
        found = Alignment(model, self.fft_size, (rough + fine) % self.fft_size, margin, lags.taps(coordinates, fine))
        return found, self._sure(model, score, self.strength[which] - energy(coordinates), coordinates.shape[1])

    def _by_power(
        self, learnt: Int[np.ndarray, "learnt"]
    ) -> tuple[Float[np.ndarray, "pattern"], Bool[np.ndarray, "pattern"]]:
        """Advances by power alone: where in its period the comb sees each sounding, in which period the centroids; and
        where no other place would do as well."""
        comb = self._comb
        points = comb.size / comb.period  # of a tap
        place, margin = place_by_power(
            comb.profiles(self.responses),
            learnt,
            self.learning_var * comb.teeth,
            length=round(self.num_taps * points),
            apart=round(APART / self.tap * points),
        )
        turns, about = place / comb.size, self.places / comb.period
        offset = np.angle(np.mean(np.exp(2j * np.pi * (about - turns)))) / (2 * np.pi)
        turns += np.round(about - offset - turns)
        return turns * comb.period * self.tap, margin > POWER_MARGIN

    def _guess(
        self,
        about: Float[np.ndarray, "pattern"],
        learnt: Int[np.ndarray, "learnt"],
        advances: Int[np.ndarray, "learnt"],
    ) -> tuple[Float[np.ndarray, "pattern"], float]:
        """All advances, guessed from those that were found, and how far off such guesses are, in samples.

        about: what the advances are counted from: where power places them, or nothing, if they should all be equal.
        """
        offset, half = advances - about[learnt], self.fft_size / 2
        apart = (offset - offset[0] + half) % self.fft_size - half
        centre = float(np.median(apart))
        off = np.sort(np.abs(apart - centre))
        return about + offset[0] + centre, float(off[int(SPREAD * (len(off) - 1))])

    def _learn(
        self, learnt: Int[np.ndarray, "learnt"], start: Int[np.ndarray, "learnt"]
    ) -> tuple[DelayModel, Int[np.ndarray, "learnt"]]:
        """The model, and the advances of the soundings that it is learnt from."""
        lags = self.lags(self.learning_reach)
        coordinates = lags.coordinates(self.responses[learnt], start)
        fine, doubted, likelihood = self._climb(lags, coordinates, learnt, np.zeros_like(start))
        if doubted > DOUBTED:  # soundings shared out to both sides of one place confirm each other: one cannot
            like_one = self._like_one(lags, coordinates)
            other, _, otherwise = self._climb(lags, coordinates, learnt, like_one)
            fine = other if otherwise > likelihood else fine
        fine += self._centre(lags, coordinates, fine)
        return self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.knowing_var), start + fine

    def _climb(
        self,
        lags: Lags,
        coordinates: Complex[np.ndarray, "learnt lag"],
        learnt: Int[np.ndarray, "learnt"],
        fine: Int[np.ndarray, "learnt"],
    ) -> tuple[Int[np.ndarray, "learnt"], float, float]:
        """Model and advances in turns; the advances, the share of them that is in doubt, and their log-likelihood."""
        reach = round(LEARNING_TAPS * self.tap)
        for _ in range(MAX_TURNS):
            model = self._fit(lags.taps(coordinates, fine), learnt, lags.basis, self.learning_var)
            score = lags.log_likelihood(model, coordinates, reach)
            before, fine = fine, score.argmax(axis=1) - reach
            if np.array_equal(before, fine):
                break
        likelihood = score.max(axis=1).sum(dtype=float) - len(learnt) * model.log_norm
        likelihood -= self.strength[learnt].sum() / model.noise_var
        return fine, float(np.mean(margin_of(score) < MIN_MARGIN)), float(likelihood)

    def _like_one(self, lags: Lags, coordinates: Complex[np.ndarray, "learnt lag"]) -> Int[np.ndarray, "learnt"]:
        """Advances under which each sounding is most like one of them, of median strength."""
        reach = round(LEARNING_TAPS * self.tap)
        one = np.argsort(energy(coordinates))[len(coordinates) // 2]
        mean = lags.taps(coordinates[[one]], np.zeros(1, dtype=int))[0]
        model = DelayModel(lags.basis, mean, np.zeros((mean.size, mean.size), dtype=complex), self.learning_var)
        return np.asarray(lags.log_likelihood(model, coordinates, reach).argmax(axis=1) - reach)

    def _centre(
        self, lags: Lags, coordinates: Complex[np.ndarray, "learnt lag"], fine: Int[np.ndarray, "learnt"]
    ) -> int:
        """Common advance with which the basis holds most of the energy.

        The delay profile cannot tell: the sidelobes of its strongest delay hide the weak ones at the window's end.
        """
        some = slice(None, None, -(-len(fine) // CENTRED_BY))
        reach = round(REACH_TAPS * self.tap)
        shifts = np.arange(-reach, reach + 1)
        held = energy(coordinates[some] @ lags.transfer)  # [advance, pattern]
        at_shifts = held[lags.reach + fine[some] + shifts[:, None], np.arange(held.shape[1])]
        return int(shifts[at_shifts.sum(axis=1).argmax()])

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
        matched, _ = model.filters
        best, freedom = score.max(axis=1), model.basis.num_taps
        ends = np.maximum.reduce([score[:, place] for place in (*range(EDGE), *range(-EDGE, 0))])
        noise_alone = freedom + SIGMAS * np.sqrt(freedom + 2 * model.noise_var * float(energy(matched)))
        others = self.used.size - num_lags
        quiet = outside < model.noise_var * (others + SIGMAS * np.sqrt(others))
        return np.asarray(quiet & (best > MIN_MARGIN + np.maximum(noise_alone, ends + MIN_MARGIN)))

    def lags(self, reach: float) -> Lags:
        """For advances of so many samples at least; few tables serve all."""
        reach = LEAST_REACH * -(-max(reach, 1.0) // LEAST_REACH)
        return Lags.build(self.used, -1.0, float(self.num_taps), self.fft_size, int(reach))

    def _fit(
        self,
        taps: Complex[np.ndarray, "learnt tap"],
        learnt: Int[np.ndarray, "learnt"],
        basis: DelayBasis,
        noise_var: float,
    ) -> DelayModel:
        return DelayModel.fit(basis, taps, self.strength[learnt] - energy(taps), noise_var)


def resolve_pairs(
    found: Alignment, responses: Complex[np.ndarray, "pattern subcarrier"], partner: Int[np.ndarray, "pattern"]
) -> Alignment:
    """Soundings in doubt once more, together with their complements."""
    doubtful = (found.margin < MIN_MARGIN) & (partner >= 0)
    first = np.flatnonzero(doubtful | doubtful[partner])
    first = first[partner[first] > first]
    if not first.size:
        return found
    samples, margin, taps = found.samples.copy(), found.margin.copy(), found.taps.copy()
    for start in range(0, first.size, PAIRS):
        one = first[start : start + PAIRS]
        both = np.stack([one, partner[one]])
        samples[both], margin[both], taps[both] = search_pairs(found.model, responses[both], found.fft_size)
    return replace(found, samples=samples, margin=margin, taps=taps)


def in_doubt(margin: Float[np.ndarray, "pattern"]) -> Bool[np.ndarray, "pattern"]:
    """As few as possible, such that on average hardly any of the others is wrong.

    A decision is wrong with a chance of about exp(-margin). Fewest are left out where all above one threshold are kept
    (Forney 1968, erasures), which is the least that keeps the mean chance below `WRONG`.
    """
    chance = np.exp(-margin)
    order = np.argsort(chance)
    sure = np.searchsorted(np.cumsum(chance[order]) / np.arange(1, margin.size + 1), WRONG, side="right")
    doubtful = margin < MIN_MARGIN
    doubtful[order[:sure]] = False
    return doubtful
