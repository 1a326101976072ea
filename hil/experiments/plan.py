"""The plan of a sweep, from its configuration and what is known of the surface."""

import numpy as np

from hil.arrays import Complex
from hil.config import SweepConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry
from hil.measure.roots import RootPlan
from hil.measure.sweep import SweepPlan
from hil.phy.grouping import block_groups


def plan_of(
    config: SweepConfig,
    geometry: Geometry,
    *,
    states: Complex[np.ndarray, "state"],
    plus: int = 0,
    minus: int = 1,
    seed: int = 0,
) -> SweepPlan:
    """Scheme, groups, part and references as the configuration says; of `reference_every: auto` no references yet.

    states: reflection of each state of an element, in any units.
    Raises ConfigError where a part of the sweep, or a single pattern, cannot tell all unknowns.
    """
    groups = None if config.group == (1, 1) else block_groups(geometry, *config.group)
    count = geometry.num_elements
    if config.scheme == "hadamard" and count == 1:
        raise ConfigError(
            "sweep.scheme: `hadamard` cannot tell a single element from the direct channel; take pairs, "
            "hadamard_plus_one or dft"
        )
    if config.scheme == "dft":
        plan: SweepPlan = RootPlan.of_states(config, states, count, seed=seed, groups=groups)
    else:
        plan = SweepPlan.from_config(config, count, plus=plus, minus=minus, seed=seed, groups=groups)
    if config.patterns is not None and config.patterns < plan.num_patterns:
        plan = _part(plan, config.patterns)
    return plan.with_references(config.reference_every) if isinstance(config.reference_every, int) else plan


def _part(plan: SweepPlan, num_patterns: int) -> SweepPlan:
    """The first of its patterns; a pair tells one element or group."""
    least = 2 * plan.num_groups if plan.scheme == "pairs" else plan.num_groups + 1
    if num_patterns < least:
        raise ConfigError(
            f"sweep.patterns: {num_patterns} cannot tell {plan.num_groups} elements or groups and the direct channel; "
            f"at least {least}, or sweep.group for fewer unknowns"
        )
    return plan.only(np.arange(num_patterns))
