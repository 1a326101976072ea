"""From a recorded sweep to the cascaded channel: align, project, least squares, denoise."""

from dataclasses import replace
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from hil.arrays import Complex
from hil.estimation.align import align_sweep, align_together, learning_subset
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.alignment import Alignment
from hil.estimation.captures import Captures, large_captures
from hil.estimation.denoise import denoise
from hil.estimation.drift import remove_drift
from hil.estimation.fit import fit_channel
from hil.estimation.interleaved import Followed, follow_references
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.over_band import ROUNDS, added_over_band
from hil.estimation.quadrature import denoise_quadrature
from hil.estimation.reference import at_one_start, captures_of, refer
from hil.estimation.shape import resolve_by_neighbours, resolve_by_subspace
from hil.estimation.stillness import (
    MOVED_DB,
    Change,
    change_between_pairs,
    change_between_references,
    motion_db,
    require_coherence,
)
from hil.measure.roots import RootPlan
from hil.measure.setup import Setup
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import SweepPlan

ElementOne = Literal["column", "neighbours"] | Complex[np.ndarray, "element mode"]
SIGNS = np.array([1.0 + 0j, -1.0])
WHITE_CONDITION = 6.0  # of the elements, as of 3/4 of a sweep: beyond it they share noise, taken for structure


@runtime_checkable
class RecordedSweep(Protocol):
    """A plan, the soundings that it asked for, in its order, and how these lie, where that is known already."""

    @property
    def plan(self) -> SweepPlan: ...
    @property
    def soundings(self) -> SoundingBlock: ...
    @property
    def alignment(self) -> Alignment | None: ...


def estimate_channel(
    sweep: RecordedSweep,
    setup: Setup,
    *,
    denoised: bool = True,
    element_one: ElementOne = "column",
) -> CascadedEstimate:
    """The channel that a sweep shows.

    element_one: where N pilots do not tell it from the direct channel: as its column, on a plane through its
    neighbours, or in a subspace of the array (`hil.estimation.shape`).
    Raises MeasurementError where it hears no pilot or cannot be aligned, Incoherent where phases are lost between its
    soundings.

    >>> estimate = estimate_channel(sweep, setup)
    >>> estimate.cascade.shape[0]
    256
    """
    plan, alignment = sweep.plan, sweep.alignment or _aligned(sweep.plan, sweep.soundings, setup)
    basis = alignment.model.basis
    noise_var = sweep.soundings.noise_var if alignment.noise_var is None else alignment.noise_var
    tap_var = float(np.mean(noise_var)) * basis.noise_gain
    heard = AlignedSoundings(plan, alignment.taps, tap_var, sweep.soundings.time_s, alignment.ambiguous, basis.basis)
    estimated = partial(
        estimate_taps,
        rows=setup.rows,
        cols=setup.cols,
        denoised=denoised,
        states=setup.states,
        element_one=element_one,
    )
    estimate = estimated(heard)
    if setup.dispersion is not None and isinstance(plan, RootPlan):
        for _ in range(ROUNDS):
            estimate = estimated(heard, added=added_over_band(plan, estimate, setup.dispersion, basis.projector))
    return replace(estimate, effective_taps=basis.effective_taps, states=setup.states, dispersion=setup.dispersion)


def _aligned(plan: SweepPlan, soundings: SoundingBlock, setup: Setup) -> Alignment:
    """Each sounding by itself where it is a capture of its own, else by what is known of the captures' starts."""
    ofdm, one_crystal, reference = setup.testbed.ofdm, setup.testbed.receiver is None, soundings.reference
    frame: dict[str, Any] = {"used": setup.grid.used, "fft_size": ofdm.fft_size, "num_taps": ofdm.num_taps}
    if reference is None:
        return align_sweep(soundings.response, soundings.noise_var, partner=plan.partner, **frame)
    if captures := large_captures(reference):
        tied = Captures(plan.num_patterns, one_crystal=one_crystal, **frame)
        for those in captures:
            tied.add(those, soundings.response[those], soundings.noise_var[those])
        assert tied.alignment is not None, "all soundings are there"
        return tied.alignment
    heard = refer(soundings, ofdm.fft_size, one_crystal=one_crystal)
    if len(captures_of(reference)) < 2:
        found = align_together(heard.response, heard.noise_var, **frame)
    else:  # some of them tell what all have in common, and then each capture where it begins
        some = learning_subset(plan.num_patterns)
        learnt = align_sweep(heard.response[some], heard.noise_var[some], **frame)
        found = at_one_start(learnt, heard.response, reference)
    return replace(found, noise_var=heard.noise_var)


def estimate_taps(
    heard: AlignedSoundings,
    *,
    rows: int,
    cols: int,
    denoised: bool,
    states: Complex[np.ndarray, "state"] = SIGNS,
    element_one: ElementOne = "column",
    added: Complex[np.ndarray, "pattern tap"] | None = None,
) -> CascadedEstimate:
    """The channel that aligned soundings show.

    rows, cols: of the surface. states: as of `fit_channel`. element_one: as of `estimate_channel`.
    added: what states add over the band (`hil.estimation.over_band`), taken out behind the drift that references show.

    Complements show the radio's drift better than references in the plan: these correct the others where complements
    show none, and are left out then. Where complements show it, the estimate stands on axes of which the first is the
    direct channel. Elements that switch together share their noise, which denoising takes for structure: they are left
    as they are.
    """
    surface, followed = heard.of_surface(added), None
    require_coherence(change_between_pairs(surface))
    require_coherence(change_between_references(heard), "reference")
    drift = remove_drift(surface)
    if drift is None and heard.plan.reference.size:
        followed = follow_references(heard)
        surface = _corrected(heard, followed).of_surface(added)
    if drift is None:
        raw, change = fit_channel(surface, cols=cols, states=states), change_between_pairs(surface)
    else:
        steady = replace(surface, taps=drift.taps, tap_var=drift.tap_var, basis=surface.basis @ drift.axes)
        raw = fit_channel(steady, cols=cols, states=states)
        raw = replace(raw, drift_deg=drift.phase_deg, drift_db=drift.gain_db)
        beside = replace(steady, taps=steady.taps[:, 1:], tap_var=steady.tap_var[1:], basis=steady.basis[:, 1:])
        change = change_between_pairs(beside)  # of the direct channel, along which drift is left
    if followed is not None:
        raw = replace(raw, drift_deg=followed.phase_deg, drift_db=followed.gain_db)
    raw = _told_of_motion(raw, change)
    if not np.isfinite(raw.condition):
        raw = _by_shape(raw, element_one, rows, cols)
    if not denoised or bool((surface.plan.group_size > 1).any()) or not _white(surface.plan, raw):
        return raw
    if drift is None or not drift.quadrature_var:
        return denoise(raw, rows, cols)
    return denoise_quadrature(raw, rows, cols, share=drift.quadrature_var / float(drift.tap_var[0]))


def _corrected(heard: AlignedSoundings, followed: Followed | None) -> AlignedSoundings:
    """Soundings without the gain that references showed; what is left of it is noise as strong as they are."""
    if followed is None:
        return heard
    steady = (heard.taps * np.exp(-followed.log_gain)[:, None]).astype(heard.taps.dtype)
    return replace(heard, taps=steady, tap_var=heard.tap_var + followed.left_var * np.mean(np.abs(steady) ** 2, axis=0))


def _by_shape(raw: CascadedEstimate, element_one: ElementOne, rows: int, cols: int) -> CascadedEstimate:
    if not isinstance(element_one, str):
        return resolve_by_subspace(raw, element_one)
    return resolve_by_neighbours(raw, rows, cols) if element_one == "neighbours" else raw


def _white(plan: SweepPlan, raw: CascadedEstimate) -> bool:
    """Whether the elements' errors are nearly independent: those of whole orthogonal sweeps are.

    What they share with the direct channel alone is one direction of many, and does no harm.
    """
    orthogonal = plan.whole and (not isinstance(plan, RootPlan) or plan.ring.exact)
    return orthogonal or raw.cascade_condition < WHITE_CONDITION


def _told_of_motion(estimate: CascadedEstimate, change: Change | None) -> CascadedEstimate:
    """With what the half-sums say; where the radio drifts, beside the direct channel alone."""
    surface = float(np.vdot(estimate.cascade, estimate.cascade).real - estimate.cascade_var.sum())
    moved_db = motion_db(change, surface)
    stationary = (
        None if moved_db is None or change is None else change.energy < change.resolution or moved_db < MOVED_DB
    )
    return replace(estimate, coherent=None if change is None else True, motion_db=moved_db, stationary=stationary)
