"""Whether the samples of a long capture follow each other: blocks that came twice, samples that are missing.

USB drops and repeats blocks in silence. A block that came twice is the same to the last bit, which noise never is. A
gap shows where the cyclic pilot goes on at another place than before.
"""

from collections import Counter

import numpy as np

from hil.arrays import Bool, Complex, Float, Int
from hil.errors import MeasurementError
from hil.phy.sync import correlate

ANCHOR_BITS = 8  # one sample in 2^8 is an anchor, chosen by its own value
ANCHOR_SAMPLES = 4  # that make an anchor's fingerprint
MIN_ANCHORS = 4  # that must come twice at one distance, before samples are compared: half of those in a proof
PROOF_SAMPLES = 2048  # that must be the same in a row
USUAL = 256  # dwells at the most that tell where the pilot was, of the first quarter of them
CLEARLY = 2.0  # how much better a slipped pilot must fit there than where it was
BEYOND_DOUBT, FEW = 4.0, 3  # where fewer dwells than that say so
LARGEST = 1e3
MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits as irregular as the golden ratio's


class Repeats:
    """Blocks that came twice in a capture, looked for while it still arrives."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}  # where each fingerprint was seen last
        self._distances: Counter[int] = Counter()
        self._num_heard = self._num_anchors = 0

    def hear(self, samples: Complex[np.ndarray, "sample"]) -> None:
        """samples: all that are there so far."""
        places, marks = _anchors(samples[self._num_heard :])
        for place, mark in zip((self._num_heard + places).tolist(), marks.tolist(), strict=True):
            if (before := self._last.get(mark)) is not None:
                self._distances[place - before] += 1
            self._last[mark] = place
        self._num_heard = max(samples.size - ANCHOR_SAMPLES + 1, self._num_heard)
        self._num_anchors += places.size

    def first(self, samples: Complex[np.ndarray, "sample"]) -> int | None:
        """The first sample of a block that was there before, None where there is none; all of them were heard.

        Simplification: where the noise is below the ADC's step a still capture repeats itself, and nothing can be said.
        """
        lag, times = min(self._distances.items(), key=lambda each: (-each[1], each[0]), default=(0, 0))
        if times < MIN_ANCHORS or 2 * times > self._num_anchors:
            return None
        equal = samples[lag:] == samples[:-lag]
        ends = np.flatnonzero(~np.concatenate([equal, [False]]))
        lengths = np.diff(ends, prepend=-1) - 1
        proven = np.flatnonzero(lengths >= PROOF_SAMPLES)
        return int(ends[proven[0]] - lengths[proven[0]] + lag) if proven.size else None


def slipped_from(response: Complex[np.ndarray, "dwell subcarrier"], fft_size: int, num_taps: int) -> int | None:
    """The first dwell from which on the pilot is heard at another place of its period; None where it stays.

    response: referred to one start. A place counts where it fits clearly better, in all dwells that follow alike, and
    lies further off than the channel is long: another pattern may be heard at another of the channel's own delays.
    """
    usual = response[: max(1, min(len(response) // 4, USUAL))].mean(axis=0)
    spread = -(-num_taps * fft_size // response.shape[1])
    if not _away(*pilot_places(response[-1:], usual, fft_size), spread, fft_size).any():
        return None  # nor are those before it, for good
    return first_slip(*pilot_places(response, usual, fft_size), spread, fft_size)


def pilot_places(
    response: Complex[np.ndarray, "dwell subcarrier"], reference: Complex[np.ndarray, "subcarrier"], fft_size: int
) -> tuple[Int[np.ndarray, "dwell"], Float[np.ndarray, "dwell"]]:
    """Where in its period each dwell's pilot fits best, and by how much better than where the reference heard it."""
    fit = np.abs(correlate(response, reference, fft_size))
    best = fit.max(axis=1)
    return fit.argmax(axis=1), best / np.maximum(fit[:, 0], best / LARGEST)


def first_slip(
    place: Int[np.ndarray, "dwell"], better: Float[np.ndarray, "dwell"], spread: int, fft_size: int
) -> int | None:
    """The dwell from which on the pilot is away for good. spread: of the channel, in samples."""
    away = _away(place, better, spread, fft_size) & (np.abs(place - place[-1]) <= 1)
    last_here = np.flatnonzero(~away)
    first = int(last_here[-1]) + 1 if last_here.size else 0
    few = len(place) - first < FEW
    return None if first == len(place) or (few and better[first:].min() < BEYOND_DOUBT) else first


def _away(
    place: Int[np.ndarray, "dwell"], better: Float[np.ndarray, "dwell"], spread: int, fft_size: int
) -> Bool[np.ndarray, "dwell"]:
    """Where the pilot fits clearly better further off than the channel is long."""
    return np.asarray((np.minimum(place, fft_size - place) > spread) & (better > CLEARLY))


def require_continuous(repeated: int | None, slipped: int | None) -> None:
    """Raise MeasurementError where a block came twice or samples are missing: see `Repeats` and `slipped_from`."""
    if repeated is not None or slipped is not None:
        what = (
            f"a block came twice, at sample {repeated}" if slipped is None else f"samples miss before dwell {slipped}"
        )
        raise MeasurementError(f"receiver: {what}; use another USB port or cable, or lower the sample rate")


def _anchors(
    samples: Complex[np.ndarray, "sample"],
) -> tuple[Int[np.ndarray, "anchor"], Int[np.ndarray, "anchor"]]:
    """Places chosen by the values of their own two samples (as Rabin chunks), and fingerprints of what begins there.

    Where nothing was taken two samples are zero: no anchor.
    """
    words = np.ascontiguousarray(samples, dtype=np.complex64).view(np.uint64)
    size = max(words.size - ANCHOR_SAMPLES + 1, 0)
    chosen = words[:size] * MIXER
    chosen ^= words[1 : size + 1]
    chosen *= MIXER
    chosen -= np.uint64(1)
    places = np.flatnonzero(chosen < np.uint64(1 << 64 - ANCHOR_BITS))
    mark = np.zeros(places.size, dtype=np.uint64)
    for number in range(ANCHOR_SAMPLES):
        mark = (mark ^ words[places + number]) * MIXER
        mark ^= mark >> np.uint64(29)
    return places, mark.astype(np.int64)
