"""How many starts noise alone leaves in doubt: tests that know more than any receiver can, on the same soundings.

Whatever a receiver knows, the best rule is to decide for the likeliest start and to leave a sounding in doubt where the
likelihood ratio is small: no other test leaves fewer in doubt at as few errors (Forney 1968, "Exponential error bounds
for erasure, list and decision feedback schemes"). So the figures are bounds for all receivers that know no more, and
what is in doubt is judged by the same rule (`hil.estimation.alignment.in_doubt`).
"""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex
from hil.campaign.soundings import Soundings, surface_taps
from hil.estimation.alignment import Alignment, in_doubt, resolve_pairs
from hil.estimation.delay_model import DelayModel
from hil.estimation.exhaustive import margin_of, search
from hil.measure.sweep import SweepPlan
from hil.optimize.objective import Problem
from hil.phy.sync import advance, correlate
from hil.phy.taps import DelayBasis, band_of


@dataclass(frozen=True)
class LeastDoubt:
    """Soundings that a test must leave in doubt.

    response_known: it knows what each sounding looks like, and only not when it began. statistics_known: it knows the
    direct channel and the covariance of the surface's part over the patterns, as alignment would without learning.
    """

    response_known: int
    statistics_known: int


def least_doubt(
    soundings: Soundings, channel: Problem, plan: SweepPlan, used: Bool[np.ndarray, "subcarrier"], fft_size: int
) -> LeastDoubt:
    """Of soundings of a radio and a room that stand still; noise and the LOs' phase are known as well."""
    band, noise_var = band_of(used), float(soundings.noise_var[0])
    direct, surface = channel.direct @ channel.basis.T, surface_taps(channel, plan) @ channel.basis.T
    there = advance(soundings.response.astype(complex), -soundings.start, fft_size)
    phase = np.exp(1j * np.angle(np.vdot(direct + surface, there)))
    heard = soundings.response[:, band]
    known = (phase * (direct + surface))[:, band].astype(heard.dtype)
    margin = margin_of(2 * correlate(heard, known, fft_size).real / noise_var)
    model = _true_model((phase * direct)[band], (phase * surface)[:, band], channel, noise_var)
    found = resolve_pairs(Alignment(model, fft_size, *search(model, heard, fft_size)), heard, plan.partner)
    return LeastDoubt(int(in_doubt(margin).sum()), int(found.ambiguous.sum()))


def _true_model(
    direct: Complex[np.ndarray, "subcarrier"],
    surface: Complex[np.ndarray, "pattern subcarrier"],
    channel: Problem,
    noise_var: float,
) -> DelayModel:
    """On the delays that alignment looks at, of a band without guards."""
    used = np.ones(direct.size, dtype=bool)
    basis = DelayBasis.build(used, -1.0, channel.num_taps * used.size / channel.basis.shape[0])
    taps = basis.project(surface)
    return DelayModel(basis, basis.project(direct), taps.T @ taps.conj() / len(taps), noise_var)
