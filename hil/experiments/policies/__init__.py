"""How a moving user is followed: what to sound in each round, and what is then known of the channel.

`policy` holds the protocol; a file for each family of policies; `make` knows them by name.
"""

from hil.config.track import PolicyConfig
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments.policies.policy import Ask, Heard, Policy
from hil.experiments.policies.progressive import Progressive
from hil.experiments.policies.sweeping import Full, Grouped, Hold, Partial
from hil.experiments.policies.two_timescale import TwoTimescale
from hil.measure.setup import Setup
from hil.measure.sweep import SweepPlan

__all__ = ["Ask", "Heard", "Policy", "make"]


def make(
    config: PolicyConfig,
    setup: Setup,
    plan: SweepPlan,
    estimate: CascadedEstimate,
    time_s: float,
    *,
    stored: bool,
    seed: int = 0,
) -> Policy:
    """The policy of a name, from what the first sweep told.

    plan: of the first sweep. time_s: when that ended. stored: patterns must be stored on the board before they are
    sounded, so that each new one costs time on the link.
    """
    match config.name:
        case "hold":
            return Hold(setup, estimate)
        case "full":
            return Full(setup, estimate, plan)
        case "grouped":
            return Grouped(setup, estimate, config.group, seed)
        case "partial":
            return Partial(setup, estimate, config.patterns)
        case "progressive":
            return Progressive(setup, estimate, config.patterns)
        case "two_timescale":
            return TwoTimescale(config, setup, estimate, plan, time_s, stored=stored)
