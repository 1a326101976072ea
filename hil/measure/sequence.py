"""Many patterns in one capture: the board steps by its own timer while the radio listens.

The capture begins before the board is armed, so that it holds the whole sequence with stillness on both sides; when the
surface changed is found in the samples (`measure.steps`), which also bridges the two clocks. Of each dwell only the
middle is used, where the surface has settled. All patterns of a capture share its unknown start within the pilot's
period: responses are referred to the capture's first sample.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Int, Patterns
from hil.errors import MeasurementError, Overload
from hil.interfaces import Capture, Clock, SequenceAbility, SequencedSurface, StreamingSdr, SurfaceTiming
from hil.measure.continuity import require_continuous
from hil.measure.dwells import change_heights, demodulate_dwells, dwell_references, still_scatter, until_whole
from hil.measure.reference import steadied
from hil.measure.stepping import SoundingBlock
from hil.measure.steps import find_steps, first_change
from hil.measure.sweep import BoardRows
from hil.phy.ofdm import OfdmGrid

GUARD_S = 4e-6  # of each dwell: for the error of the steps that are found
LEAD_S, TAIL_S = 3e-3, 1e-3  # of a capture: for the way of the command to the board, and after the last dwell
STILL_DWELLS = 2.5  # of the capture on either side, to tell the sequence's ends by
MAX_SAMPLES = 6_000_000  # of one capture: 24 MB in the radio
MAX_PATTERNS = 4096  # of one capture: a durable step
MIN_PATTERNS = 32  # of one capture, below which another mode is as fast


@dataclass(frozen=True)
class SequencePlan:
    """How a board's sequences are sounded.

    dwell_s: a whole number of microseconds. num_patterns: of one capture, a power of two.
    num_taps: length of the channel, in taps of 1/B.
    """

    ability: SequenceAbility
    dwell_s: float
    num_patterns: int
    repetitions: int
    num_taps: int


def plan_sequence(
    ability: SequenceAbility | None, timing: SurfaceTiming, grid: OfdmGrid, repetitions: int, num_taps: int
) -> SequencePlan | None:
    """The plan for that many symbols of each pattern; None where board or radio cannot, or nothing is gained by it."""
    if ability is None or "timer" not in ability.sources:
        return None
    needed_s = timing.update_s + timing.settle_s + repetitions * grid.symbol_s + GUARD_S
    dwell_s = math.ceil(round(max(needed_s, ability.min_dwell_s) * 1e6, 6)) * 1e-6
    around_s = _lead_s(timing, dwell_s) + _tail_s(dwell_s)
    by_samples = int((MAX_SAMPLES / grid.sample_rate_hz - around_s) / dwell_s)
    most = min(by_samples, ability.max_length, ability.num_slots or ability.max_length, MAX_PATTERNS)
    if most < MIN_PATTERNS:
        return None
    return SequencePlan(ability, dwell_s, 1 << (most.bit_length() - 1), repetitions, num_taps)


def sound_sequence(
    sdr: StreamingSdr,
    surface: SequencedSurface,
    clock: Clock,
    grid: OfdmGrid,
    plan: SequencePlan,
    patterns: Patterns,
    rows: BoardRows | None = None,
    *,
    max_retakes: int = 5,
    progress: Callable[[int], object] | None = None,
) -> SoundingBlock:
    """Sound patterns in one capture; a capture in which anything went wrong is void and taken again as a whole.

    rows: how the board makes these patterns itself; where None they are those of the codebook, which was loaded before.
    Raises BoardReset, Overload or MeasurementError where no capture of `max_retakes + 1` is whole.
    """

    def take(_missing: Int[np.ndarray, "missing"]) -> tuple[SoundingBlock, Bool[np.ndarray, "missing"]]:
        capture = _capture(sdr, surface, clock, grid, plan, patterns, rows)
        return split_capture(capture, grid, plan, len(patterns)), np.ones(len(patterns), dtype=bool)

    block = until_whole(take, len(patterns), max_retakes, "sequence")
    if progress is not None:
        progress(len(patterns))
    return block


def split_capture(capture: Capture, grid: OfdmGrid, plan: SequencePlan, count: int) -> SoundingBlock:
    """The soundings in a capture of a sequence, referred to its first sample.

    Their noise is that of the mean of `plan.repetitions` symbols; where there is but one, from the still surface after
    the sequence. Raises MeasurementError where the sequence's steps are not found in the samples.
    """
    capture, length = steadied(capture, grid), plan.repetitions * grid.fft_size
    dwell = plan.dwell_s * grid.sample_rate_hz
    steps = find_steps(capture.samples, count=count, dwell=dwell, period=grid.fft_size)
    starts = steps.starts(length, capture.samples.size)
    response, scatter = demodulate_dwells(capture.samples, starts, grid, plan.repetitions)
    first = 1 + _number(response, count, plan.num_taps)
    which = slice(first, first + count)
    require_continuous(capture.samples, response[which], grid.fft_size, plan.num_taps)
    noise = float(scatter[which].mean())
    if plan.repetitions == 1:
        noise = still_scatter(capture.samples[starts[first + count - 1] :], grid)
    return SoundingBlock(
        response[which],
        np.full(count, noise / plan.repetitions),
        capture.time_s + starts[which] / grid.sample_rate_hz,
        np.zeros(count, dtype=int),
        np.zeros(count, dtype=bool),
        0,
        dwell_references(capture, starts[which], grid, plan.repetitions),
    )


def _number(response: Complex[np.ndarray, "dwell subcarrier"], count: int, num_taps: int) -> int:
    """Which change from a dwell to the next is the one into pattern 0: the first of `count`."""
    heights, freedom = change_heights(response, num_taps)
    return first_change(heights, count, freedom)


def _capture(
    sdr: StreamingSdr,
    surface: SequencedSurface,
    clock: Clock,
    grid: OfdmGrid,
    plan: SequencePlan,
    patterns: Patterns,
    rows: BoardRows | None,
) -> Capture:
    """Samples of a whole sequence. Before it the surface shows the complement of its first pattern: a clear step."""
    states = surface.states
    before = np.where(patterns[0] == states.plus, states.minus, states.plus).astype(np.uint8)
    count = len(patterns)
    surface.apply(before)
    duration_s = _lead_s(surface.timing, plan.dwell_s) + count * plan.dwell_s + _tail_s(plan.dwell_s)
    sdr.begin_capture(math.ceil(duration_s * grid.sample_rate_hz))
    clock.sleep(STILL_DWELLS * plan.dwell_s)
    if rows is None:
        surface.arm_sequence(0, count, plan.dwell_s, "timer")
    else:
        surface.arm_hadamard(rows.first, rows.count, plan.dwell_s, "timer", complement=rows.complement, mask=rows.mask)
    capture = sdr.end_capture()
    status = surface.sequence_status()
    if status["applied"] != count or status["overruns"]:
        raise MeasurementError(
            f"sequence: of {count} patterns the board showed {status['applied']}, {status['overruns']} steps came too "
            "early; raise the dwell"
        )
    if capture.overloaded:
        raise Overload("receiver: a capture of a sequence clipped at the ADC; lower radio.rx_gain_db by 6 dB")
    return capture


def _lead_s(timing: SurfaceTiming, dwell_s: float) -> float:
    """From the capture's start until the sequence's, at the longest."""
    return LEAD_S + timing.frame_s + timing.reply_s + STILL_DWELLS * dwell_s


def _tail_s(dwell_s: float) -> float:
    return TAIL_S + STILL_DWELLS * dwell_s
