"""What simulated hardware costs: the time of a capture through the real driver, world and radio model included."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from hil.config import PathConfig, TestbedConfig
from hil.firmware.profile import load_profile
from hil.interfaces import Progress, no_progress
from hil.phy.ofdm import OfdmGrid
from hil.sim.world import Transmission, World
from hil.testbed import Testbed, open_testbed
from hil.testbed.station import make_world

DWELL_S = 103e-6  # of a pattern in a sequence of the reference board
WAY_M, WAYS = 0.5, 40  # that the user walks to and fro, and how often: nobody stands while he is timed


@dataclass(frozen=True)
class CaptureCost:
    """Milliseconds of one capture; cpu_ms: of this process's processor time."""

    testbed: str
    num_elements: int
    num_samples: int
    mean_ms: float
    median_ms: float
    cpu_ms: float


def capture_cost(
    stations: Iterable[TestbedConfig], *, num_samples: int, captures: int, progress: Progress = no_progress
) -> list[CaptureCost]:
    """Time captures of each station while it radiates, a new pattern before each (not timed)."""
    configs: Sequence[TestbedConfig] = list(stations)
    found = []
    for number, config in enumerate(configs, 1):
        with open_testbed(config) as testbed, testbed.on_air():
            found.append(_time_captures(testbed, num_samples, captures))
        progress("simulated captures", number, len(configs))
    return found


@dataclass(frozen=True)
class WalkingCost:
    """One capture of a sequence of patterns, each shown for `DWELL_S`, while the user walks.

    cpu_ms: of processor time, the world alone. times_still: of that with a user who stands.
    """

    testbed: str
    patterns: int
    speed_m_per_s: float
    cpu_ms: float
    times_still: float


def walking_cost(
    config: TestbedConfig,
    *,
    patterns: int,
    speeds_m_per_s: Sequence[float],
    captures: int = 3,
    spent_s: Callable[[], float] = time.process_time,
) -> list[WalkingCost]:
    """Time captures of a sequence, every pattern new; users walk to and fro beside the first user's place.

    spent_s: processor time of this process so far.
    """
    spent: dict[float, list[float]] = {speed: [] for speed in (0.0, *speeds_m_per_s)}
    worlds = {speed: _world(config, speed) for speed in spent}
    rng, rate_hz = np.random.default_rng(0), config.ofdm.sample_rate_hz
    num_samples = round(patterns * DWELL_S * rate_hz)
    for number in range(captures + 1):
        for speed, world in worlds.items():
            start_s = number * 2 * patterns * DWELL_S
            _show_sequence(world, start_s, patterns, rng)
            begun_s = spent_s()
            world.receive(start_s, num_samples, sample_rate_hz=rate_hz, lo_hz=config.radio.lo_hz)
            spent[speed].append(spent_s() - begun_s)
    typical = {speed: 1e3 * median(each[1:]) for speed, each in spent.items()}  # the first one fills tables
    return [
        WalkingCost(config.name, patterns, speed, cpu_ms, cpu_ms / typical[0.0]) for speed, cpu_ms in typical.items()
    ]


def _world(config: TestbedConfig, speed_m_per_s: float) -> World:
    """The physics of the station, its frame on the air, its first user walking for as long as anybody looks."""
    user = config.users[0]
    if speed_m_per_s:
        x, y, z = user.position_m
        path = PathConfig(to_m=((x, y + WAY_M, z), (x, y, z)) * (WAYS // 2), speed_m_per_s=speed_m_per_s)
        user = user.model_copy(update={"path": path})
    world = make_world(config, load_profile(config.surface.profile), user)
    grid = OfdmGrid.from_config(config.ofdm)
    frame = grid.transmit_frame(config.radio.frame_peak_dbfs)
    world.radiate(Transmission(frame, True, grid.sample_rate_hz, config.radio.lo_hz, 0.0), 0.0)
    return world


def _show_sequence(world: World, start_s: float, patterns: int, rng: np.random.Generator) -> None:
    num_elements = world.pattern_at(0.0).size
    for number in range(patterns):
        world.set_pattern(rng.integers(0, 2, num_elements, dtype=np.uint8), start_s + number * DWELL_S)


def _time_captures(testbed: Testbed, num_samples: int, captures: int) -> CaptureCost:
    geometry = testbed.surface.geometry
    rng = np.random.default_rng(0)
    testbed.sdr.capture(num_samples)  # what a new size costs once is no cost of a sweep
    wall_s, cpu_s = [], 0.0
    for _ in range(captures):
        testbed.surface.apply(rng.integers(0, 2, geometry.num_elements).astype(np.uint8))
        started_s, busy_s = time.perf_counter(), time.process_time()
        testbed.sdr.capture(num_samples)
        wall_s.append(time.perf_counter() - started_s)
        cpu_s += time.process_time() - busy_s
    name, each_ms = testbed.config.name, 1e3 / captures
    return CaptureCost(
        name, geometry.num_elements, num_samples, 1e3 * fmean(wall_s), 1e3 * median(wall_s), each_ms * cpu_s
    )
