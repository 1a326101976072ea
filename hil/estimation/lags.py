"""Where a sounding lies, told in few numbers: one product with its samples, everything after it small.

A response's delays lie close together, so their centroid says roughly where it begins. Advanced by that much, it is
projected once on a window of delays wide enough for every finer advance; advance and projection on the channel's own
window are then one small matrix for each advance. The wide window is seen by parts of the band first, each of which
tells few delays apart, all parts the same few: half of the arithmetic.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.estimation.delay_model import DelayModel
from hil.phy.taps import DelayBasis, delay_span

# The wide window is cut out of delays with this margin on either side in taps, for basis functions leak out of their
# own; direction of it, relative to the strongest, that is kept: of a coordinate less than 1e-3 of its noise is lost.
MARGIN_TAPS, TOLERANCE, LEAST_TOLD = 3.0, 1e-5, 1e-3
ROWS, CELLS = 256, 1 << 17  # projected at once; scored at once
PART = 50  # subcarriers of a part of the band, about
FAINTEST = 2e-3  # direction of a part, relative to the strongest, that is kept: what is lost is below the above


def told_by_neighbours(
    responses: Complex[np.ndarray, "pattern subcarrier"],
) -> tuple[Float[np.ndarray, "pattern"], Float[np.ndarray, "pattern"]]:
    """Energy of each response, and the circular mean of its delays weighted by power, in taps: the phase from one
    subcarrier to the next."""
    strength, lag = np.empty(len(responses)), np.empty(len(responses), dtype=complex)
    for rows in _parts(len(responses), ROWS // 2):  # which the cache holds for both
        some = responses[rows]
        strength[rows], lag[rows] = np.vecdot(some, some).real, np.vecdot(some[:, :-1], some[:, 1:])
    return strength, -np.angle(lag) * responses.shape[1] / (2 * np.pi)


def centroid_error(snr: float, num_subcarriers: int) -> float:
    """Standard deviation of a centroid that noise makes, in taps."""
    return float(np.sqrt((1 / snr + 1 / (2 * snr**2)) * num_subcarriers) / (2 * np.pi))


@dataclass(frozen=True)
class Lags:
    """Advances of -reach..reach samples in the coordinates of a wide window of delays.

    part: complex64[subcarrier of a part, direction], what each part of the band is projected on. parts: complex64[part
    and direction, lag], from there to an orthonormal wide window. transfer: complex64[advance, lag, tap], to the
    basis's coordinates.
    """

    basis: DelayBasis
    reach: int
    fft_size: int
    part: Complex[np.ndarray, "_ direction"]
    parts: Complex[np.ndarray, "_ lag"]
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
        (size, num_directions), num_subcarriers = self.part.shape, responses.shape[1]
        ramps, index = _ramps(num_subcarriers, self.fft_size), rough % self.fft_size
        found = np.empty((len(responses), self.parts.shape[1]), dtype=np.complex64)
        whole = np.zeros((ROWS, len(self.parts) // num_directions * size), dtype=np.complex64)  # of whole parts
        ramp = np.empty((ROWS, num_subcarriers), dtype=np.complex64)
        for rows in _parts(len(responses), ROWS):
            some = responses[rows]
            aligned = whole[: len(some)]
            turned = np.take(ramps, index[rows], axis=0, out=ramp[: len(some)], mode="clip")
            np.multiply(some, turned, out=aligned[:, :num_subcarriers], casting="same_kind")
            found[rows] = (aligned.reshape(-1, size) @ self.part).reshape(len(some), -1) @ self.parts
        return found

    def taps(
        self, coordinates: Complex[np.ndarray, "pattern lag"], fine: Int[np.ndarray, "pattern"]
    ) -> Complex[np.ndarray, "pattern tap"]:
        """What the basis holds of soundings that are advanced by `fine` samples more."""
        found = np.empty((len(coordinates), self.transfer.shape[2]), dtype=np.complex64)
        for advance in np.unique(fine):
            rows = np.flatnonzero(fine == advance)
            found[rows] = coordinates[rows] @ self.transfer[advance + self.reach]
        return found

    def log_likelihood(
        self, model: DelayModel, coordinates: Complex[np.ndarray, "pattern lag"], reach: int
    ) -> Float[np.ndarray, "pattern advance"]:
        """Of each sounding at each advance of -reach..reach samples, up to a constant of the sounding."""
        matched, scaled = model.filters
        transfer = self.transfer[self.reach - reach : self.reach + reach + 1]
        advances, lags, num_taps = transfer.shape
        filters = np.concatenate([scaled, matched[:, None]], axis=1).conj().astype(np.complex64)
        banks = (transfer.reshape(-1, num_taps) @ filters).reshape(advances, lags, -1)
        bank = banks.transpose(1, 0, 2).reshape(lags, -1)
        score = np.empty((len(coordinates), advances), dtype=np.float32)
        for rows in _parts(len(coordinates), CELLS // bank.shape[1]):
            seen = (coordinates[rows] @ bank).reshape(-1, advances, filters.shape[1])
            parts = seen.view(np.float32)[..., :-2]
            score[rows] = np.einsum("nad,nad->na", parts, parts) + 2 * seen[..., -1].real
        return score


@lru_cache(maxsize=16)
def _build(used: bytes, first: float, last: float, fft_size: int, reach: int) -> Lags:
    mask = np.frombuffer(used, dtype=bool)
    basis = DelayBasis.build(mask, first, last)
    further = reach * mask.size / fft_size + MARGIN_TAPS
    window = delay_span(mask.size, first - further, last + further, tolerance=TOLERANCE)
    k = np.arange(mask.size) - mask.size // 2
    ramps = np.exp(2j * np.pi / fft_size * np.outer(np.arange(-reach, reach + 1), k))
    projector = np.linalg.solve(basis.gram, basis.basis.conj().T)  # responses are zero where `used` is not
    told = (projector * ramps[:, None]) @ window
    asked = _strongest(told.reshape(-1, window.shape[1]))
    transfer = np.ascontiguousarray((told @ asked).transpose(0, 2, 1), dtype=np.complex64)
    return Lags(basis, reach, fft_size, *by_parts((window @ asked).conj()), transfer)


def _strongest(asked: Complex[np.ndarray, "_ lag"]) -> Complex[np.ndarray, "lag direction"]:
    """Directions of the rows of a matrix, those left out that hardly any holds."""
    squares, vectors = np.linalg.eigh(asked.conj().T @ asked)
    return np.asarray(vectors[:, squares > LEAST_TOLD**2 * squares[-1]])


def by_parts(
    window: Complex[np.ndarray, "subcarrier lag"],
) -> tuple[Complex[np.ndarray, "_ direction"], Complex[np.ndarray, "_ lag"]]:
    """A matrix as the product of one that is the same for each part of its rows, and a smaller one."""
    num_parts = max(round(len(window) / PART), 1)
    size = -(-len(window) // num_parts)
    padded = np.pad(window, ((0, num_parts * size - len(window)), (0, 0))).reshape(num_parts, size, -1)
    directions, strength, _ = np.linalg.svd(padded.transpose(1, 0, 2).reshape(size, -1), full_matrices=False)
    kept = np.ascontiguousarray(directions[:, strength > FAINTEST * strength[0]])
    parts = (kept.conj().T @ padded).reshape(-1, window.shape[1])
    return kept.astype(np.complex64), parts.astype(np.complex64)


@lru_cache(maxsize=2)
def _ramps(num_subcarriers: int, fft_size: int) -> Complex[np.ndarray, "advance subcarrier"]:
    """What each advance multiplies a response by."""
    k = np.arange(num_subcarriers) - num_subcarriers // 2
    circle = np.exp(2j * np.pi / fft_size * np.arange(fft_size)).astype(np.complex64)
    return np.asarray(circle[np.outer(np.arange(fft_size), k) % fft_size])


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, max(size, 1))]
