"""Many patterns in one capture: the radio's own timer starts the capture and pulses the board, a pulse a pattern.

Pattern n is frame n: nothing needs to be found in the samples. But they are asked whether it is true: the first pulse
must have changed the surface where it should, which before showed the complement of the first pattern, and no dwell may
hold a change; the board is asked how many steps it took and whether one came too early. That leaves one mishap unseen:
a lost pulse made up for by another that falls within a change. All patterns of a capture share its start within the
pilot's period, which is the same in each capture, since what is on the air starts with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hil.arrays import Bool, Complex, Int, Patterns
from hil.errors import MeasurementError, Overload
from hil.interfaces import (
    START_SAMPLES,
    Capture,
    FrameTrain,
    SequenceAbility,
    SequencedSurface,
    SurfaceTiming,
    TriggeringSdr,
)
from hil.measure.continuity import require_continuous
from hil.measure.dwells import change_heights, demodulate_dwells, dwell_references, is_still, still_scatter, until_whole
from hil.measure.reference import steadied
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import BoardRows
from hil.phy.ofdm import OfdmGrid

GUARD_SAMPLES = START_SAMPLES + 8  # of each dwell: the capture comes late by an unknown part of it
STILL_SYMBOLS = 8  # after the last dwell, to know the noise by
MAX_SAMPLES = 6_000_000  # of one capture: 24 MB in the radio
MAX_PATTERNS = 4096  # of one capture: a durable step
MIN_PATTERNS = 32  # of one capture, below which another mode is as fast
CLEAR_SIGMAS = 8.0  # by which the first change stands out of the noise


@dataclass(frozen=True)
class TriggerPlan:
    """How frames are sounded: samples of a frame, of the dwell at its end that is still, and of the symbols in it.

    settle_samples: from a pulse until the surface stands still. num_patterns: of one capture, a power of two.
    """

    ability: SequenceAbility
    frame_samples: int
    settle_samples: int
    num_patterns: int
    repetitions: int
    num_taps: int

    def lead_samples(self, grid: OfdmGrid) -> int:
        """From the start of the capture until the first pulse: one symbol of stillness."""
        return grid.fft_size + GUARD_SAMPLES

    def train(self, count: int, grid: OfdmGrid) -> FrameTrain:
        """Frames for that many patterns."""
        lead = self.lead_samples(grid)
        return FrameTrain(
            self.frame_samples, count, lead, lead + count * self.frame_samples + STILL_SYMBOLS * grid.fft_size
        )


def plan_triggered(
    ability: SequenceAbility | None, timing: SurfaceTiming, grid: OfdmGrid, repetitions: int, num_taps: int
) -> TriggerPlan | None:
    """The plan for that many symbols of each pattern; None where the board cannot, or nothing is gained by it."""
    if ability is None or "trigger" not in ability.sources:
        return None
    settle = math.ceil((timing.update_s + timing.settle_s) * grid.sample_rate_hz)
    frame = max(
        settle + repetitions * grid.fft_size + GUARD_SAMPLES,
        math.ceil(round(ability.min_dwell_s * grid.sample_rate_hz, 6)),
        grid.fft_size + GUARD_SAMPLES + 1,
    )
    most = (MAX_SAMPLES - (1 + STILL_SYMBOLS) * grid.fft_size - GUARD_SAMPLES) // frame
    most = min(most, ability.max_length, ability.num_slots or ability.max_length, MAX_PATTERNS)
    if most < MIN_PATTERNS:
        return None
    return TriggerPlan(ability, frame, settle, 1 << (most.bit_length() - 1), repetitions, num_taps)


def sound_triggered(
    sdr: TriggeringSdr,
    surface: SequencedSurface,
    grid: OfdmGrid,
    plan: TriggerPlan,
    patterns: Patterns,
    rows: BoardRows | None = None,
    *,
    max_retakes: int = 5,
    progress: Callable[[int], object] | None = None,
) -> SoundingBlock:
    """Sound patterns in one capture; one in which a pulse went wrong is void, patterns that were disturbed are retaken.

    rows: how the board makes these patterns itself; where None they are those of the codebook, which was loaded before.
    Raises BoardReset, Overload or MeasurementError where `max_retakes + 1` captures do not bring all patterns.
    """
    count = len(patterns)

    def take(missing: Int[np.ndarray, "missing"]) -> tuple[SoundingBlock, Bool[np.ndarray, "missing"]]:
        block, good = split_frames(_capture(sdr, surface, grid, plan, patterns, rows), grid, plan, count)
        return block[missing], good[missing]

    block = until_whole(take, count, max_retakes, "train of frames")
    if progress is not None:
        progress(count)
    return block


def split_frames(
    capture: Capture, grid: OfdmGrid, plan: TriggerPlan, count: int
) -> tuple[SoundingBlock, Bool[np.ndarray, "pattern"]]:
    """The soundings of a train's frames, referred to the capture's first sample, and which of them stood still.

    Raises MeasurementError where the first pulse did not change the surface.
    """
    capture = steadied(capture, grid)
    samples, length = capture.samples, plan.repetitions * grid.fft_size
    ends = plan.lead_samples(grid) + plan.frame_samples * (1 + np.arange(count)) - GUARD_SAMPLES
    still = plan.frame_samples - plan.settle_samples - GUARD_SAMPLES
    response, scatter = demodulate_dwells(samples, ends - length, grid, plan.repetitions)
    noise = still_scatter(samples[ends[-1] - length :], grid)
    _require_first_change(samples, response, noise, grid, plan)
    require_continuous(samples, response, grid.fft_size, plan.num_taps)
    good = is_still(samples, ends - still, still, grid, plan.num_taps)
    if plan.repetitions > 1:
        noise = float(np.median(scatter))
    block = SoundingBlock(
        response,
        np.full(count, noise / plan.repetitions),
        capture.time_s + (ends - length) / grid.sample_rate_hz,
        np.zeros(count, dtype=int),
        np.zeros(count, dtype=bool),
        0,
        dwell_references(capture, ends - length, grid, plan.repetitions),
    )
    return block, good


def _require_first_change(
    samples: Complex[np.ndarray, "sample"],
    response: Complex[np.ndarray, "pattern subcarrier"],
    noise: float,
    grid: OfdmGrid,
    plan: TriggerPlan,
) -> None:
    before, _ = demodulate_dwells(samples, np.zeros(1, dtype=int), grid, 1)
    heights, freedom = change_heights(np.concatenate([before, response]), plan.num_taps)
    still = noise * (1 + 1 / plan.repetitions) * freedom * grid.num_subcarriers
    sigmas = (heights[0] / still - 1) * math.sqrt(freedom)
    if sigmas < CLEAR_SIGMAS:
        raise MeasurementError(
            f"triggered: the first pulse's change stands {sigmas:.1f} sigma out of the noise, {CLEAR_SIGMAS:g} are "
            "needed; is the radio's pin L10P wired to the board's trigger input, and the surface seen at all? "
            "Raise ofdm.repetitions, or sweep in another mode"
        )


def _capture(
    sdr: TriggeringSdr,
    surface: SequencedSurface,
    grid: OfdmGrid,
    plan: TriggerPlan,
    patterns: Patterns,
    rows: BoardRows | None,
) -> Capture:
    """Samples of a whole train. Before it the surface shows the complement of its first pattern: a clear step."""
    states, count = surface.states, len(patterns)
    surface.apply(np.where(patterns[0] == states.plus, states.minus, states.plus).astype(np.uint8))
    frame_s = plan.frame_samples / grid.sample_rate_hz
    if rows is None:
        surface.arm_sequence(0, count, frame_s, "trigger")
    else:
        surface.arm_hadamard(rows.first, rows.count, frame_s, "trigger", complement=rows.complement, mask=rows.mask)
    capture = sdr.capture_frames(plan.train(count, grid))
    status = surface.sequence_status()
    if status["applied"] != count or status["overruns"]:
        raise MeasurementError(
            f"triggered: of {count} pulses the board showed {status['applied']} patterns, {status['overruns']} came "
            "too early or too often; look at the wire from the radio's pin L10P to the board's trigger input"
        )
    if capture.overloaded:
        raise Overload("receiver: a capture of a train of frames clipped at the ADC; lower radio.rx_gain_db by 6 dB")
    return capture
