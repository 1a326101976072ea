"""Many patterns in one capture, on a board that is told each of them while the radio listens.

The board's timing tells from when on each pattern stands still, on the host's clock. Where that is in the samples is
known but for one number, how late the capture began: it is found from all patterns together, as the delay with which
all changes of the surface fall between the dwells. Samples of transitions are not used. Patterns that did not stand
still, or came behind a gap or a repeated block, are sounded again in a further capture.
All patterns of a capture share its start within the pilot's period: responses are referred to its first sample.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from hil.arrays import Bool, Complex, Float, Int, Pattern, Patterns
from hil.errors import BoardReset
from hil.interfaces import Capture, Clock, StateSet, StreamingSdr, SurfaceTiming
from hil.measure.burst_start import find_start
from hil.measure.clocks import Tuned, follow, tune
from hil.measure.continuity import slipped_from
from hil.measure.dwells import (
    capture_references,
    demodulate_dwells,
    dwell_references,
    is_still,
    until_whole,
    usual_noise,
)
from hil.measure.reference import steadied
from hil.measure.self_stepping import HOST_SAMPLES, MAX_PATTERNS, CaptureTerms, require_no_overload
from hil.measure.stepping import SoundingBlock
from hil.measure.sweep import pattern_floor_s
from hil.measure.track import TrackHearing
from hil.phy.ofdm import OfdmGrid

GUARD_S = 10e-6  # of a dwell, on either side of its symbols
LATEST_START_S = 2e-3  # of a capture's first sample behind its request
TAIL_S = 1e-3  # of a capture, after the last dwell as planned
MIN_SYMBOLS = 2  # of a dwell, whose scatter tells the noise
PIECE_SAMPLES = 1 << 21  # of a capture, heard while the next ones arrive: a turn-around is time of the burst's
MIN_PATTERNS = 4  # of one capture, below which another mode is as fast


@runtime_checkable
class StreamedSurface(Protocol):
    """What a burst needs of a `StreamingSurface`."""

    @property
    def states(self) -> StateSet: ...
    @property
    def timing(self) -> SurfaceTiming: ...

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None: ...

    def stream(self, patterns: Patterns, still_s: float) -> Float[np.ndarray, "pattern"]: ...

    def check(self) -> None: ...

    def read_pattern(self) -> Pattern | None: ...


@dataclass(frozen=True)
class BurstPlan:
    """How patterns are sounded in one capture.

    still_s: how long each one stands still at least. pitch_s: from one to the next. before_s: by how much the change
    into a pattern may precede its dwell. head_s, lead_s: of stillness, and of the capture, before the first dwell.
    num_patterns: of one capture, a power of two. apart_lo_hz: of two radios with a crystal each, None of one radio.
    """

    still_s: float
    pitch_s: float
    before_s: float
    head_s: float
    lead_s: float
    num_patterns: int
    repetitions: int
    num_taps: int
    apart_lo_hz: float | None = None

    def num_samples(self, count: int, grid: OfdmGrid) -> int:
        """Of the capture of that many patterns."""
        return math.ceil((self.lead_s + count * self.pitch_s + TAIL_S) * grid.sample_rate_hz)


def plan_burst(
    timing: SurfaceTiming,
    grid: OfdmGrid,
    repetitions: int,
    num_taps: int,
    *,
    max_samples: int = HOST_SAMPLES,
    apart_lo_hz: float | None = None,
) -> BurstPlan | None:
    """The plan for that many symbols of each pattern, two at least; None where too few patterns fit in a capture.

    max_samples: of one capture, as far as the radio is concerned.
    """
    repetitions = max(repetitions, MIN_SYMBOLS)
    still_s = (repetitions + 1) * grid.symbol_s + 2 * GUARD_S  # starts are known to a symbol
    pitch_s = pattern_floor_s(timing, "burst", capture_s=still_s, turnaround_s=0.0)
    before_s = timing.update_s + timing.settle_s + timing.reply_s
    head_s = LATEST_START_S + 3 * grid.symbol_s
    lead_s = head_s + before_s + (timing.stream_s or timing.frame_s - timing.overlap_s)
    longest_s = min(max_samples, HOST_SAMPLES) / grid.sample_rate_hz
    by_samples = int((longest_s - lead_s - TAIL_S) / pitch_s)
    if by_samples < MIN_PATTERNS:
        return None
    most = min(by_samples, MAX_PATTERNS)
    return BurstPlan(
        still_s, pitch_s, before_s, head_s, lead_s, 1 << (most.bit_length() - 1), repetitions, num_taps, apart_lo_hz
    )


def sound_burst(
    sdr: StreamingSdr,
    surface: StreamedSurface,
    clock: Clock,
    grid: OfdmGrid,
    plan: BurstPlan,
    patterns: Patterns,
    terms: CaptureTerms,
) -> SoundingBlock:
    """Sound patterns in as few captures as it takes, `plan.num_patterns` in each.

    Raises BoardReset, Overload or MeasurementError where `terms.max_retakes + 1` captures do not bring all of them.
    """

    def take(some: Patterns, missing: Int[np.ndarray, "missing"]) -> tuple[SoundingBlock, Bool[np.ndarray, "missing"]]:
        spare = int(missing.size < len(some))  # the first step must be clear, and is not into any pattern
        shown = np.concatenate([some[:spare], some[missing]])
        hearing = TrackHearing(grid, plan.num_taps)
        surface.apply(terms.shown_before(shown[0], surface.states), None if surface.timing.stream_s else shown[0])
        sdr.begin_capture(plan.num_samples(len(shown), grid), piece_samples=PIECE_SAMPLES)
        clock.sleep(plan.head_s)
        settled_s = surface.stream(shown, plan.still_s)
        capture = sdr.end_capture(hearing.hear)
        _require_held(surface, shown[-1])
        require_no_overload(capture, "burst")
        block, good = split_burst(capture, settled_s, grid, plan, referred=terms.referred, hearing=hearing)
        return block[spare:], good[spare:]

    blocks: list[SoundingBlock] = []
    for start in range(0, len(patterns), plan.num_patterns):
        some = patterns[start : start + plan.num_patterns]
        blocks.append(until_whole(partial(take, some), len(some), terms.max_retakes, "burst"))
    return SoundingBlock.join(blocks)


def split_burst(
    capture: Capture,
    settled_s: Float[np.ndarray, "pattern"],
    grid: OfdmGrid,
    plan: BurstPlan,
    *,
    referred: bool = False,
    hearing: TrackHearing | None = None,
) -> tuple[SoundingBlock, Bool[np.ndarray, "pattern"]]:
    """The soundings of a burst, referred to the capture's first sample, and which of them are good.

    settled_s: from when on each pattern stands still, on the clock of `capture.time_s`; NaN where that is not known.
    referred: beside them stands what was heard before the burst, or what a second receiver heard.
    hearing: heard the capture arrive.
    Raises MeasurementError where the patterns' changes do not tell when the capture started.
    """
    heard, capture = capture, steadied(capture, grid)
    tuned = Tuned.of_one_radio(capture) if plan.apart_lo_hz is None else tune(capture, grid, plan.apart_lo_hz)
    samples, rate_hz = tuned.capture.samples, grid.sample_rate_hz * tuned.pace
    length, still = plan.repetitions * grid.fft_size, int(plan.still_s * rate_hz)
    planned = (np.nan_to_num(settled_s, nan=capture.time_s) - capture.time_s) * rate_hz
    if hearing is None or samples is not heard.samples:
        hearing = TrackHearing(grid, plan.num_taps)
    late = _late(hearing.track(samples), planned, still, grid, plan)
    repeated = hearing.repeated_from(samples)
    starts = np.floor(planned - late).astype(int)
    good = np.isfinite(settled_s) & (starts >= 0) & (starts + still <= samples.size)
    starts = np.clip(starts, 0, samples.size - still)
    if plan.apart_lo_hz is not None:
        samples = _followed(tuned, starts[good], still, grid, plan).capture.samples
    middle = starts + (still - length) // 2
    response, scatter = demodulate_dwells(samples, middle, grid, plan.repetitions)
    good &= is_still(samples, starts, still, grid, plan.num_taps)
    good &= starts + still <= (samples.size if repeated is None else repeated)
    good = _before_slip(response, good, grid, plan)
    reference = dwell_references(capture, middle, grid, plan.repetitions)
    if reference is None and referred:
        reference = capture_references(samples[: int(planned[0] - late - plan.before_s * rate_hz)], grid, len(starts))
    noise_var, by_subcarrier = usual_noise(scatter, good, grid, plan.repetitions)
    time_s = capture.time_s + starts / rate_hz
    return SoundingBlock.of_capture(response, noise_var, time_s, reference, by_subcarrier), good


def _followed(tuned: Tuned, starts: Int[np.ndarray, "dwell"], still: int, grid: OfdmGrid, plan: BurstPlan) -> Tuned:
    """The sender's clock followed through all of each dwell that surely shows one pattern."""
    rate_hz = grid.sample_rate_hz * tuned.pace
    surely = max(still, int((plan.pitch_s - plan.before_s - 2 * grid.symbol_s) * rate_hz))
    return follow(tuned, grid, starts[starts + surely <= tuned.capture.samples.size], surely)


def _late(
    track: Complex[np.ndarray, "symbol tap"],
    planned: Float[np.ndarray, "pattern"],
    still: int,
    grid: OfdmGrid,
    plan: BurstPlan,
) -> float:
    """By how many samples the capture began late; planned, still: starts and length of the dwells, in samples."""
    return grid.fft_size * find_start(
        track,
        planned / grid.fft_size,
        still=still / grid.fft_size,
        before=plan.before_s / grid.symbol_s,
        latest=LATEST_START_S / grid.symbol_s,
    )


def _before_slip(
    response: Complex[np.ndarray, "pattern subcarrier"],
    good: Bool[np.ndarray, "pattern"],
    grid: OfdmGrid,
    plan: BurstPlan,
) -> Bool[np.ndarray, "pattern"]:
    """Which of the good ones come before samples are missing."""
    which = np.flatnonzero(good)
    slipped = slipped_from(response[which], grid.fft_size, plan.num_taps) if which.size else None
    return np.isin(np.arange(good.size), which[:slipped])


def _require_held(surface: StreamedSurface, last: Pattern) -> None:
    """Raise BoardReset where the board does not hold the last pattern of a burst, as far as it can be asked."""
    surface.check()
    held = surface.read_pattern()
    if held is not None and not np.array_equal(held, last):
        raise BoardReset("the board holds another pattern than the last one of a burst")
