"""Many patterns in one capture: the radio's own timer starts the capture and pulses the board, a pulse a pattern.

Pattern n is frame n: nothing needs to be found in the samples. But they are asked whether it is true: the first pulse
must have changed the surface where it should, which before showed the complement of the first pattern, and no dwell may
hold a change; the board is asked how many steps it took and whether one came too early. That leaves one mishap unseen:
a lost pulse made up for by another that falls within a change. All patterns of a capture share its start within the
pilot's period, which is the same in each capture, since what is on the air starts with it. Of two radios the one that
receives counts the frames and pulses the board; the other one's pilot starts when it likes, on a crystal of its own.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from hil.arrays import Bool, Complex, Int, Patterns
from hil.errors import MeasurementError
from hil.interfaces import START_SAMPLES, Capture, FrameTrain, SequenceAbility, SurfaceTiming, TriggeringSdr
from hil.measure.clocks import Tuned, follow, tune
from hil.measure.continuity import require_continuous
from hil.measure.dwells import (
    at_delays,
    capture_references,
    dwell_means,
    dwell_references,
    energy,
    still_scatter,
    until_whole,
    usual_noise,
)
from hil.measure.frames import FrameHearing, Frames
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
from hil.measure.sweep import BoardRows
from hil.phy.ofdm import OfdmGrid

GUARD_SAMPLES = START_SAMPLES + 8  # of each dwell: the capture comes late by an unknown part of it
SPARE_SAMPLES = 64  # of each frame's end, in which a block of the radio's ends and the next one waits for its frame
STILL_SYMBOLS = 8  # after the last dwell, to know the noise by
CLEAR_SIGMAS = 8.0  # by which the first change stands out of the noise
WIRE = "look at the wire from the radio's pin L10P to the board's trigger input"


@dataclass(frozen=True)
class TriggerPlan:
    """How frames are sounded: samples of a frame, of the dwell at its end that is still, and of the symbols in it.

    settle_samples: from a pulse until the surface stands still. num_patterns: of one capture, a power of two.
    apart_lo_hz: of two radios with a crystal each, None of one radio.
    """

    ability: SequenceAbility
    frame_samples: int
    settle_samples: int
    num_patterns: int
    repetitions: int
    num_taps: int
    apart_lo_hz: float | None = None

    @property
    def lead_samples(self) -> int:
        """From the start of the capture until the first pulse: spare samples of all frames lie in changes."""
        return self.frame_samples - SPARE_SAMPLES

    @property
    def still_samples(self) -> int:
        """Of a frame, in which the surface stands still; they end `GUARD_SAMPLES` before the next pulse."""
        return self.frame_samples - self.settle_samples - GUARD_SAMPLES

    def lead_symbols(self, grid: OfdmGrid) -> int:
        """Whole ones before the first pulse, in which the surface stands still."""
        return (self.lead_samples - START_SAMPLES) // grid.fft_size

    def ends(self, count: int) -> Int[np.ndarray, "pattern"]:
        """Of the dwells, by the capture's own samples."""
        return np.asarray(self.lead_samples + self.frame_samples * (1 + np.arange(count)) - GUARD_SAMPLES)

    def train(self, count: int, grid: OfdmGrid) -> FrameTrain:
        """Frames for that many patterns."""
        lead = self.lead_samples
        num_samples = lead + count * self.frame_samples + STILL_SYMBOLS * grid.fft_size
        return FrameTrain(self.frame_samples, count, lead, num_samples, SPARE_SAMPLES)


def plan_triggered(
    ability: SequenceAbility | None,
    timing: SurfaceTiming,
    grid: OfdmGrid,
    repetitions: int,
    num_taps: int,
    *,
    max_samples: int = HOST_SAMPLES,
    apart_lo_hz: float | None = None,
) -> TriggerPlan | None:
    """The plan for that many symbols of each pattern; None where the board cannot, or nothing is gained by it.

    max_samples: of one capture, as far as the radio is concerned.
    """
    if ability is None or "trigger" not in ability.sources:
        return None
    settle = math.ceil((timing.update_s + timing.settle_s) * grid.sample_rate_hz)
    settle = max(settle, SPARE_SAMPLES + START_SAMPLES)
    frame = max(
        settle + repetitions * grid.fft_size + GUARD_SAMPLES,
        math.ceil(round(ability.min_dwell_s * grid.sample_rate_hz, 6)),
    )
    plan = TriggerPlan(ability, frame, settle, 1, repetitions, num_taps, apart_lo_hz)
    room = min(max_samples, HOST_SAMPLES) - plan.train(0, grid).num_samples
    count = patterns_that_fit(ability, room // frame)
    return None if count is None else replace(plan, num_patterns=count)


def sound_triggered(
    sdr: TriggeringSdr,
    surface: SelfSteppingSurface,
    grid: OfdmGrid,
    plan: TriggerPlan,
    patterns: Patterns,
    terms: CaptureTerms,
    rows: BoardRows | None = None,
) -> SoundingBlock:
    """Sound patterns in one capture; one in which a pulse went wrong is void, patterns that were disturbed are retaken.

    rows: as of `sound_sequence`.
    Raises BoardReset, Overload or MeasurementError where `terms.max_retakes + 1` captures do not bring all patterns.
    """
    count, intake = len(patterns), terms.intake if plan.apart_lo_hz is None else None

    def take(missing: Int[np.ndarray, "missing"]) -> tuple[SoundingBlock, Bool[np.ndarray, "missing"]]:
        hearing = _hearing(grid, plan, plan.ends(count), intake)
        surface.apply(terms.shown_before(patterns[0], surface.states))
        arm(surface, count, plan.frame_samples / grid.sample_rate_hz, "trigger", rows)
        capture = sdr.capture_frames(plan.train(count, grid), hearing.hear)
        require_shown(surface, count, "triggered", WIRE)
        require_no_overload(capture, "triggered")
        block, good = split_frames(capture, grid, plan, count, referred=terms.referred, hearing=hearing)
        return (block, good) if missing.size == count else (block[missing], good[missing])

    return until_whole(take, count, terms.max_retakes, "train of frames")


def split_frames(
    capture: Capture,
    grid: OfdmGrid,
    plan: TriggerPlan,
    count: int,
    *,
    referred: bool = False,
    hearing: FrameHearing | None = None,
) -> tuple[SoundingBlock, Bool[np.ndarray, "pattern"]]:
    """The soundings of a train's frames, referred to the capture's first sample, and which of them stood still.

    referred: beside them stands what was heard before the first pulse, or what a second receiver heard.
    hearing: heard the capture arrive. Raises MeasurementError where the first pulse did not change the surface.
    """
    heard, capture, length = capture, steadied(capture, grid), plan.repetitions * grid.fft_size
    apart = plan.apart_lo_hz
    tuned = Tuned.of_one_radio(capture) if apart is None else tune(capture, grid, apart)
    ends = np.floor(plan.ends(count) * tuned.pace).astype(int)
    if apart is not None:
        tuned = follow(tuned, grid, ends - plan.still_samples, plan.still_samples)
    samples = tuned.capture.samples
    if hearing is None or samples is not heard.samples:
        hearing = _hearing(grid, plan, ends)
    frames = hearing.frames(samples)
    noise = still_scatter(samples[ends[-1] - length :], grid)
    noise_var = float(noise[grid.used].mean())
    _require_first_change(samples, frames, noise_var, grid, plan)
    require_continuous(frames.repeated, frames.slipped)
    noise_var, by_subcarrier = (
        usual_noise(frames.scatter, frames.good, grid, plan.repetitions) if plan.repetitions > 1 else (noise_var, noise)
    )
    reference = dwell_references(capture, ends - length, grid, plan.repetitions)
    if reference is None and referred:
        head = samples[: plan.lead_symbols(grid) * grid.fft_size]
        reference = capture_references(head, grid, count)
    time_s = capture.time_s + (ends - length) / grid.sample_rate_hz
    return SoundingBlock.of_capture(frames.response, noise_var, time_s, reference, by_subcarrier), frames.good


def _hearing(
    grid: OfdmGrid, plan: TriggerPlan, ends: Int[np.ndarray, "pattern"], intake: Intake | None = None
) -> FrameHearing:
    return FrameHearing(
        grid, ends, plan.still_samples, repetitions=plan.repetitions, num_taps=plan.num_taps, intake=intake
    )


def _require_first_change(
    samples: Complex[np.ndarray, "sample"], frames: Frames, noise: float, grid: OfdmGrid, plan: TriggerPlan
) -> None:
    symbols, freedom = plan.lead_symbols(grid), frames.delays.size
    before = dwell_means(samples, np.zeros(1, dtype=int), grid, symbols)
    height = float(energy(at_delays(frames.response[:1] - before, frames.delays))[0])
    sigmas = (height / (noise * (1 / symbols + 1 / plan.repetitions) * freedom) - 1) * math.sqrt(freedom)
    if sigmas < CLEAR_SIGMAS:
        raise MeasurementError(
            f"triggered: the first pulse's change stands {sigmas:.1f} sigma out of the noise, {CLEAR_SIGMAS:g} are "
            "needed; is the radio's pin L10P wired to the board's trigger input, and the surface seen at all? "
            "Raise ofdm.repetitions, or sweep in another mode"
        )
