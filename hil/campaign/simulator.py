"""What simulated hardware costs: the time of a capture through the real driver, world and radio model included."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from hil.config import TestbedConfig
from hil.interfaces import Progress, no_progress
from hil.testbed import Testbed, open_testbed


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
    stations: Iterable[TestbedConfig], *, num_samples: int = 8192, captures: int = 200, progress: Progress = no_progress
) -> list[CaptureCost]:
    """Time captures of each station while it radiates, a new pattern before each (not timed)."""
    configs: Sequence[TestbedConfig] = list(stations)
    found = []
    for number, config in enumerate(configs, 1):
        with open_testbed(config) as testbed, testbed.on_air():
            found.append(_time_captures(testbed, num_samples, captures))
        progress("simulated captures", number, len(configs))
    return found


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
