"""Where a sounding lies, told in few numbers: one product with its samples, everything after it small.

A response's delays lie close together, so their centroid says roughly where it begins. Advanced by that much, it is
projected once on a window of delays wide enough for every finer advance; advance and projection on the channel's own
window are then one small matrix for each advance.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.delay_model import DelayModel
from hil.phy.taps import DelayBasis, delay_span, gap_ridge

# Margin of the wide window on either side in taps, for basis functions leak out of their own, and its tolerance:
# what is lost of a coordinate is below 5e-4 of its noise, and below 2e-3 where gaps amplify it.
WHOLE_BAND, WITH_GAPS = (2.0, 1e-4), (3.0, 1e-5)
ROWS, CELLS = 128, 1 << 19  # projected at once; scored at once


def centroids(responses: Complex[np.ndarray, "pattern subcarrier"]) -> Float[np.ndarray, "pattern"]:
    """Circular mean of each response's delays, weighted by power, in taps: the phase from subcarrier to subcarrier."""
    lag = np.vecdot(responses[:, :-1], responses[:, 1:])
    return np.asarray(-np.angle(lag) * responses.shape[1] / (2 * np.pi))


def centroid_error(snr: float, num_subcarriers: int) -> float:
    """Standard deviation of a centroid that noise makes, in taps."""
    return float(np.sqrt((1 / snr + 1 / (2 * snr**2)) * num_subcarriers) / (2 * np.pi))


@dataclass(frozen=True)
class Lags:
    """Advances of -reach..reach samples in the coordinates of a wide window of delays.

    wide: complex64[subcarrier, lag], orthonormal. transfer: complex64[advance, lag, tap], to the basis's coordinates.
    """

    basis: DelayBasis
    reach: int
    fft_size: int
    wide: Complex[np.ndarray, "subcarrier lag"]
    transfer: Complex[np.ndarray, "advance lag tap"]

    @classmethod
    def build(
        cls, used: Bool[np.ndarray, "subcarrier"], first: float, last: float, fft_size: int, reach: int
    ) -> "Lags":
        """For the basis of the delays from `first` to `last` taps, finer advances up to `reach` samples. Costs two
        eigenvalue problems, once. used: of a band without guards."""
        return _build(used.tobytes(), first, last, fft_size, reach)

    def coordinates(
        self, responses: Complex[np.ndarray, "pattern subcarrier"], rough: Int[np.ndarray, "pattern"]
    ) -> Complex[np.ndarray, "pattern lag"]:
        """Inner products of the roughly advanced responses (zero on unused subcarriers) with the wide window's."""
        ramps, index = _ramps(len(self.wide), self.fft_size), rough % self.fft_size
        window, found = self.wide.conj(), np.empty((len(responses), self.wide.shape[1]), dtype=np.complex64)
        for rows in _parts(len(responses), ROWS):
            found[rows] = (responses[rows] * ramps[index[rows]]) @ window
        return found

    def taps(
        self, coordinates: Complex[np.ndarray, "pattern lag"], fine: Int[np.ndarray, "pattern"]
    ) -> Complex[np.ndarray, "pattern tap"]:
        """What the basis holds of soundings that are advanced by `fine` samples more."""
        found = np.empty((len(coordinates), self.basis.num_taps), dtype=np.complex64)
        for advance in np.unique(fine):
            rows = np.flatnonzero(fine == advance)
            found[rows] = coordinates[rows] @ self.transfer[advance + self.reach]
        return found

    def log_likelihood(
        self, model: DelayModel, coordinates: Complex[np.ndarray, "pattern lag"], reach: int
    ) -> Float[np.ndarray, "pattern advance"]:
        """Of each sounding at each advance of -reach..reach samples, up to a constant of the sounding."""
        matched, scaled = model.filters()
        transfer = self.transfer[self.reach - reach : self.reach + reach + 1]
        advances, lags, _ = transfer.shape
        filters = np.concatenate([scaled, matched[:, None]], axis=1).conj().astype(np.complex64)
        bank = (transfer @ filters).transpose(1, 0, 2).reshape(lags, -1)
        score = np.empty((len(coordinates), advances), dtype=np.float32)
        for rows in _parts(len(coordinates), CELLS // bank.shape[1]):
            seen = (coordinates[rows] @ bank).reshape(-1, advances, filters.shape[1])
            squares = seen[..., :-1].reshape(len(seen), advances, scaled.shape[1])
            score[rows] = np.vecdot(squares, squares).real + 2 * seen[..., -1].real
        return score


@lru_cache(maxsize=16)
def _build(used: bytes, first: float, last: float, fft_size: int, reach: int) -> Lags:
    mask = np.frombuffer(used, dtype=bool)
    basis = DelayBasis.build(mask, first, last)
    margin_taps, tolerance = WITH_GAPS if gap_ridge(mask) else WHOLE_BAND
    further = reach * mask.size / fft_size + margin_taps
    wide = delay_span(mask.size, first - further, last + further, tolerance=tolerance)
    k = np.arange(mask.size) - mask.size // 2
    ramps = np.exp(2j * np.pi / fft_size * np.outer(np.arange(-reach, reach + 1), k))
    projector = np.linalg.solve(basis.gram, basis.basis.conj().T)  # responses are zero where `used` is not
    transfer = ((projector * ramps[:, None]) @ wide).transpose(0, 2, 1)
    return Lags(basis, reach, fft_size, wide.astype(np.complex64), np.ascontiguousarray(transfer.astype(np.complex64)))


@lru_cache(maxsize=2)
def _ramps(num_subcarriers: int, fft_size: int) -> Complex[np.ndarray, "advance subcarrier"]:
    """What each advance multiplies a response by."""
    k = np.arange(num_subcarriers) - num_subcarriers // 2
    circle = np.exp(2j * np.pi / fft_size * np.arange(fft_size)).astype(np.complex64)
    return np.asarray(circle[np.outer(np.arange(fft_size), k) % fft_size])


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, max(size, 1))]
