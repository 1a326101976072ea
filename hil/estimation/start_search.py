"""Looks for the advances of a sweep's soundings, and learns what these have in common on the way.

A sounding's power over delay says to about a sample where it lies (`hil.estimation.profiles`), and only advances near
are scored (`hil.estimation.lags`). Where that is not sure to hold the best one, for a sounding or, in much noise, for
all, every advance is.
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.alignment import MIN_MARGIN, Alignment
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.exhaustive import learn_advances, margin_of, search
from hil.estimation.lags import Lags
from hil.estimation.profiles import MAX_TURNS, Comb, place_by_power
from hil.phy.sync import whole_samples
from hil.phy.taps import DelayBasis, delay_profile, place_window

REACH_TAPS, CENTRED_BY = 4, 64  # how far the window may move once all soundings are aligned, and by how many of them
LEARNING_TAPS = 3  # from where power places them, within which the likeliest advance is looked for
DOUBTED = 0.1  # share of the soundings that are learnt from, above which other advances are tried
SPREAD = 0.995  # share of the soundings that shall lie in reach of where power places them
POWER_MARGIN = 2 * MIN_MARGIN  # with which one is sure by power alone, on a comb's profile that has two points a delay
LEAST_REACH, BEYOND = 3, 2  # samples: reach of the scored advances is a multiple of that, and that beyond the spread
APART = 4  # samples, from which on power must tell two places apart
EDGE, SIGMAS = 2, 6.0


@dataclass(frozen=True)
class StartSearch:
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

    def common_start(self) -> tuple[DelayBasis, int]:
        """The one advance of all with which the basis holds most of the energy, and the basis."""
        lags, length = self.lags(REACH_TAPS * self.tap), round(self.num_taps * self.tap)
        start = place_window(delay_profile(self.responses, self.fft_size).mean(axis=0), length)
        fine = np.zeros(len(self.responses), dtype=int)
        coordinates = lags.coordinates(self.responses, fine + start)
        return lags.basis, (start + self._centre(lags, coordinates, fine)) % self.fft_size

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
