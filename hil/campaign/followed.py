"""Users who walk as the paper's do, followed by the loop of `hil.experiments.track`: what Figs. 8 and 9 are drawn from.

One track is one user with one budget of epochs, a run directory of its own, from which the rows are read. In each round
the loop sweeps the whole surface, estimates, goes on training from what the last round left, and applies; its judge is
the true channel, as the new pattern begins to serve. Users go so slowly that a sweep sees them stand, and the surface
serves while they go `step_m`. The board is the reference board with as many elements as are asked for, one bit each.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from hil.campaign.shipped import CONFIGS
from hil.campaign.walks import walkers
from hil.campaign.workbook import Workbook
from hil.config import SweepConfig, TestbedConfig, TrackConfig, UserConfig
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments import track
from hil.experiments.begin import begin
from hil.experiments.track import TrackResult
from hil.experiments.tracking.round_record import CONVERGED, epochs_to
from hil.firmware.profile import FOLDER
from hil.interfaces import SweepMode
from hil.measure.sweep import SweepPlan
from hil.testbed import open_testbed
from hil.units import wavelength_m
from hil.yamlfile import load_yaml

STATION = CONFIGS / "testbeds/sim-64x64-walk.yaml"
BOARD = FOLDER / "reference-64x64.yaml"
NETWORK = "neural-prior-paper"
ELEMENT_SYMBOLS = 256  # of a sounding, times elements a side: what a small surface adds must be told too
STILL = 1 / 64  # wavelengths that a user goes during a sweep
BY_ITSELF = 64  # elements a side from which on users of all kinds hear the board's own steps; else pattern by pattern
ON_AIR_S = 1e6  # that the licence allows in simulation
LIMITED = (5, 20)  # epochs of a round


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a user's first sweep told, before he sets off at `start_s`."""

    plan: SweepPlan
    estimate: CascadedEstimate
    sweep: SweepConfig
    sweep_s: float

    @property
    def start_s(self) -> float:
        return 2 * self.sweep_s


def station_of(size: int, folder: Path) -> TestbedConfig:
    """The paper's link with a board of size x size elements, whose profile is written into a folder."""
    text = BOARD.read_text().replace("rows: 64", f"rows: {size}").replace("cols: 64", f"cols: {size}")
    profile = folder / f"reference-{size}x{size}.yaml"
    profile.write_text(text)
    overrides = {"surface.profile": str(profile), "safety.max_duration_s": ON_AIR_S}
    return load_yaml(STATION, TestbedConfig, overrides)


def loop_of(
    step_m: float,
    rounds: int,
    learnt: Learnt,
    speed_m_per_s: float,
    *,
    epochs: int,
    first_epochs: int,
    warm: bool,
    seed: int,
) -> TrackConfig:
    """The experiment of one track: the first of its rounds where the user sets out, `step_m` from one to the next."""
    period_s = step_m / speed_m_per_s
    return TrackConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "track",
            "seed": seed,
            "duration_s": (rounds - 0.5) * period_s,
            "policy": {"name": "full"},
            "sweep": learnt.sweep,
            "optimizer": {"algorithm": NETWORK, "starts": 1, "epochs": epochs, "polish": False},
            "first_epochs": first_epochs,
            "warm": warm,
            "serve_s": max(period_s - learnt.sweep_s, 0.0),
            "judge_every_s": "round",
        }
    )


def users_of(station: TestbedConfig, kind: str, count: int) -> list[UserConfig]:
    """Users of Table I, each of whom walks straight in a random direction, at constant height."""
    everyone = walkers(station, count, 1.0, 0.0, 3.0)
    return [user for user in everyone if user.name.startswith(f"{kind}-")]


def follow(
    station: TestbedConfig,
    user: UserConfig,
    walks: Mapping[float, int],
    budgets: Mapping[str, tuple[int, bool]],
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of one user: of each walk (rounds by step), each budget (epochs, warm) by name, each round."""
    standing = station.model_copy(update={"users": (user.model_copy(update={"path": None}),)})
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        learnt = _learn(standing, Path(folder), seed)
        speed = STILL * wavelength_m(station.radio.lo_hz) / learnt.sweep_s
        assert user.path is not None, "see `users_of`"
        path = user.path.model_copy(update={"speed_m_per_s": speed, "start_s": learnt.start_s})
        walking = station.model_copy(update={"users": (user.model_copy(update={"path": path}),)})
        for step_m, rounds in walks.items():
            best_mbps: dict[float, float] = {}
            first = max(epochs for epochs, _ in budgets.values())
            for name, (epochs, warm) in budgets.items():
                experiment = loop_of(
                    step_m, rounds, learnt, speed, epochs=epochs, first_epochs=first, warm=warm, seed=seed
                )
                result = _track(walking, experiment, learnt, Path(folder), best_mbps)
                rows += [{"budget": name, "step_m": step_m, **row} for row in rows_of(result)]
    return rows


def followed(workbook: Workbook, kind: str) -> list[dict[str, Any]]:
    """Means over users of one kind, a row for each walk, budget and round; a track that is done is not made again."""
    effort, folder = workbook.effort, workbook.folder / "boards"
    folder.mkdir(parents=True, exist_ok=True)
    station = station_of(effort.loop_size, folder)
    settings = {"size": effort.loop_size, "walks": list(effort.loop_walks.items()), "epochs": effort.loop_epochs}
    budgets = {"cold": (effort.loop_epochs, False), "warm": (effort.loop_epochs, True)}
    budgets |= {f"{epochs} epochs": (epochs, True) for epochs in LIMITED if epochs < effort.loop_epochs}
    users = users_of(station, kind, effort.loop_users)
    rows = []
    for number, user in enumerate(users):
        workbook.progress(f"follow {kind}", number, len(users))
        track_user = partial(follow, station, user, effort.loop_walks, budgets, workbook.seed)
        rows.append(workbook.cell(f"followed-{user.name}", settings, track_user))
    workbook.progress(f"follow {kind}", len(users), len(users))
    return [{"kind": kind, "users": len(users), **row} for row in _means(rows)]


def _means(users: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """users: rows of each, in the same order. Epochs are to 99 % of the best that any budget reached in that round."""
    rows = []
    for at_once in zip(*users, strict=True):
        first = at_once[0]
        same = [[other for other in user if _place(other) == _place(first)] for user in users]
        starts = [next(row for row in user if row["round"] == 1 and row["budget"] == "warm") for user in users]
        best = [max(row["history_mbps"][-1] for row in here) for here in same]
        pairs = zip(at_once, best, strict=True)
        begun = list(zip(at_once, starts, strict=True))
        rows.append(
            {
                **{name: first[name] for name in ("budget", "step_m", "round")},
                "walked_m": fmean(row["walked_m"] for row in at_once),
                "epochs": fmean(epochs_to(CONVERGED * most, row["history_mbps"]) for row, most in pairs),
                "of_rate_at_start": fmean(row["rate_mbps"] / start["rate_mbps"] for row, start in begun),
                "of_optimum_here": fmean(row["rate_mbps"] / row["optimum_mbps"] for row in at_once),
                "hold_of_rate_at_start": fmean(row["hold_mbps"] / start["hold_mbps"] for row, start in begun),
                "hold_of_optimum_here": fmean(row["hold_mbps"] / row["optimum_mbps"] for row in at_once),
            }
        )
    return rows


def _place(row: Mapping[str, Any]) -> tuple[float, int]:
    return row["step_m"], row["round"]


def rows_of(result: TrackResult) -> list[dict[str, Any]]:
    """What a run directory tells of each of its rounds, for figures over the distance from the start."""
    assert result.truth is not None, "a station of software has a truth"
    user = result.setup.testbed.user(result.setup.user)
    judged = zip(result.rounds, result.truth, strict=True)
    return [
        {
            "round": each.number,
            "walked_m": user.walked_m(each.applied_s),
            "history_mbps": each.history_mbps,
            "rate_mbps": float(true["configured_mbps"]),
            "hold_mbps": float(true["hold_mbps"]),
            "optimum_mbps": float(true["optimum_mbps"]),
        }
        for each, true in judged
    ]


def _learn(station: TestbedConfig, folder: Path, seed: int) -> Learnt:
    with open_testbed(station) as testbed:
        symbols = max(2, ELEMENT_SYMBOLS // testbed.surface.geometry.rows)
        mode: SweepMode = "sequence" if testbed.surface.geometry.rows >= BY_ITSELF else "pipelined"
        sweep = SweepConfig(scheme="hadamard", mode=mode, repetitions=symbols)
        experiment = TrackConfig(schema="hil-experiment/1", kind="track", seed=seed, sweep=sweep)
        plan, estimate = track.learn(testbed, begin(testbed, experiment, folder), experiment)
        return Learnt(plan, estimate, sweep, testbed.clock.now_s())


def _track(
    station: TestbedConfig, experiment: TrackConfig, learnt: Learnt, folder: Path, best_mbps: dict[float, float]
) -> TrackResult:
    with open_testbed(station) as testbed:
        testbed.continue_at(learnt.start_s)
        recording = begin(testbed, experiment, folder)
        return track.follow(testbed, recording, experiment, learnt.plan, learnt.estimate, known=best_mbps)
