"""What is on the surface after some seconds: the peers' way, a search by power, and the closed loop, from one start.

The peers' way is the published scripts' for the same board (lauravmorenoc/DKS): a tone, groups of elements flipped one
after another, 50 ms of sleep after each pattern, 20 reads of 50,000 samples for each look at its power, what was
better is kept. Here it runs on the same drivers, in the same simulated room, its sleeps and reads on the same clock.
It is given what it does not have: the station's sample rate, so that a read lasts as short as possible, and the same
mean radiated power. Columns are its groups; where two rounds over all of them change nothing it has come to its end.

Rates are true ones, of the pattern that a method held as the best at that time; time counts from the first command.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np

from hil.arrays import Complex, Pattern
from hil.config import ClosedLoopConfig, OptimizerConfig, PowerOnlyConfig, SweepConfig, TestbedConfig
from hil.config.power_only import SearchConfig
from hil.estimation.estimate import estimate_channel
from hil.experiments import power_only
from hil.experiments.begin import begin
from hil.experiments.choose import choose_patterns
from hil.experiments.sound import sound_surface
from hil.experiments.stage import on_stage, rates_by_power, sound_on_stage, stage_mode
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording, Step
from hil.measure.self_stepping import complement
from hil.phy.grouping import column_groups
from hil.testbed import Testbed, open_testbed
from hil.units import amplitude_from_db

SLEEP_S = 0.05
READS, READ_SAMPLES = 20, 50_000
TONE_CYCLES, TONE_SAMPLES = 40, 1000  # a tone at 4 % of the sample rate
QUIET_ROUNDS = 2
BLOCK = (2, 2)  # elements that switch together at the second look
PAIRS = 4

History = list[tuple[float, Pattern]]
"""(time in s since the first command, best pattern from then on)."""


@dataclass(frozen=True)
class Reached:
    """One method for one user.

    true_mbps, worst_mbps: true rate after each of the asked times, mean over the worlds and in the worst of them.
    end_s: when the last pattern was found, on average.
    """

    method: str
    user: str
    worlds: int
    start_mbps: float
    true_mbps: dict[str, float]
    worst_mbps: dict[str, float]
    end_s: float


def compare(
    station: Callable[[int], TestbedConfig],
    users: Sequence[str],
    *,
    worlds: int,
    after_s: Sequence[float] = (2.0, 10.0, 60.0),
    folder: Path,
    progress: Progress = no_progress,
) -> list[Reached]:
    """All methods for each user. station: the testbed of one world, by its number from 1 on. folder: for recordings."""
    rows = []
    for user in users:
        for method, way in WAYS.items():
            found = []
            for world in range(1, worlds + 1):
                with open_testbed(station(world), user=user) as testbed:
                    found.append(_rates(testbed, way(testbed, folder, max(after_s)), after_s))
                progress(f"{method}, {user}", world, worlds)
            rows.append(_row(method, user, found, after_s))
    return rows


def flip_on_tone(testbed: Testbed, until_s: float) -> History:
    """The peers' way."""
    clock, surface = testbed.clock, testbed.surface
    begin_s = clock.now_s()
    pattern = np.zeros(surface.geometry.num_elements, dtype=np.uint8)
    groups = column_groups(surface.geometry)
    turn = cycle(range(int(groups.max()) + 1))
    try:
        testbed.sdr.transmit(_tone(testbed))
        best = _look(testbed, pattern)
        history, unchanged = [(clock.now_s() - begin_s, pattern)], 0
        while clock.now_s() - begin_s < until_s and unchanged < QUIET_ROUNDS * surface.geometry.cols:
            flipped = np.where(groups == next(turn), complement(pattern, testbed.surface.states), pattern)
            level = _look(testbed, flipped)
            unchanged += 1
            if level > best:
                best, pattern, unchanged = level, flipped, 0
                history.append((clock.now_s() - begin_s, pattern))
    finally:
        testbed.sdr.quiet()
    return history


def sound_and_choose(testbed: Testbed, folder: Path, _until_s: float) -> History:
    """The closed loop from coarse to fine: whole columns, small blocks, all elements; a pattern from each look.

    Each new pattern has to be better than the one before it by fresh soundings of both.
    """
    recording = begin(testbed, ClosedLoopConfig(schema="hil-experiment/1", kind="closed_loop"), folder)
    begin_s, history, setup = testbed.clock.now_s(), [], testbed.setup
    held = np.zeros(setup.num_elements, dtype=np.uint8)
    for stage, group in (("columns", (setup.rows, 1)), ("blocks", BLOCK), ("elements", (1, 1))):
        sweep = sound_surface(testbed, recording, SweepConfig(group=group), stage=stage)
        choice = choose_patterns(estimate_channel(sweep, setup), sweep, setup, OptimizerConfig(algorithm="tap-space"))
        held = _better(testbed, recording, stage, held, choice.patterns["chosen"])
        testbed.surface.apply(held)
        history.append((testbed.clock.now_s() - begin_s, held))
    return history


def _better(testbed: Testbed, recording: Recording, stage: str, held: Pattern, new: Pattern) -> Pattern:
    """Of two patterns the one of higher rate, sounded by turns."""
    setup, repetitions = testbed.setup, testbed.config.ofdm.repetitions
    begun = recording.step(f"{stage}/pair", lambda: Step(np.empty(0), testbed.clock.now_s()))
    with on_stage(testbed, recording, f"{stage}/pair", begun, repetitions=repetitions, max_retakes=5) as sounder:
        pairs = np.tile(np.stack([held, new]), (PAIRS, 1))
        sounded = sound_on_stage(testbed, sounder, pairs, stage_mode(testbed, repetitions), max_retakes=5)
    rates = rates_by_power(sounded, setup)
    return new if np.mean(rates[1::2]) > np.mean(rates[0::2]) else held


def search_by_power(testbed: Testbed, folder: Path, _until_s: float, *, method: str) -> History:
    """Power alone, by our soundings: two searches, the second with eight times the soundings of the first."""
    begin_s, history = testbed.clock.now_s(), []
    for budget in (128, 1024):
        search = SearchConfig.model_validate({"method": method, "budget": budget, "repetitions": 4})
        plan = PowerOnlyConfig(schema="hil-experiment/1", kind="power_only", search=search)
        recording = begin(testbed, plan, folder)
        power_only.search_on_air(testbed, recording, plan.search)
        chosen = power_only.load_search(recording).patterns["chosen"]
        history.append((testbed.clock.now_s() - begin_s, chosen))
    return history


WAYS: dict[str, Callable[[Testbed, Path, float], History]] = {
    "peers: column flips on a tone": lambda testbed, _folder, until_s: flip_on_tone(testbed, until_s),
    "power only: column flips": partial(search_by_power, method="flips_column"),
    "power only: conditional mean": partial(search_by_power, method="conditional_mean"),
    "closed loop": sound_and_choose,
}


def _tone(testbed: Testbed) -> Complex[np.ndarray, "sample"]:
    """A tone of the pilots' mean power: |x|^2 of a complex exponential is what |x|^2 of the pilots is on average."""
    level_dbfs = testbed.grid.mean_power_dbfs + testbed.config.radio.frame_peak_dbfs
    turn = np.exp(2j * np.pi * TONE_CYCLES * np.arange(TONE_SAMPLES) / TONE_SAMPLES)
    return np.asarray(amplitude_from_db(level_dbfs) * turn, dtype=np.complex64)


def _look(testbed: Testbed, pattern: Pattern) -> float:
    """Show a pattern, sleep, read the tone's power many times."""
    testbed.surface.apply(pattern)
    testbed.clock.sleep(SLEEP_S)
    return float(np.mean([_read(testbed) for _ in range(READS)]))


def _read(testbed: Testbed) -> float:
    samples = testbed.sdr.capture(READ_SAMPLES).samples
    whole = samples[: len(samples) // TONE_SAMPLES * TONE_SAMPLES].reshape(-1, TONE_SAMPLES)
    return float(np.mean(np.abs(np.fft.fft(whole, norm="forward")[:, TONE_CYCLES]) ** 2))


def _rates(testbed: Testbed, history: History, after_s: Sequence[float]) -> list[float]:
    """True rates: at the start, after each of the times; then when the last pattern was found."""
    truth = testbed.truth
    assert truth is not None, "a station of software has a truth"
    start = np.zeros(testbed.surface.geometry.num_elements, dtype=np.uint8)
    held = [start, *(_held(history, time_s, start) for time_s in after_s)]
    return [*(testbed.setup.rate_mbps(truth.response(pattern)) for pattern in held), history[-1][0]]


def _held(history: History, time_s: float, start: Pattern) -> Pattern:
    """The pattern that was the best known one at a time."""
    return [start, *(pattern for found_s, pattern in history if found_s <= time_s)][-1]


def _row(method: str, user: str, found: list[list[float]], after_s: Sequence[float]) -> Reached:
    values = np.array(found)
    names = [f"{time_s:g} s" for time_s in after_s]
    rates = values[:, 1:-1]
    return Reached(
        method,
        user,
        len(values),
        float(values[:, 0].mean()),
        dict(zip(names, rates.mean(axis=0).tolist(), strict=True)),
        dict(zip(names, rates.min(axis=0).tolist(), strict=True)),
        float(values[:, -1].mean()),
    )
