"""Soundings over their reference: start, gain and phases of the radios taken out of each.

The reference is what a second receiver heard meanwhile, or what a capture held while the surface showed what it shows
before all captures. One crystal drives both converters, so captures start whole samples apart: the fraction in a
reference's advance is the coupler's own, the same for all. A gain's noise multiplies the whole sounding, so it is
counted as noise of its energy.
"""

from dataclasses import replace

import numpy as np

from hil.arrays import Complex, Float, Int
from hil.estimation.align import Alignment
from hil.measure.stepping import SoundingBlock
from hil.phy.sync import advance


def refer(soundings: SoundingBlock, fft_size: int, *, one_crystal: bool = True) -> SoundingBlock:
    """The soundings as if all had been taken at one start by a radio that stands still; unchanged without a reference.

    Levels stay what they were at the first one.
    """
    reference = soundings.reference
    if reference is None:
        return soundings
    advances = whole_samples(reference["advance"]) if one_crystal else reference["advance"] - reference["advance"][0]
    factor = reference["gain"] / np.abs(reference["gain"][0])
    response = advance(soundings.response, -advances, fft_size) / factor[:, None]
    energy = np.mean(np.abs(soundings.response) ** 2, axis=1)
    own = soundings.noise_var + reference["noise_var"] / np.abs(reference["gain"]) ** 2 * energy
    noise_var = own / np.abs(factor) ** 2
    return replace(soundings, response=response.astype(soundings.response.dtype), noise_var=noise_var)


def whole_samples(advances: Float[np.ndarray, "pattern"]) -> Int[np.ndarray, "pattern"]:
    """Without the fraction that they share, the circular mean of theirs."""
    fraction = np.angle(np.mean(np.exp(2j * np.pi * advances))) / (2 * np.pi)
    return np.asarray(np.round(advances - fraction).astype(int))


def at_one_start(alignment: Alignment, responses: Complex[np.ndarray, "pattern subcarrier"]) -> Alignment:
    """An alignment of soundings that are known to share their start: the advance that most of them were found at."""
    common = int(np.bincount(alignment.samples[~alignment.ambiguous], minlength=1).argmax())
    taps = alignment.model.basis.project(advance(responses, np.asarray(common), alignment.fft_size))
    everywhere = np.full(len(responses), common)
    return replace(alignment, samples=everywhere, margin=np.full(len(responses), np.inf), taps=taps)
