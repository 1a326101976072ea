"""The unknown start of each capture, resolved for a whole sweep at once.

Every sounding of a sweep shows direct + S V at its own integer advance (`hil.phy.sync`), with phases of the LOs that
hold. What all soundings share is their statistics: over the patterns, the surface's part is a zero-mean Gaussian vector
of delays, the direct part its mean. So the advance of a sounding is the one under which it is most likely, and mean and
covariance are those of the advanced soundings: both are found in turns, first with the mean delay profile alone (which
needs no phase), then with the full covariance (`hil.estimation.start_search`). What stays in doubt is marked, never
guessed (`hil.estimation.alignment`).

Guards tell nothing: soundings are aligned as those of the narrower band between them, whose taps are longer.
"""

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import MeasurementError
from hil.estimation.alignment import Alignment, resolve_pairs
from hil.estimation.delay_model import DelayModel, energy
from hil.estimation.lags import centroid_error, told_by_neighbours
from hil.estimation.start_search import REACH_TAPS, StartSearch
from hil.phy.sync import advance
from hil.phy.taps import band_of, guards_of

TOGETHER = 64  # soundings that share their start, projected at once
PAIR_TURNS = 2  # of resolving pairs: what the first one makes sure tells the mean to the second
SUBSET = 512  # soundings that mean and covariance are learnt from
ROUGHEST_TAPS = 2.0  # error of a centroid by noise, above which it tells nothing
LEARNING_SNR, KNOWING_SNR = 10.0, 100.0  # highest SNR of a subcarrier that the model believes, learning and afterwards
QUIETEST_SNR = 0.02  # of a subcarrier, over the whole sweep: below it there is no pilot to align


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
    guards, band = guards_of(used), band_of(used)
    responses, num_inside = responses[:, band], num_taps * used[band].size / used.size
    used = used[band]
    strength, places = told_by_neighbours(responses)
    snr, *believed = _levels(strength, noise_var, used)
    sweep = StartSearch(responses, strength, places, used, fft_size, num_inside, *believed)
    learnt = learning_subset(len(responses))
    told = centroid_error(snr, used.size) < ROUGHEST_TAPS
    found = sweep.near_power(learnt) if told else sweep.anywhere(learnt)
    if partner is not None:
        for _ in range(PAIR_TURNS):
            found = resolve_pairs(found.with_mean_of_sure(partner), responses, partner)
    return found.between(guards)


def prepare(*, used: Bool[np.ndarray, "subcarrier"], fft_size: int, num_taps: int) -> None:
    """Build the tables that aligning such a sweep takes whatever it shows, so that they are there when it ends."""
    none = np.empty((0, used[band_of(used)].size), dtype=np.complex64)
    sweep = _bare_search(none, used, fft_size, num_taps)
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
    """The same of soundings that are known to share their start: `Together`, of all at once."""
    return Together(responses, used=used, fft_size=fft_size, num_taps=num_taps).alignment(noise_var)


class Together:
    """Aligns soundings that are known to share their start, while they come: the first ones tell where the window of
    delays lies. So much less noise is needed, and nothing is in doubt."""

    def __init__(
        self,
        responses: Complex[np.ndarray, "pattern subcarrier"],
        *,
        used: Bool[np.ndarray, "subcarrier"],
        fft_size: int,
        num_taps: int,
    ) -> None:
        """responses: room for all of them; `there` tells which of them stand in it."""
        self.responses, self._used, self._fft_size, self._num_taps = responses, used, fft_size, num_taps
        self._projector: Complex[np.ndarray, "subcarrier tap"] | None = None
        self._num_there = 0

    def there(self, count: int) -> None:
        """The first `count` are what they will be. They are taken in whole groups, whatever the pieces in which they
        come."""
        if self._projector is None:
            if count < min(SUBSET, len(self.responses)):
                return
            self._place()
        responses, step = self.responses[:, band_of(self._used)], TOGETHER
        for start in range(self._num_there, count if count == len(responses) else count - step + 1, step):
            rows = slice(start, start + step)
            self._taps[rows] = responses[rows] @ self._projector
            self._strength[rows] = energy(responses[rows])
            self._num_there = min(rows.stop, len(responses))

    def alignment(self, noise_var: Float[np.ndarray, "pattern"]) -> Alignment:
        """Of all of them. noise_var: of each. Raises MeasurementError where they hold no signal."""
        self.there(len(self.responses))
        count, used = len(self.responses), self._used[band_of(self._used)]
        _, _, noise = _levels(self._strength, noise_var, used)
        learnt = learning_subset(count)
        taps = self._taps[learnt]
        model = DelayModel.fit(self._basis, taps, self._strength[learnt] - energy(taps), noise)
        everywhere, sure = np.full(count, self._start), np.full(count, np.inf)
        return Alignment(model, self._fft_size, everywhere, sure, self._taps).between(guards_of(self._used))

    def _place(self) -> None:
        first = self.responses[:SUBSET, band_of(self._used)]
        search = _bare_search(first, self._used, self._fft_size, self._num_taps)
        self._basis, self._start = search.common_start()
        advanced = advance(self._basis.projector, np.asarray(self._start), self._fft_size)
        self._projector = advanced.T.astype(first.dtype)
        self._taps = np.empty((len(self.responses), self._basis.num_taps), dtype=first.dtype)
        self._strength = np.empty(len(self.responses))


def _bare_search(
    responses: Complex[np.ndarray, "pattern inside"],
    used: Bool[np.ndarray, "subcarrier"],
    fft_size: int,
    num_taps: int,
) -> StartSearch:
    """Of soundings between their guards, for what depends neither on their strength and places nor on their noise."""
    within, unknown = used[band_of(used)], np.zeros(len(responses))
    taps = num_taps * within.size / used.size
    return StartSearch(responses, unknown, unknown, within, fft_size, taps, 1.0, 1.0)


def learning_subset(count: int) -> Int[np.ndarray, "learnt"]:
    """Which of so many soundings mean and covariance are learnt from: spread over all of them, the same each time."""
    return np.random.default_rng(0).permutation(count)[:SUBSET]


def _levels(
    strength: Float[np.ndarray, "pattern"], noise_var: Float[np.ndarray, "pattern"], used: Bool[np.ndarray, "inside"]
) -> tuple[float, float, float]:
    """SNR of a subcarrier, and the noise that the model believes: learning, and afterwards.

    strength: energy of each sounding. Raises MeasurementError where they hold no signal.
    """
    level, power = max(float(np.median(noise_var)), float(np.finfo(float).tiny)), float(strength.mean())
    snr = power / int(used.sum()) / level - 1
    if snr < QUIETEST_SNR:
        raise MeasurementError(
            f"the receiver hears no pilot: {snr:.3f} of the noise's power on a subcarrier; check cables and antennas, "
            "power.radiated_power_dbm, radio.rx_gain_db and ofdm.repetitions"
        )
    learning, knowing = (max(level, power / len(used) / most) for most in (LEARNING_SNR, KNOWING_SNR))
    return snr, learning, knowing
