"""The tasks of a campaign: every combination of the lists in its file, for every user and environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from hil.config.campaign import CampaignConfig, ChannelsConfig, StationsConfig
from hil.engine.stations import testbed_tag
from hil.engine.work import COMPUTE

KINDS = ("los", "nlos")


class TaskId(NamedTuple):
    """Which study of a campaign, which cell of its grid, which replicate of the cell."""

    study: int
    cell: int
    replicate: int


@dataclass(frozen=True, eq=False)
class Study:
    """A grid. A cell is a combination of its axes; its replicates run through environments first, then through users.

    work: name of what is done, see `grid_tasks.WORK`. value: the figure whose mean decides when a cell has enough.
    shared: axes that, with environment and user, tell what tasks have in common (a channel): they travel together.
    fixed: what every task is told beside its place in the grid.
    """

    name: str
    work: str
    axes: Mapping[str, tuple[Any, ...]]
    seeds: int
    users: int = 1
    value: str = "rate_mbps"
    shared: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    first_seed: int = 0

    @cached_property
    def cells(self) -> tuple[dict[str, Any], ...]:
        return tuple(dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values()))

    @property
    def replicates(self) -> int:
        return self.seeds * self.users

    @property
    def num_tasks(self) -> int:
        return len(self.cells) * self.replicates

    def place(self, cell: int, replicate: int) -> dict[str, Any]:
        """Where a task stands in the grid, in words; its row begins with this."""
        user, seed = divmod(replicate, self.seeds)
        return {**self.cells[cell], "seed": self.first_seed + seed, "user": user}

    def tag(self, cell: int) -> str:
        """What a worker must offer."""
        testbed = self.cells[cell].get("testbed")
        return COMPUTE if testbed is None else testbed_tag(testbed)

    def group(self, cell: int, replicate: int) -> tuple[Any, ...]:
        """Equal for tasks that share something."""
        if not self.shared:
            return (self.name, cell, replicate)
        return (self.name, *(self.cells[cell][axis] for axis in self.shared), replicate)


def studies_of(config: CampaignConfig) -> tuple[Study, ...]:
    """The grids of a file. Raises ConfigError for unknown scenes and algorithms."""
    found = []
    if config.channels is not None:
        found.append(_channels(config.channels, config.seed))
    if config.stations is not None:
        found.append(_stations(config.stations, config.seed))
    return tuple(found)


def _channels(config: ChannelsConfig, seed: int) -> Study:
    from hil.campaign.grid_tasks import check_channels

    check_channels(config.scenes, config.algorithms)
    axes = {
        "scene": config.scenes,
        "size": tuple(sorted(config.sizes, reverse=True)),  # long tasks first: none is left alone at the end
        "bits": config.bits,
        "csi": config.csi,
        "kind": KINDS,
        "algorithm": config.algorithms,
    }
    fixed = {"users": config.users, "bound": config.bound}
    shared = ("scene", "size", "bits", "kind")
    return Study("channels", "channel", axes, config.seeds, config.users, shared=shared, fixed=fixed, first_seed=seed)


def _stations(config: StationsConfig, seed: int) -> Study:
    from hil.campaign.grid_tasks import check_algorithms

    check_algorithms(config.algorithms)
    axes = {"testbed": config.testbeds, "place": config.places, "algorithm": config.algorithms}
    fixed = {"group": config.group, "rounds": config.rounds}
    return Study("stations", "closed_loop", axes, config.seeds, fixed=fixed, first_seed=seed)
