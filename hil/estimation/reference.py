"""Soundings over their reference: start, gain and phases of the radios taken out of each.

The reference is what a second receiver heard meanwhile, or what a capture of many soundings held while the surface
showed what it shows before all captures. The soundings of one capture, known by their common record, share all that is
to be taken out; over a capture's balanced patterns the surface's part averages out, so their mean, the direct channel,
tells it better than the record, which is left to captures of few. One crystal drives both converters, so captures start
whole samples apart: the fraction in a reference's advance is the coupler's own, the same for all. A gain's noise
multiplies the whole sounding, so it is counted as noise of its energy.
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.errors import Incoherent
from hil.estimation.alignment import Alignment
from hil.estimation.delay_model import energy
from hil.estimation.exhaustive import margin_of
from hil.measure.reference import REFERENCE
from hil.measure.stepping import SoundingBlock
from hil.phy.sync import advance, advance_between, whole_samples

JUDGES = 32  # of a capture's soundings, which tell the start of all: each more costs time once the sweep is over
MIN_JUDGES = 16  # of a capture, below which its soundings are judged with all others
FRACTIONS = 64  # of a sample, to which two crystals' captures are matched
UNTIED = 0.1  # of a gain's power: error variance with which it tells no phase, 18 degrees


def refer(soundings: SoundingBlock, fft_size: int, *, one_crystal: bool = True) -> SoundingBlock:
    """The soundings as if all had been taken at one start by a radio that stands still.

    Unchanged without a reference, and where one capture holds them all. Levels stay what they were at the first one.
    """
    if soundings.reference is None or one_capture(soundings.reference):
        return soundings
    reference = _told_by_captures(soundings, fft_size, soundings.reference, one_crystal=one_crystal)
    advances = whole_samples(reference["advance"]) if one_crystal else reference["advance"] - reference["advance"][0]
    factor = reference["gain"] / np.abs(reference["gain"][0])
    response = advance(soundings.response, -advances, fft_size)
    response *= (1 / factor).astype(response.dtype)[:, None]
    power = energy(soundings.response) / soundings.response.shape[1]
    own = soundings.noise_var + reference["noise_var"] / np.abs(reference["gain"]) ** 2 * power
    return replace(soundings, response=response, noise_var=own / np.abs(factor) ** 2)


def at_one_start(
    alignment: Alignment, responses: Complex[np.ndarray, "pattern subcarrier"], reference: np.ndarray
) -> Alignment:
    """An alignment of soundings that are known to share their start: the advance under which they are likeliest.

    What noise hides in one of them the others tell. reference: of each, dtype `measure.reference.REFERENCE`. Those of
    one capture are asked by themselves. What all of them leave open stays ambiguous.
    """
    samples, margin = np.empty(len(responses), dtype=int), np.empty(len(responses))
    captures = captures_of(reference)
    everybody = [] if sum(those.size for those in captures) == len(responses) else [np.arange(len(responses))]
    groups = [*everybody, *captures]
    judges = [responses[those[:: -(-those.size // JUDGES)]] for those in groups]
    scores = alignment.model.joint_log_likelihoods(judges, alignment.fft_size)
    for those, score in zip(groups, scores, strict=True):
        samples[those], margin[those] = score.argmax(), margin_of(score)
    taps = alignment.model.basis.project(advance(responses, samples, alignment.fft_size))
    return replace(alignment, samples=samples, margin=margin, taps=taps)


def captures_of(reference: np.ndarray) -> list[Int[np.ndarray, "some"]]:
    """Soundings of each capture of many, the first one's first; none where a record is of few soundings each."""
    _, first, number, count = np.unique(reference, return_index=True, return_inverse=True, return_counts=True)
    return [np.flatnonzero(number == each) for each in np.argsort(first) if count[each] >= MIN_JUDGES]


def one_capture(reference: np.ndarray | None) -> bool:
    """Whether all soundings are known to be of one capture of many: then they share their start, and nothing is
    referred to what was heard beside them."""
    if reference is None:
        return False
    return reference.size >= MIN_JUDGES and bool((reference == reference[0]).all())


def _told_by_captures(
    soundings: SoundingBlock, fft_size: int, reference: np.ndarray, *, one_crystal: bool
) -> np.ndarray:
    """The records, those of captures of many by their means, all of them relative to the first such capture's."""
    captures = captures_of(reference)
    if not captures:
        return reference
    told, anchor = reference.copy(), reference[captures[0][0]]
    told["gain"] /= anchor["gain"]
    told["noise_var"] /= np.abs(anchor["gain"]) ** 2
    told["advance"] -= anchor["advance"]
    means = [soundings.response[those].mean(axis=0, dtype=complex) for those in captures]
    for those, mean in zip(captures, means, strict=True):
        shift, gain, gain_var = tie(mean, means[0], soundings.noise_var[those], fft_size, one_crystal=one_crystal)
        told[those] = np.array((gain, -shift, gain_var), dtype=REFERENCE)
    return told


def tie(
    mean: Complex[np.ndarray, "subcarrier"],
    first: Complex[np.ndarray, "subcarrier"],
    noise_var: Float[np.ndarray, "some"],
    fft_size: int,
    *,
    one_crystal: bool,
) -> tuple[float, complex, float]:
    """A capture by its mean and that of the first one: the advance that brings it to that one's start, its gain over
    that one's, and the error variance of this.

    noise_var: of each of its soundings. Raises Incoherent where noise hides what they share.
    """
    whole, _ = advance_between(mean[None], first, fft_size)
    fraction = 0.0 if one_crystal else _fraction(advance(mean, np.asarray(whole[0]), fft_size), first, fft_size)
    shift = float(whole[0] + fraction)
    strength = max(float(np.vdot(first, first).real), float(np.finfo(float).tiny))
    gain = complex(np.vdot(first, advance(mean, np.asarray(shift), fft_size)) / strength)
    gain_var = float(noise_var.mean()) / noise_var.size / strength
    if not gain_var < UNTIED * abs(gain) ** 2:
        raise Incoherent(
            "the captures of the sweep cannot be tied together: noise hides the direct channel, which they share; "
            "raise ofdm.repetitions, group elements (sweep.group), or use the experiment `power_only`"
        )
    return shift, gain, gain_var


def _fraction(
    mean: Complex[np.ndarray, "subcarrier"], wanted: Complex[np.ndarray, "subcarrier"], fft_size: int
) -> float:
    """Of a sample, by which a mean is advanced to fit best: the top of a parabola through the best that is tried."""
    tried = np.arange(-FRACTIONS, FRACTIONS + 1) / FRACTIONS
    fit = np.abs(advance(mean[None], tried, fft_size) @ wanted.conj())
    best = int(np.clip(fit.argmax(), 1, tried.size - 2))
    left, top, right = fit[best - 1 : best + 2]
    return float(tried[best] + (left - right) / (2 * (left - 2 * top + right)) / FRACTIONS)
