"""From a recorded sweep to the cascaded channel: align, project, least squares, denoise."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from hil.estimation.align import align_sweep
from hil.estimation.denoise import denoise
from hil.estimation.least_squares import CascadedEstimate, least_squares
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan


@runtime_checkable
@runtime_checkable
class RecordedSweep(Protocol):
    """A plan and the soundings that it asked for, in its order."""

    @property
    def plan(self) -> SweepPlan: ...
    @property
    def soundings(self) -> SoundingBlock: ...


def estimate_channel(sweep: RecordedSweep, setup: Setup, *, denoised: bool = True) -> CascadedEstimate:
    """The channel that a sweep shows. Raises MeasurementError where it hears no pilot or cannot be aligned.

    >>> estimate = estimate_channel(sweep, setup)
    >>> estimate.cascade.shape[0]
    256
    """
    plan, soundings, ofdm = sweep.plan, sweep.soundings, setup.testbed.ofdm
    alignment = align_sweep(
        soundings.response,
        soundings.noise_var,
        used=setup.grid.used,
        fft_size=ofdm.fft_size,
        num_taps=ofdm.num_taps,
        partner=plan.partner,
    )
    basis = alignment.model.basis
    estimate = least_squares(
        plan,
        alignment.project(soundings.response),
        float(np.mean(soundings.noise_var)) * basis.noise_gain,
        basis=basis.basis,
        cols=setup.cols,
        lost=alignment.ambiguous,
    )
    estimate = replace(estimate, states=setup.states)
    return denoise(estimate, setup.rows, setup.cols) if denoised else estimate
