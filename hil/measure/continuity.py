"""Whether the samples of a long capture follow each other: blocks that came twice, samples that are missing.

USB drops and repeats blocks in silence. A block that came twice is the same to the last bit, which noise never is. A
gap shows where the cyclic pilot goes on at another place than before.
"""

import numpy as np

from hil.arrays import Complex, Int
from hil.errors import MeasurementError
from hil.phy.sync import correlate

ANCHOR_BITS = 6  # one sample in 2^6 is an anchor, chosen by its own value
ANCHOR_SAMPLES = 4  # that make an anchor's fingerprint
MIN_ANCHORS = 32  # that must come twice at one distance
PROOF_SAMPLES = 2048  # that must be the same in a row
CLEARLY = 2.0  # how much better a slipped pilot must fit there than where it was
BEYOND_DOUBT, FEW = 4.0, 3  # where fewer dwells than that say so
LARGEST = 1e3


def repeated_from(samples: Complex[np.ndarray, "sample"]) -> int | None:
    """The first sample of a block that was there before, None where there is none.

    Simplification: where the noise is below the ADC's step a still capture repeats itself, and nothing can be said.
    """
    anchors, marks = _anchors(samples)
    order = np.argsort(marks, kind="stable")
    same = marks[order][1:] == marks[order][:-1]
    early, late = anchors[order][:-1][same], anchors[order][1:][same]
    if early.size < MIN_ANCHORS:
        return None
    distances, counts = np.unique(late - early, return_counts=True)
    lag = int(distances[np.argmax(counts)])
    if counts.max() < MIN_ANCHORS or 2 * counts.max() > anchors.size:
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
    spread = -(-num_taps * fft_size // response.shape[1])
    fit = np.abs(correlate(response, response[: max(1, len(response) // 4)].mean(axis=0), fft_size))
    place, best = fit.argmax(axis=1), fit.max(axis=1)
    better = best / np.maximum(fit[:, 0], best / LARGEST)
    away = (np.minimum(place, fft_size - place) > spread) & (better > CLEARLY) & (np.abs(place - place[-1]) <= 1)
    last_here = np.flatnonzero(~away)
    first = int(last_here[-1]) + 1 if last_here.size else 0
    few = len(response) - first < FEW
    return None if first == len(response) or (few and better[first:].min() < BEYOND_DOUBT) else first


def require_continuous(
    samples: Complex[np.ndarray, "sample"],
    response: Complex[np.ndarray, "dwell subcarrier"],
    fft_size: int,
    num_taps: int,
) -> None:
    """Raise MeasurementError where a block came twice or samples are missing; `response` of all dwells."""
    repeated, slipped = repeated_from(samples), slipped_from(response, fft_size, num_taps)
    if repeated is not None or slipped is not None:
        what = (
            f"a block came twice, at sample {repeated}" if slipped is None else f"samples miss before dwell {slipped}"
        )
        raise MeasurementError(f"receiver: {what}; use another USB port or cable, or lower the sample rate")


def _anchors(
    samples: Complex[np.ndarray, "sample"],
) -> tuple[Int[np.ndarray, "anchor"], Int[np.ndarray, "anchor"]]:
    """Places whose fingerprint ends in zeros, and the fingerprints (Rabin's choice of chunks by their content)."""
    words = np.ascontiguousarray(samples, dtype=np.complex64).view(np.uint64)
    size = words.size - ANCHOR_SAMPLES + 1
    mark = np.zeros(size, dtype=np.uint64)
    for number in range(ANCHOR_SAMPLES):
        mark = (mark ^ words[number : number + size]) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(29)
    places = np.flatnonzero(mark >> np.uint64(64 - ANCHOR_BITS) == 0)
    return places, mark[places].astype(np.int64)
