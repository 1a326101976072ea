"""The same station with its receive antenna elsewhere, or with something else where the surface stood."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from hil.config import SimulationConfig, SurfaceCondition, TestbedConfig, UserConfig
from hil.testbed.open import open_testbed
from hil.testbed.testbed import Testbed


@contextmanager
def at_place(
    testbed: Testbed, user: UserConfig, condition: SurfaceCondition = "open", visit: int = 0
) -> Iterator[Testbed]:
    """The station after somebody moved its antenna to `user` and made the surface's place as `condition` says.

    Real instruments stay as they are. Simulated ones are made anew, in a world where the user stands there, off by the
    simulation's placement error, drawn anew for each `visit`. Its clock starts at zero: see `Testbed.continue_at`.
    Raises ConfigError for a place where the simulated scene cannot have an antenna.
    """
    config = testbed.config.model_copy(update={"users": (user,)})
    if not config.simulated or config.simulation is None:
        yield replace(testbed, config=config, user=user)
        return
    with open_testbed(_moved(config, config.simulation, user, condition, visit)) as moved:
        yield replace(moved, operator=testbed.operator)


def _moved(
    config: TestbedConfig, simulation: SimulationConfig, user: UserConfig, condition: SurfaceCondition, visit: int
) -> TestbedConfig:
    rng = np.random.default_rng([simulation.seed, visit, *user.name.encode()])
    x, y, z = np.array(user.position_m) + simulation.placement_error_m * rng.standard_normal(3)
    missed = user.model_copy(update={"position_m": (float(x), float(y), float(z))})
    world = simulation.model_copy(update={"surface_condition": condition})
    return config.model_copy(update={"users": (missed,), "simulation": world})
