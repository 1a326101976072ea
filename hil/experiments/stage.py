"""Soundings whose patterns follow from those before: a stage on the air, one durable step at a time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from hil.arrays import Float, Patterns
from hil.errors import RecordingError
from hil.experiments.begin import begin_stage, ready_sounder
from hil.experiments.listen import listen_first
from hil.interfaces import SweepMode
from hil.measure.recording import Recording, Step
from hil.measure.setup import Setup
from hil.measure.sounder import Sounder
from hil.measure.stepping import SoundingBlock, sound_patterns
from hil.measure.sweep import pattern_floor_s
from hil.optimize.power_only import PowerSearch
from hil.testbed import Testbed


@contextmanager
def on_stage(
    testbed: Testbed, recording: Recording, stage: str, begin: Step, *, repetitions: int, max_retakes: int
) -> Iterator[Sounder]:
    """On the air, begun in the same way whether anything of the stage is recorded or not; quiet afterwards.

    Before it the band is listened to.

    begin: the stage's first step. Inside, the time of a simulated testbed is that of the last recorded step.
    """
    testbed.continue_at(begin.time_s)
    listen_first(testbed, recording, stage)
    with testbed.on_air():
        sounder = ready_sounder(testbed, repetitions, max_retakes)
        testbed.continue_at(recording.time_s)
        yield sounder


def sound_on_stage(
    testbed: Testbed, sounder: Sounder, patterns: Patterns, mode: SweepMode, *, max_retakes: int
) -> Step:
    """Patterns as one durable step, `stepped` or `pipelined`; depends on the time at which it starts only."""
    started_s, timing = testbed.clock.now_s(), testbed.surface.timing
    soundings = sound_patterns(sounder, testbed.surface, patterns, mode=mode, max_retakes=max_retakes)
    ended_s = testbed.clock.now_s()
    floor_s = pattern_floor_s(timing, mode, capture_s=sounder.capture_s, turnaround_s=testbed.turnaround_s)
    times = {"radio_time_s": ended_s - started_s, "floor_s": len(patterns) * floor_s}
    return Step(soundings.records(), ended_s, {"resets": soundings.resets, **times})


def stage_mode(testbed: Testbed, repetitions: int) -> SweepMode:
    """The fastest for a few patterns that nobody knew before."""
    return "pipelined" if "pipelined" in testbed.sweep_modes(repetitions) else "stepped"


def search_on_stage(
    testbed: Testbed,
    recording: Recording,
    stage: str,
    search: PowerSearch,
    *,
    states: Callable[[Any], Patterns],
    figures: Callable[[Step], Float[np.ndarray, "sounding"]],
    repetitions: int | None = None,
    max_retakes: int = 5,
) -> Iterator[int]:
    """Ask, sound, tell, until the search is done; yields the number of soundings after each question.

    Each question is a durable step `stage/000064`, by the soundings before it; what is recorded is told, not sounded.
    states: patterns on the surface of what the search asks for. figures: what it is told of a step.
    Raises RecordingError where the recording holds other patterns than this search asks for.
    """
    begin = begin_stage(testbed, recording, stage)
    symbols = repetitions or testbed.config.ofdm.repetitions
    mode, asked = stage_mode(testbed, symbols), 0
    with ExitStack() as on_air:
        sounder: Sounder | None = None
        while not search.done:
            name, patterns = f"{stage}/{asked:06d}", states(search.ask())
            _require_same(recording, f"{name}/patterns", patterns)
            if name not in recording:
                recording.set_aside(_later(recording, stage, asked))
                sounder = sounder or on_air.enter_context(
                    on_stage(testbed, recording, stage, begin, repetitions=symbols, max_retakes=max_retakes)
                )
                recording.append(name, sound_on_stage(testbed, sounder, patterns, mode, max_retakes=max_retakes))
            search.tell(figures(recording.read(name)))
            asked += len(patterns)
            yield asked


def radio_times(recording: Recording, stages: Iterable[str]) -> dict[str, float | None]:
    """Radio time of those sweeps and searches that were made, and the least that link, surface and radio allow.

    The least is None where one of them did not record its own.
    """
    steps = [[recording.facts(name) for name in recording.names if name.rpartition("/")[0] == each] for each in stages]
    times_s, floors_s = (
        [sum(facts.get(key, 0.0) for facts in stage) for stage in steps if stage] for key in ("radio_time_s", "floor_s")
    )
    return {"radio_time_s": sum(times_s), "radio_time_floor_s": sum(floors_s) if all(floors_s) else None}


def channel_powers(step: Step, setup: Setup) -> Float[np.ndarray, "sounding subcarrier"]:
    """|h|^2 of each sounding on each used subcarrier, the noise's own power subtracted: unbiased, may be negative."""
    soundings = SoundingBlock.from_records(step.data, step.facts["resets"])
    power = np.abs(soundings.response[:, setup.grid.used]) ** 2 - soundings.noise_var[:, None]
    return np.asarray(setup.budget.scale**2 * power, dtype=float)


def rates_by_power(step: Step, setup: Setup) -> Float[np.ndarray, "sounding"]:
    """Mbit/s that the powers of each sounding allow; unused subcarriers carry nothing.

    Simplification: noise that is left in the powers lowers these rates a little; for patterns of nearly the same rate
    by the same amount, so that comparisons hold.
    """
    powers = channel_powers(step, setup)
    amplitude = np.zeros((len(powers), setup.grid.num_subcarriers), dtype=complex)
    amplitude[:, setup.grid.used] = np.sqrt(np.maximum(powers, 0))
    return np.array([setup.rate_mbps(each) for each in amplitude])


def _later(recording: Recording, stage: str, asked: int) -> list[str]:
    """Questions of a search behind one whose answer is damaged: they follow from it."""
    numbered = (name for name in recording.names if name.startswith(f"{stage}/"))
    return [
        name for name in numbered if (number := name.split("/")[stage.count("/") + 1]).isdigit() and int(number) > asked
    ]


def _require_same(recording: Recording, name: str, patterns: Patterns) -> None:
    """Keep what the search asks for, or find that it asks for what was kept."""
    held = recording.step(name, lambda: Step(patterns, recording.time_s)).data
    if not np.array_equal(held, patterns):
        raise RecordingError(
            f"{recording.path}: {name}: the search asks for other patterns here than where the run began; "
            "begin a new run"
        )
