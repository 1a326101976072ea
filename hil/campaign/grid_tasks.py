"""What one task of a campaign does. A task knows its place in the grid and nothing else: same place, same numbers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hil.campaign.csi import observe
from hil.campaign.links import Links
from hil.campaign.sites import SCENES, make_site
from hil.engine.stations import STATIONS
from hil.errors import ConfigError
from hil.optimize.algorithms import ALGORITHMS
from hil.optimize.objective import Problem
from hil.optimize.solve import solve
from hil.yamltree import no_such

NO_SURFACE = "no-surface"

Place = Mapping[str, Any]
Row = dict[str, Any]


def run_batch(work: str, places: Sequence[Place], fixed: Mapping[str, Any]) -> list[Row]:
    """Figures of each task, or `error` where it failed, with its `seconds` and `cpu_seconds`. One BLAS thread."""
    with threadpool_limits(1):
        return [_run(WORK[work], place, fixed) for place in places]


def check_channels(scenes: Sequence[str], algorithms: Sequence[str]) -> None:
    """Raise ConfigError for a scene or an algorithm that is not there."""
    for scene in scenes:
        if scene not in SCENES:
            raise ConfigError(f"channels.scenes: {no_such(scene, SCENES)}")
    check_algorithms([name for name in algorithms if name != NO_SURFACE])


def check_algorithms(names: Sequence[str]) -> None:
    """Raise ConfigError for an algorithm that is not there."""
    for name in names:
        if name not in ALGORITHMS:
            raise ConfigError(f"algorithms: {no_such(name, [NO_SURFACE, *ALGORITHMS])}")


def _run(function: Callable[..., Row], place: Place, fixed: Mapping[str, Any]) -> Row:
    began_s, began_cpu_s = time.perf_counter(), time.thread_time()
    try:
        row = function(**place, **fixed)
    except Exception as error:  # noqa: BLE001  whatever it is, the campaign goes on and the row says it
        row = {"error": f"{type(error).__name__}: {error}"}
    cpu_s = time.thread_time() - began_cpu_s
    return row | {"seconds": time.perf_counter() - began_s, "cpu_seconds": cpu_s}


@dataclass(frozen=True)
class Where:
    """A user of an environment, and the surface there. kind: los or nlos. users: how many of each kind there are."""

    scene: str
    size: int
    bits: int
    kind: str
    seed: int
    user: int
    users: int


def channel(*, csi: str, algorithm: str, bound: bool, **where: Any) -> Row:
    """One optimizer for one user, judged over the true channel. where: see `Where`."""
    place = Where(**where)
    links = _links(place)
    if algorithm == NO_SURFACE:
        rate = links.no_surface_mbps()
    else:
        rate = links.rate_mbps(solve(_observed(place, csi), algorithm, seed=place.seed, certify=False))
    row: Row = {"rate_mbps": float(rate[0])}
    if bound:
        limit = _bound(place)
        row |= {"bound_mbps": limit, "fraction": row["rate_mbps"] / limit}
    return row


@lru_cache(maxsize=4)
def _links(where: Where) -> Links:
    """The true channel of one user."""
    site = make_site(where.scene, size=where.size, users=where.users, bits=where.bits, seed=where.seed)
    chosen = [each for each in site.users if each.line_of_sight == (where.kind == "los")][where.user]
    return site.links([chosen])


@lru_cache(maxsize=4)
def _observed(where: Where, csi: str) -> Problem:
    """What the optimizers see of it: noise of its own for each user."""
    noise = int(np.random.SeedSequence([where.seed, where.user, where.kind == "los"]).generate_state(1)[0])
    return observe(_links(where), csi, seed=noise)


@lru_cache(maxsize=4)
def _bound(where: Where) -> float:
    return float(_links(where).bound_mbps()[0])


def closed_loop(
    *,
    testbed: str,
    place: str | None,
    algorithm: str,
    seed: int,
    user: int,
    group: Sequence[int],
    rounds: int,
) -> Row:
    """The whole main job on a station that stands beside this worker; measured rates, and true ones in simulation."""
    from hil.config import ClosedLoopConfig
    from hil.experiments import closed_loop as story
    from hil.testbed import open_testbed

    config = ClosedLoopConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "closed_loop",
            "seed": seed,
            "sweep": {"group": list(group)},
            "optimizer": {"algorithm": algorithm},
            "verification": {"rounds": rounds},
        }
    )
    with STATIONS.alone(testbed) as station, open_testbed(station, user=place) as bed:
        recording = story.new_recording(bed, config, STATIONS.runs)
        told = story.summary(story.run(bed, config, recording))
        recording.finish(told)
    rates = {f"{arm}_mbps": rate for arm, rate in told["rate_mbps"].items()}
    true = {f"true_{arm}_mbps": rate for arm, rate in told["true_rate_mbps"].items()}
    rest = {"outcome": told["outcome"], "run": recording.path.name}
    return {"rate_mbps": told["rate_mbps"]["chosen"], **rates, **true, **rest}


def nothing(**_: object) -> Row:
    """No work: what is left is what a campaign itself costs."""
    return {"rate_mbps": 1.0}


WORK: dict[str, Callable[..., Row]] = {"channel": channel, "closed_loop": closed_loop, "nothing": nothing}
