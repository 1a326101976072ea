"""When a capture began, found from the changes in it of a surface whose patterns were sent at known times."""

import numpy as np

from hil.arrays import Complex, Float
from hil.errors import MeasurementError

CLOSE = 0.02  # of what changes add to the dwells: starts that are as good as the best one
SIGMAS = 8.0  # of noise, by which a change is one


def find_start(
    track: Complex[np.ndarray, "symbol tap"],
    planned: Float[np.ndarray, "pattern"],
    *,
    still: float,
    before: float,
    latest: float,
) -> float:
    """By how much the capture began late, in symbols: the least with which no change falls into a dwell.

    planned: starts of the dwells, of `still`, after the capture was asked for. before: by how much the change into a
    dwell precedes it at the most; until then the first one's neighbour, clearly another pattern, stood still.
    latest: of all starts. Raises MeasurementError where the first change is not where some start would have it.
    """
    spans = _Spans(track)
    late = np.arange(0.0, latest)[:, None]
    dwells = spans.scatter(planned - late, planned - late + still)
    per_start = dwells.mean(axis=1)
    noise = max(float(np.median(dwells[np.argmin(per_start)])), np.finfo(float).tiny)  # an idle ADC has none
    freedom = planned.size * track.shape[1] * max(still - 2, 1)
    fits = per_start <= noise * (1 + SIGMAS / np.sqrt(freedom)) + CLOSE * (per_start.max() - noise)
    head_end = planned[:1] - late - before
    fits &= spans.worst(head_end[:, 0], still) <= noise * (1 + SIGMAS / np.sqrt(track.shape[1] * max(still - 2, 1)))
    first = planned[:1] - late
    change = spans.apart((head_end - still, head_end), (first, first + still))[:, 0]
    sigmas = (change / noise - 1) * np.sqrt(track.shape[1])
    fits &= sigmas > SIGMAS
    if not fits.any():
        raise MeasurementError(
            "burst: no start of the capture fits what is heard (the first change stands "
            f"{float(sigmas.max()):.1f} sigma out of the noise, {SIGMAS:g} are needed); is the surface seen at all? "
            "Raise the power or ofdm.repetitions, or sweep in another mode"
        )
    return float(late[np.argmax(fits), 0])


class _Spans:
    """Means and scatters over the whole symbols within spans, by sums from the start of the capture."""

    def __init__(self, track: Complex[np.ndarray, "symbol tap"]) -> None:
        values = (track - track.mean(axis=0)).astype(complex)
        none = np.zeros((1, track.shape[1]))
        self._sums = np.concatenate([none, np.cumsum(values, axis=0)])
        self._squares = np.concatenate([[0.0], np.cumsum((np.abs(values) ** 2).sum(axis=1))])
        self._num_symbols, self._num_taps = track.shape

    def scatter(
        self, first: Float[np.ndarray, "*span"], last: Float[np.ndarray, "*span"]
    ) -> Float[np.ndarray, "*span"]:
        """Variance of a tap's noise where nothing changes; zero where less than two symbols lie within."""
        total, count, squares = self._within(first, last)
        apart = squares - (np.abs(total) ** 2).sum(axis=-1) / np.maximum(count, 1)
        return np.where(count > 1, apart / np.maximum(count - 1, 1) / self._num_taps, 0.0)

    def worst(self, end: Float[np.ndarray, "late"], length: float) -> Float[np.ndarray, "late"]:
        """Largest scatter in spans of that length that end before; a slow drift shows little in each."""
        starts = np.arange(0.0, max(float(end.max()) - length, 0.0) + 1e-9)
        largest = np.maximum.accumulate(np.append(0.0, self.scatter(starts, starts + length)))
        return largest[np.searchsorted(starts + length, end, side="right")]

    def apart(
        self,
        one: tuple[Float[np.ndarray, "*span"], Float[np.ndarray, "*span"]],
        other: tuple[Float[np.ndarray, "*span"], Float[np.ndarray, "*span"]],
    ) -> Float[np.ndarray, "*span"]:
        """Squared distance of the means in two spans, a tap, over what noise of variance one would make it."""
        (a, num_a, _), (b, num_b, _) = self._within(*one), self._within(*other)
        enough = (num_a > 0) & (num_b > 0)
        num_a, num_b = np.maximum(num_a, 1), np.maximum(num_b, 1)
        distance = (np.abs(a / num_a[..., None] - b / num_b[..., None]) ** 2).mean(axis=-1)
        return np.where(enough, distance / (1 / num_a + 1 / num_b), 0.0)

    def _within(
        self, first: Float[np.ndarray, "*span"], last: Float[np.ndarray, "*span"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum, number and energy of the symbols."""
        start = np.clip(np.ceil(first), 0, self._num_symbols).astype(int)
        stop = np.maximum(np.clip(np.floor(last), 0, self._num_symbols).astype(int), start)
        return self._sums[stop] - self._sums[start], stop - start, self._squares[stop] - self._squares[start]
