"""How the soundings of a sweep lie: the advance of each, and which of these are in doubt.

Where one of two complements is in doubt, both are resolved together: their half-sum is the direct channel, whatever the
surface does. What stays in doubt is marked, never guessed.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.exhaustive import search, search_pairs

PAIRS = 32  # resolved at once: bounds the memory
MIN_MARGIN = float(np.log(1e5))  # log-likelihood ratio to the second best advance, with which one is sure by itself
WRONG = 2e-6  # share of wrong ones among the others: a model that these taught is two to five times too sure of itself


@dataclass(frozen=True)
class Alignment:
    """The advance that brings each sounding to the sweep's common reference.

    samples: of the oversampled grid, in [0, fft_size).
    margin: log-likelihood ratio between the best advance and the second best.
    taps: the soundings at the common reference, in the coordinates of the model's basis.
    noise_var: of each of these on a subcarrier; None where it is as sounded.
    """

    model: DelayModel
    fft_size: int
    samples: Int[np.ndarray, "pattern"]
    margin: Float[np.ndarray, "pattern"]
    taps: Complex[np.ndarray, "pattern tap"]
    noise_var: Float[np.ndarray, "pattern"] | None = None

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

    def with_mean_of_sure(self, partner: Int[np.ndarray, "pattern"]) -> "Alignment":
        """With mean and spread of the half-sums of those pairs of which both are sure.

        Half-sums are held to the mean, which is off by a lot where one of few soundings lies wrong. With less than two
        such pairs, as if all soundings lay anywhere.
        """
        sure = (self.margin >= MIN_MARGIN) & (partner >= 0)
        one = np.flatnonzero(sure & sure[partner] & (partner > np.arange(partner.size)))
        if one.size < 2:
            spread = 4 * float(np.mean(np.abs(self.taps) ** 2)) / len(self.taps)
            return replace(self, model=replace(self.model, half_sum_var=spread))
        half = (self.taps[one] + self.taps[partner[one]]) / 2
        mean = half.mean(axis=0)
        spread = 2 * float(energy(half - mean).sum()) / (mean.size * (one.size - 1)) - self.model.noise_var
        return replace(self, model=replace(self.model, mean=mean, half_sum_var=max(spread, 0.0)))

    def retaken(self, which: Int[np.ndarray, "retake"], again: "Alignment") -> "Alignment":
        """With soundings `which` taken once more, and located as `again`."""
        samples, margin, taps = self.samples.copy(), self.margin.copy(), self.taps.copy()
        samples[which], margin[which], taps[which] = again.samples, again.margin, again.taps
        return replace(self, samples=samples, margin=margin, taps=taps)


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
