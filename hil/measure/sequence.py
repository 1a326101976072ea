"""Many patterns in one capture: the board steps by its own timer while the radio listens.

The capture begins before the board is armed, so that it holds the whole sequence with stillness on both sides; when the
surface changed is found in the samples (`measure.steps`), which also bridges the two clocks. Of each dwell only the
middle is used, where the surface has settled. All patterns of a capture share its unknown start within the pilot's
period: responses are referred to the capture's first sample. Where a sweep takes several captures the same pattern
stands before each sequence: what is heard of it ties them together, and two radios' phases too.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Int, Patterns
from hil.interfaces import PIECE_SAMPLES, Capture, Clock, SequenceAbility, StreamingSdr, SurfaceTiming
from hil.measure.clocks import Tuned, follow, tune
from hil.measure.continuity import require_continuous, slipped_from
from hil.measure.dwells import (
    capture_references,
    dwell_references,
    still_scatter,
    until_whole,
)
from hil.measure.hearing import Hearing
from hil.measure.intake import Intake
from hil.measure.reference import steadied
from hil.measure.self_stepping import (
    HOST_SAMPLES,
    CaptureTerms,
    SelfSteppingSurface,
    arm,
    patterns_that_fit,
    require_no_overload,
    require_shown,
)
from hil.measure.stepping import SoundingBlock
from hil.measure.steps import first_change
from hil.measure.sweep import BoardRows
from hil.phy.ofdm import OfdmGrid

GUARD_S = 4e-6  # of each dwell: for the error of the steps that are found
LEAD_S, TAIL_S = 3e-3, 1e-3  # of a capture: for the way of the command to the board, and after the last dwell
STILL_DWELLS = 2.5  # of the capture on either side, to tell the sequence's ends by
REFERENCE_SYMBOLS = 128  # of the capture before the sequence, where captures are tied together


@dataclass(frozen=True)
class SequencePlan:
    """How a board's sequences are sounded.

    dwell_s: a whole number of microseconds. num_patterns: of one capture, a power of two.
    num_taps: length of the channel, in taps of 1/B. arming_s: until the board has begun, at the longest.
    apart_lo_hz: of two radios with a crystal each, None of one radio.
    """

    ability: SequenceAbility
    dwell_s: float
    num_patterns: int
    repetitions: int
    num_taps: int
    arming_s: float
    apart_lo_hz: float | None = None

    def still_s(self, grid: OfdmGrid, *, referred: bool) -> float:
        """Of the capture, before the board is armed. referred: captures are tied together by what is heard then."""
        return max(STILL_DWELLS * self.dwell_s, REFERENCE_SYMBOLS * grid.symbol_s if referred else 0.0)

    def num_samples(self, count: int, grid: OfdmGrid, *, referred: bool) -> int:
        """Of the capture of that many patterns."""
        after_s = TAIL_S + STILL_DWELLS * self.dwell_s
        duration_s = self.still_s(grid, referred=referred) + self.arming_s + count * self.dwell_s + after_s
        return math.ceil(duration_s * grid.sample_rate_hz)


def plan_sequence(
    ability: SequenceAbility | None,
    timing: SurfaceTiming,
    grid: OfdmGrid,
    repetitions: int,
    num_taps: int,
    *,
    max_samples: int = HOST_SAMPLES,
    apart_lo_hz: float | None = None,
) -> SequencePlan | None:
    """The plan for that many symbols of each pattern; None where board or radio cannot, or nothing is gained by it.

    max_samples: of one capture, as far as the radio is concerned.
    """
    if ability is None or "timer" not in ability.sources:
        return None
    needed_s = timing.update_s + timing.settle_s + repetitions * grid.symbol_s + GUARD_S
    dwell_s = math.ceil(round(max(needed_s, ability.min_dwell_s) * 1e6, 6)) * 1e-6
    arming_s = LEAD_S + timing.frame_s + timing.reply_s
    plan = SequencePlan(ability, dwell_s, 1, repetitions, num_taps, arming_s, apart_lo_hz)
    room = min(max_samples, HOST_SAMPLES) - plan.num_samples(0, grid, referred=True)
    count = patterns_that_fit(ability, int(room / (dwell_s * grid.sample_rate_hz)))
    return None if count is None else replace(plan, num_patterns=count)


def sound_sequence(
    sdr: StreamingSdr,
    surface: SelfSteppingSurface,
    clock: Clock,
    grid: OfdmGrid,
    plan: SequencePlan,
    patterns: Patterns,
    terms: CaptureTerms,
    rows: BoardRows | None = None,
) -> SoundingBlock:
    """Sound patterns in one capture; a capture in which anything went wrong is void and taken again as a whole.

    rows: how the board makes these patterns itself; where None they are those of the codebook, which was loaded before.
    Raises BoardReset, Overload or MeasurementError where no capture of `terms.max_retakes + 1` is whole.
    """
    count, referred = len(patterns), terms.referred
    num_samples = plan.num_samples(count, grid, referred=referred)
    intake = terms.intake if plan.apart_lo_hz is None else None

    def take(_missing: Int[np.ndarray, "missing"]) -> tuple[SoundingBlock, Bool[np.ndarray, "missing"]]:
        hearing = _hearing(grid, plan, num_samples, count, intake)
        surface.apply(terms.shown_before(patterns[0], surface.states))
        sdr.begin_capture(num_samples, piece_samples=PIECE_SAMPLES)
        clock.sleep(plan.still_s(grid, referred=referred))
        arm(surface, count, plan.dwell_s, "timer", rows)
        capture = sdr.end_capture(hearing.hear)
        require_shown(surface, count, "sequence", "raise the dwell")
        require_no_overload(capture, "sequence")
        block = split_capture(capture, grid, plan, count, referred=referred, hearing=hearing)
        return block, np.ones(count, dtype=bool)

    return until_whole(take, count, terms.max_retakes, "sequence")


def split_capture(
    capture: Capture,
    grid: OfdmGrid,
    plan: SequencePlan,
    count: int,
    *,
    referred: bool = False,
    hearing: Hearing | None = None,
) -> SoundingBlock:
    """The soundings in a capture of a sequence, referred to its first sample.

    Their noise is that of the mean of `plan.repetitions` symbols; where there is but one, from the still surface after
    the sequence. referred: beside them stands what was heard before the sequence, or what a second receiver heard.
    hearing: heard the capture arrive. Raises MeasurementError where the sequence's steps are not found in the samples.
    """
    heard, capture, length = capture, steadied(capture, grid), plan.repetitions * grid.fft_size
    if plan.apart_lo_hz is not None:
        tuned = tune(capture, grid, plan.apart_lo_hz)
        still = _hearing(grid, plan, tuned.capture.samples.size, count).dwells(tuned.capture.samples)
        tuned = follow(tuned, grid, still.starts, length)
    else:
        tuned = Tuned.of_one_radio(capture)
    samples = tuned.capture.samples
    if hearing is None or samples is not heard.samples:
        hearing = _hearing(grid, plan, samples.size, count)
    dwells = hearing.dwells(samples)
    first = 1 + first_change(dwells.change_heights, count, dwells.echoes.shape[1])
    starts = dwells.starts[first : first + count]
    response, scatter = hearing.soundings(samples, dwells, first)
    require_continuous(hearing.repeated_from(samples), slipped_from(response, grid.fft_size, plan.num_taps))
    if plan.repetitions == 1:
        noise = still_scatter(samples[starts[-1] :], grid)
    else:
        noise = scatter.mean(axis=0, dtype=float) / plan.repetitions
    reference = dwell_references(capture, starts, grid, plan.repetitions)
    if reference is None and referred:
        reference = capture_references(samples[: dwells.starts[first - 1] + length], grid, count)
    time_s = capture.time_s + starts / grid.sample_rate_hz
    return SoundingBlock.of_capture(response, float(noise[grid.used].mean()), time_s, reference, noise)


def _hearing(grid: OfdmGrid, plan: SequencePlan, num_samples: int, count: int, intake: Intake | None = None) -> Hearing:
    return Hearing(
        grid,
        num_samples,
        count,
        dwell=plan.dwell_s * grid.sample_rate_hz,
        repetitions=plan.repetitions,
        num_taps=plan.num_taps,
        slack=GUARD_S / 4 * grid.sample_rate_hz,
        intake=intake,
    )
