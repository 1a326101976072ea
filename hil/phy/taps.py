"""Channels whose delays lie in a window: the few dimensions that a measured response can have.

A path with a fractional delay leaks over all integer taps (a truncated DFT loses up to -15 dB of it), so the basis is
that of the responses themselves: the leading singular vectors of all delays in the window (discrete prolate spheroidal
sequences, Slepian 1978).

Guards are no part of the band: what lies beyond its edges, no delay foretells without multiplying the noise. Between
its edges the basis is orthonormal, so that white noise stays white; outside it is zero.
"""

from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Float
from hil.phy.sync import to_delays

GAP_RIDGE = 1e-3  # relative to a subcarrier's unit energy; bounds the noise that gaps inside the band would amplify
WHOLE = 0.98  # share of the band that is used, above which gaps amplify nothing


def delay_response(
    num_subcarriers: int, delay_taps: Float[np.ndarray, "path"]
) -> Complex[np.ndarray, "subcarrier path"]:
    """Response of unit paths; delays in taps of 1/B, fractional and negative ones included."""
    k = np.arange(num_subcarriers) - num_subcarriers // 2
    return np.asarray(np.exp(-2j * np.pi / num_subcarriers * np.outer(k, delay_taps)))


def guards_of(used: Bool[np.ndarray, "subcarrier"]) -> int:
    """Subcarriers at each edge that carry nothing. Raises ValueError where none is used."""
    if not used.any():
        raise ValueError("no subcarrier is used")
    return int(min(used.argmax(), used[::-1].argmax()))


def band_of(used: Bool[np.ndarray, "subcarrier"]) -> slice:
    """The subcarriers between the guards: a symbol of fewer subcarriers with the same one in its middle."""
    guards = guards_of(used)
    return slice(guards, used.size - guards)


def gap_ridge(used: Bool[np.ndarray, "subcarrier"]) -> float:
    """Regularisation of least squares on the used subcarriers of a band: none where all but a few are."""
    return 0.0 if np.mean(used[band_of(used)]) > WHOLE else GAP_RIDGE


@dataclass(frozen=True)
class DelayBasis:
    """Orthonormal basis of the responses with delays in [first, last] taps, and the projection of measurements on it.

    basis: complex[subcarrier, tap], orthonormal over the band, unused subcarriers between its edges included (they are
        interpolated); zero on guards.
    projector: complex[tap, subcarrier], least squares on the used subcarriers, ridge where gaps need it.
    gram: complex[tap, tap], inner products of the basis over the used subcarriers, ridge included.
    first, last: in taps of 1/B, B the whole bandwidth.
    """

    basis: Complex[np.ndarray, "subcarrier tap"]
    projector: Complex[np.ndarray, "tap subcarrier"]
    gram: Complex[np.ndarray, "tap tap"]
    first: float
    last: float

    @classmethod
    def build(
        cls,
        used: Bool[np.ndarray, "subcarrier"],
        first: float,
        last: float,
        *,
        tolerance: float = 3e-3,
        ridge: float | None = None,
    ) -> "DelayBasis":
        """Basis of the window from `first` to `last` taps.

        tolerance: singular values below it (relative to the largest) are dropped; 3e-3 keeps 45 dB of any path inside.
        ridge: regularisation of the least squares; None: none where all but a few subcarriers of the band are used,
            else 1e-3.
        Raises ValueError for an empty window or one longer than the symbol.
        """
        num_subcarriers, guards = used.size, guards_of(used)
        if not 0 <= last - first < num_subcarriers:
            raise ValueError(f"no window from {first:g} to {last:g} taps in a symbol of {num_subcarriers}")
        if guards:
            share = 1 - 2 * guards / num_subcarriers  # taps of the band are longer
            band = cls.build(used[band_of(used)], share * first, share * last, tolerance=tolerance, ridge=ridge)
            return band.between(guards)
        basis = delay_span(num_subcarriers, first, last, tolerance=tolerance)
        ridge = gap_ridge(used) if ridge is None else ridge
        seen = basis * used[:, None]
        gram = seen.conj().T @ seen + ridge * np.eye(basis.shape[1])
        return cls(basis, np.linalg.solve(gram, seen.conj().T), gram, first, last)

    def between(self, guards: int) -> "DelayBasis":
        """The same in the middle of a wider symbol, which has so many more subcarriers at each edge."""
        beside = ((guards, guards), (0, 0))
        stretch = 1 + 2 * guards / len(self.basis)
        return replace(
            self,
            basis=np.pad(self.basis, beside),
            projector=np.pad(self.projector, beside[::-1]),
            first=stretch * self.first,
            last=stretch * self.last,
        )

    @property
    def num_taps(self) -> int:
        """Dimensions of the basis."""
        return int(self.basis.shape[1])

    @property
    def effective_taps(self) -> float:
        """Dimensions that the used subcarriers determine (trace of the projection): below `num_taps` under a ridge."""
        return float(np.einsum("tk,kt->", self.projector, self.basis).real)

    @property
    def determined(self) -> bool:
        """Whether the used subcarriers tell all of its dimensions; else what stands in gaps between them is made up."""
        return self.num_taps - self.effective_taps < 0.5

    @property
    def noise_gain(self) -> Float[np.ndarray, "tap"]:
        """Variance of each projected tap for unit noise variance on a subcarrier."""
        return np.asarray(np.sum(np.abs(self.projector) ** 2, axis=1))

    @property
    def leverage(self) -> Float[np.ndarray, "subcarrier"]:
        """Noise variance of a projected response on each subcarrier, for unit noise variance before."""
        return np.asarray(np.sum(np.abs(self.basis @ self.projector) ** 2, axis=1))

    def project(self, responses: Complex[np.ndarray, "*batch subcarrier"]) -> Complex[np.ndarray, "*batch tap"]:
        """Coordinates of responses measured on the used subcarriers (what stands on the others is ignored)."""
        return np.asarray(responses @ self.projector.T.astype(responses.dtype))

    def respond(self, taps: Complex[np.ndarray, "*batch tap"]) -> Complex[np.ndarray, "*batch subcarrier"]:
        """Responses of channels given by their coordinates, on all subcarriers but guards, on which they are zero."""
        return np.asarray(taps @ self.basis.T.astype(taps.dtype))


def delay_span(
    num_subcarriers: int, first: float, last: float, *, tolerance: float
) -> Complex[np.ndarray, "subcarrier tap"]:
    """Orthonormal basis of the responses with delays from `first` to `last` taps, strongest direction first.

    Left singular vectors by the smaller Gram matrix, faster than an SVD; their error is the machine's over the square
    of `tolerance`: without meaning from 1e-6 on.
    """
    columns = delay_response(num_subcarriers, np.linspace(first, last, 4 * int(np.ceil(last - first)) + 8))
    rows_are_fewer = len(columns) < columns.shape[1]
    gram = columns @ columns.conj().T if rows_are_fewer else columns.conj().T @ columns
    squares, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(squares > tolerance**2 * squares[-1])[::-1]
    if rows_are_fewer:
        return np.ascontiguousarray(vectors[:, kept])
    return np.asarray(columns @ (vectors[:, kept] / np.sqrt(squares[kept])))


def delay_profile(responses: Complex[np.ndarray, "*batch subcarrier"], size: int) -> Float[np.ndarray, "*batch delay"]:
    """Power over circular delay on `size` points of one symbol (K points: taps of 1/B). White noise adds K v."""
    delays = to_delays(responses, size)
    return np.asarray(delays.real**2 + delays.imag**2)


def place_window(profile: Float[np.ndarray, "delay"], length: int) -> int:
    """Start of the circular window of `length` points that holds the most energy."""
    wrapped = np.concatenate([[0.0], np.cumsum(np.concatenate([profile, profile[: length - 1]]))])
    return int(np.argmax(wrapped[length:] - wrapped[:-length]))
