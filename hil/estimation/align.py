"""The unknown start of each capture, resolved for a whole sweep at once.

Every sounding of a sweep shows direct + S V at its own integer advance (`hil.phy.sync`), with phases of the LOs that
hold. What all soundings share is their statistics: over the patterns, the surface's part is a zero-mean Gaussian vector
of delays, the direct part its mean. So the advance of a sounding is the one under which it is most likely, and mean and
covariance are those of the advanced soundings: both are found in turns, first with the mean delay profile alone (which
needs no phase), then with the full covariance. Where one of two complements is in doubt, both are resolved together:
their half-sum is the direct channel, whatever the surface does. What stays in doubt is marked, never guessed.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import MeasurementError
from hil.phy.sync import advance, correlate
from hil.phy.taps import DelayBasis, delay_profile, place_window

SUBSET = 512  # soundings that mean and covariance are learnt from
CHUNK = 256  # soundings scored at once: bounds the memory
CANDIDATES = 16  # advances that are tried together with as many of the complement
MIN_MARGIN = float(np.log(1e5))  # log-likelihood ratio to the second best advance, below it a sounding is ambiguous
MAX_TURNS = 20
REACH_TAPS, CENTRED_BY = 4, 64  # how far the window may move once all soundings are aligned, and by how many of them
LEARNING_SNR = 10.0, 100.0  # highest SNR of a subcarrier that the model believes, while learning and afterwards
QUIETEST_SNR = 0.02  # of a subcarrier, over the whole sweep: below it there is no pilot to align


@dataclass(frozen=True)
class DelayModel:
    """What the soundings of a sweep have in common, in the coordinates of a delay basis.

    mean: the direct channel. covariance: of the surface's part. noise_var: on one subcarrier, misfit included.
    """

    basis: DelayBasis
    mean: Complex[np.ndarray, "tap"]
    covariance: Complex[np.ndarray, "tap tap"]
    noise_var: float

    @classmethod
    def fit(
        cls, basis: DelayBasis, responses: Complex[np.ndarray, "pattern subcarrier"], noise_var: float
    ) -> "DelayModel":
        """Mean and covariance of aligned responses, the noise's share taken out.

        Few soundings would confirm any alignment of themselves, so the covariance is drawn towards white.
        """
        taps = basis.project(responses)
        mean = taps.mean(axis=0)
        spread = (taps - mean).T @ (taps - mean).conj() / len(taps)
        outside = (_energy(responses) - _energy(taps)).mean() / (responses.shape[1] - basis.num_taps)
        floor = max(noise_var, float(outside))
        power, vectors = np.linalg.eigh(spread)
        power = np.maximum(power - floor, 0)
        white = 1 / (1 + (len(taps) / (2 * basis.num_taps)) ** 2)
        power = (1 - white) * power + white * power.mean()
        return cls(basis, mean, (vectors * power) @ vectors.conj().T, floor)

    def log_likelihood(
        self, responses: Complex[np.ndarray, "pattern subcarrier"], fft_size: int
    ) -> Float[np.ndarray, "pattern shift"]:
        """Of each response at each advance, up to a constant of the response."""
        power, vectors = np.linalg.eigh(self.covariance)
        total = np.maximum(power, 0) + self.noise_var
        matched = self._filter(vectors @ (vectors.conj().T @ self.mean / total))
        score = 2 * correlate(responses, matched.astype(responses.dtype), fft_size).real
        for j in np.flatnonzero(power > 1e-2 * self.noise_var):
            coordinate = correlate(responses, self._filter(vectors[:, j]).astype(responses.dtype), fft_size)
            weight = score.dtype.type(1 / self.noise_var - 1 / total[j])
            score += weight * (coordinate.real**2 + coordinate.imag**2)
        return np.asarray(score)

    def pair_log_likelihood(
        self, taps: Complex[np.ndarray, "*#batch tap"], complements: Complex[np.ndarray, "*#batch tap"]
    ) -> Float[np.ndarray, "..."]:
        """Of both soundings of a pair together, up to a constant; broadcasts.

        With x = direct + surface and y = direct - surface, x + y holds no surface and x - y no direct channel.
        """
        power, vectors = np.linalg.eigh(self.covariance)
        both = (taps + complements) / np.sqrt(2) - np.sqrt(2) * self.mean
        apart = ((taps - complements) / np.sqrt(2)) @ vectors.conj()
        weight = 1 / (2 * np.maximum(power, 0) + self.noise_var)
        inside = (_energy(taps) + _energy(complements) - _energy(both)) / self.noise_var
        return np.asarray(inside - (np.abs(apart) ** 2) @ weight)

    def _filter(self, coordinates: Complex[np.ndarray, "tap"]) -> Complex[np.ndarray, "subcarrier"]:
        """The response whose inner product with a measured one is that of `coordinates` with its projection."""
        return np.asarray(self.basis.projector.conj().T @ coordinates)


@dataclass(frozen=True)
class Alignment:
    """The advance that brings each sounding to the sweep's common reference.

    samples: of the oversampled grid, in [0, fft_size).
    margin: log-likelihood ratio between the best advance and the second best.
    """

    model: DelayModel
    fft_size: int
    samples: Int[np.ndarray, "pattern"]
    margin: Float[np.ndarray, "pattern"]

    @property
    def ambiguous(self) -> Bool[np.ndarray, "pattern"]:
        """Soundings whose advance is in doubt: to be retaken."""
        return np.asarray(self.margin < MIN_MARGIN)

    def project(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> Complex[np.ndarray, "pattern tap"]:
        """The responses at the common reference, in the coordinates of the model's basis."""
        parts = [slice(start, start + CHUNK) for start in range(0, len(responses), CHUNK)]
        aligned = (advance(responses[part], self.samples[part], self.fft_size) for part in parts)
        return np.concatenate([self.model.basis.project(part) for part in aligned])

    def locate(self, responses: Complex[np.ndarray, "pattern subcarrier"]) -> "Alignment":
        """The same reference for other soundings that the radio took at the same LO phases."""
        return _locate(self.model, responses, self.fft_size)

    def retaken(self, which: Int[np.ndarray, "retake"], again: "Alignment") -> "Alignment":
        """With soundings `which` taken once more, and located as `again`."""
        samples, margin = self.samples.copy(), self.margin.copy()
        samples[which], margin[which] = again.samples, again.margin
        return replace(self, samples=samples, margin=margin)


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
    _require_signal(responses, level, int(used.sum()))
    basis = DelayBasis.build(used, -1.0, float(num_taps))
    subset = np.random.default_rng(0).permutation(len(responses))[:SUBSET]
    model = _learn(basis, responses[subset], level, fft_size, num_taps)
    found = _locate(model, responses, fft_size)
    return found if partner is None else _resolve_pairs(found, responses, partner)


def _require_signal(responses: Complex[np.ndarray, "pattern subcarrier"], noise_var: float, num_used: int) -> None:
    snr = float(_energy(responses).mean()) / num_used / noise_var - 1
    if snr < QUIETEST_SNR:
        raise MeasurementError(
            f"the receiver hears no pilot: {snr:.3f} of the noise's power on a subcarrier; check cables and antennas, "
            "power.radiated_power_dbm, radio.rx_gain_db and ofdm.repetitions"
        )


def _learn(
    basis: DelayBasis,
    responses: Complex[np.ndarray, "pattern subcarrier"],
    noise_var: float,
    fft_size: int,
    num_taps: int,
) -> DelayModel:
    """The model of a subset. It is learnt as if it were noisier: without noise, any alignment is certain of itself."""
    power = float(_energy(responses).mean()) / responses.shape[1]
    learning, knowing = (max(noise_var, power / snr) for snr in LEARNING_SNR)
    samples, profile = _align_profiles(delay_profile(responses, fft_size), learning * responses.shape[1])
    length = round(num_taps * fft_size / responses.shape[1])
    samples = (samples + place_window(profile, length)) % fft_size
    for _ in range(MAX_TURNS):
        model = DelayModel.fit(basis, advance(responses, samples, fft_size), learning)
        before, samples = samples, model.log_likelihood(responses, fft_size).argmax(axis=1)
        if np.array_equal(before, samples):
            break
    samples = samples + _recentre(basis, advance(responses, samples, fft_size), fft_size)
    return DelayModel.fit(basis, advance(responses, samples, fft_size), knowing)


def _recentre(basis: DelayBasis, aligned: Complex[np.ndarray, "pattern subcarrier"], fft_size: int) -> int:
    """Common advance with which the basis holds most of the energy.

    The delay profile alone cannot tell: the sidelobes of its strongest delay hide the weak ones at the window's end.
    """
    reach = int(REACH_TAPS * fft_size / aligned.shape[1])
    shifts = np.arange(-reach, reach + 1)
    some = aligned[:: -(-len(aligned) // CENTRED_BY)]
    held = [float(_energy(basis.project(advance(some, np.asarray(shift), fft_size))).sum()) for shift in shifts]
    return int(shifts[np.argmax(held)])


def _align_profiles(
    profiles: Float[np.ndarray, "pattern delay"], floor: float
) -> tuple[Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Advances by power alone, as if all delays were independent Gaussians, and the mean profile.

    Starts from soundings of several strengths and keeps the likeliest outcome.
    """
    spectra = np.fft.rfft(profiles, axis=1)
    rank = np.argsort(profiles.sum(axis=1))
    starts = profiles[rank[[-1, -len(rank) // 4, len(rank) // 2]]]
    outcomes = [_climb_profiles(profiles, spectra, _smooth(start), floor) for start in starts]
    _, samples, profile = max(outcomes, key=lambda outcome: outcome[0])
    return samples, profile


def _climb_profiles(
    profiles: Float[np.ndarray, "pattern delay"],
    spectra: Complex[np.ndarray, "pattern bin"],
    profile: Float[np.ndarray, "delay"],
    floor: float,
) -> tuple[float, Int[np.ndarray, "pattern"], Float[np.ndarray, "delay"]]:
    """Log-likelihood, advances and mean profile from one start."""
    size = profiles.shape[1]
    samples = np.full(len(profiles), -1)
    for _ in range(MAX_TURNS):
        expected = np.maximum(profile, floor)
        misfit = np.fft.irfft(spectra * np.fft.rfft(1 / expected).conj(), n=size, axis=1)
        before, samples = samples, misfit.argmin(axis=1)
        index = (np.arange(size) + samples[:, None]) % size
        profile = np.take_along_axis(profiles, index, axis=1).mean(axis=0)
        if np.array_equal(before, samples):
            break
    likelihood = -misfit.min(axis=1).sum() - len(profiles) * np.log(expected).sum()
    return float(likelihood), samples, profile


def _smooth(profile: Float[np.ndarray, "delay"], width: int = 9) -> Float[np.ndarray, "delay"]:
    """Circular running mean: one sounding's fades are not the mean profile's."""
    return np.asarray(np.mean([np.roll(profile, shift - width // 2) for shift in range(width)], axis=0))


def _locate(model: DelayModel, responses: Complex[np.ndarray, "pattern subcarrier"], fft_size: int) -> Alignment:
    samples = np.empty(len(responses), dtype=int)
    margin = np.empty(len(responses))
    for start in range(0, len(responses), CHUNK):
        part = slice(start, start + CHUNK)
        score = model.log_likelihood(responses[part], fft_size)
        second, best = np.sort(np.partition(score, -2, axis=1)[:, -2:], axis=1).T
        samples[part], margin[part] = score.argmax(axis=1), best - second
    return Alignment(model, fft_size, samples, margin)


def _resolve_pairs(
    found: Alignment, responses: Complex[np.ndarray, "pattern subcarrier"], partner: Int[np.ndarray, "pattern"]
) -> Alignment:
    """Soundings in doubt once more, together with their complements."""
    doubtful = found.ambiguous & (partner >= 0)
    first = np.flatnonzero(doubtful | doubtful[partner])
    first = first[partner[first] > first]
    samples, margin = found.samples.copy(), found.margin.copy()
    for start in range(0, first.size, CHUNK // 8):
        one = first[start : start + CHUNK // 8]
        both = np.stack([one, partner[one]])
        samples[both], margin[both] = _best_of_pairs(found.model, responses[both], found.fft_size)
    return replace(found, samples=samples, margin=margin)


def _best_of_pairs(
    model: DelayModel, responses: Complex[np.ndarray, "2 pair subcarrier"], fft_size: int
) -> tuple[Int[np.ndarray, "2 pair"], Float[np.ndarray, "2 pair"]]:
    """Best advances of pairs among each one's likeliest, and the margin of each."""
    _, pairs, num_subcarriers = responses.shape
    score = model.log_likelihood(responses.reshape(-1, num_subcarriers), fft_size)
    candidates = np.argpartition(score, -CANDIDATES, axis=1)[:, -CANDIDATES:].reshape(2, pairs, CANDIDATES)
    taps = model.basis.project(advance(responses[:, :, None], candidates, fft_size))
    joint = model.pair_log_likelihood(taps[0][:, :, None], taps[1][:, None, :])
    single = np.stack([joint.max(axis=2), joint.max(axis=1)])
    second, best = np.sort(np.partition(single, -2, axis=2)[..., -2:], axis=2).transpose(2, 0, 1)
    chosen = np.take_along_axis(candidates, single.argmax(axis=2)[..., None], axis=2)[..., 0]
    return np.asarray(chosen), best - second


def _energy(values: Complex[np.ndarray, "*batch last"]) -> Float[np.ndarray, "*batch"]:
    return np.asarray((values.real**2 + values.imag**2).sum(axis=-1))
