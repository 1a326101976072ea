"""Last chapter: one pattern watched for a while, to tell the radio's drift from motion in the room."""

from dataclasses import dataclass

import numpy as np

from hil.arrays import Float, Pattern
from hil.experiments.begin import next_step
from hil.interfaces import Progress
from hil.measure.recording import Recording, Step
from hil.measure.repeated import window_of
from hil.measure.stability import Stability, assess
from hil.measure.stepping import SoundingBlock
from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance, advance_between
from hil.phy.taps import delay_profile, place_window
from hil.testbed import Testbed
from hil.units import power_db

REPETITIONS = 16  # symbols of a sounding


@dataclass(frozen=True)
class Watched:
    """Level and phase of each sounding against the first one, and what they mean."""

    stability: Stability
    time_s: Float[np.ndarray, "sounding"]
    level_db: Float[np.ndarray, "sounding"]
    phase_deg: Float[np.ndarray, "sounding"]


def watch(
    testbed: Testbed, recording: Recording, pattern: Pattern, duration_s: float, count: int, progress: Progress
) -> None:
    """Sound one pattern `count` times, evenly over a time; a durable step."""

    def look() -> Step:
        testbed.surface.apply(pattern)
        block = watch_soundings(testbed, duration_s, count, progress)
        return Step(block.records(), testbed.clock.now_s())

    next_step(testbed, recording, "watch", look)


def watch_soundings(testbed: Testbed, duration_s: float, count: int, progress: Progress) -> SoundingBlock:
    """The soundings, of whatever the surface shows."""
    clock = testbed.clock
    soundings = []
    with testbed.on_air():
        sounder = testbed.sounder(REPETITIONS)
        sounder.sound()  # fills the radio's buffers
        started_s = clock.now_s()
        for number in range(count):
            clock.sleep(started_s + number * duration_s / count - clock.now_s())
            soundings.append(sounder.sound())
            if number % 32 == 31 or number == count - 1:
                progress("watching", number + 1, count)
    return SoundingBlock.gather(soundings, [0] * count)


def read_stability(recording: Recording, grid: OfdmGrid, num_taps: int) -> Watched:
    """From the record. Raises RecordingError where it is missing."""
    return stability_of(SoundingBlock.from_records(recording.read("watch").data), grid, num_taps)


def stability_of(block: SoundingBlock, grid: OfdmGrid, num_taps: int) -> Watched:
    """What moved while one pattern was watched: soundings at one common start, where something arrives."""
    samples, _ = advance_between(block.response, block.response[0], grid.fft_size)
    aligned = advance(block.response, samples, grid.fft_size)
    start = place_window(delay_profile(aligned, grid.num_subcarriers).mean(axis=0), num_taps)
    aligned = advance(aligned, np.full(len(aligned), float(start)), grid.num_subcarriers)
    basis = window_of(grid.used, num_taps)
    stability = assess(basis.project(aligned), float(block.noise_var.mean()) * basis.noise_gain, block.time_s)
    common = np.array([np.vdot(aligned[0], response) for response in aligned])
    level_db = 2 * power_db(np.abs(common) / np.abs(common).mean())
    return Watched(stability, block.time_s, level_db, np.degrees(np.unwrap(np.angle(common))))
