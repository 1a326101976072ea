"""The bench of walking users: its cases are valid, its walks leave the first sweep in peace, differences are paired."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hil.campaign import tracks
from hil.campaign.track_cases import CONFIGS, POLICIES, cases, loop_of
from hil.campaign.tracks import Case, compare, walkers
from hil.config import TrackConfig
from hil.errors import ConfigError
from hil.experiments import track
from hil.yamlfile import load_yaml


def test_every_policy_has_a_valid_loop_in_every_case() -> None:
    found = cases()
    assert {(case.kind, case.speed_m_per_s) for case in found} >= {("los", 0.5), ("nlos", 0.05), ("los", 0.02)}
    for case in found:
        assert set(case.experiments) == set(POLICIES)
        assert all(experiment.policy.name == name for name, experiment in case.experiments.items())
        for experiment in case.experiments.values():
            track.check(experiment)
        assert len(case.users) >= 10
        assert case.experiments["two_timescale"].policy.patterns <= 256


def test_the_straight_way_is_blocked_in_the_cases_that_say_so() -> None:
    levels = {
        case.station.name: case.station.simulation.scene.options.get("blocked_db", 0.0)
        for case in cases(only="ris-walk")
        if case.station.simulation is not None
    }
    assert levels == {"sim-opensource-ris-walk": 0.0, "sim-opensource-ris-walk-blocked": 20.0}


@pytest.mark.parametrize("wrong", [{"policies": ["psychic"]}, {"only": "moon"}])
def test_what_does_not_exist_is_refused(wrong: dict[str, Sequence[str] | str]) -> None:
    with pytest.raises(ConfigError, match="there"):
        cases(**wrong)  # type: ignore[arg-type]


def test_walkers_walk_straight_at_constant_height_and_are_the_same_each_time() -> None:
    station = cases(only="ris-walk-los-0.02")[0].station
    users = walkers(station, 4, 0.1, 3.0, 1.2)
    assert users == walkers(station, 4, 0.1, 3.0, 1.2)
    for user in users:
        assert user.path is not None
        way = np.subtract(user.path.to_m[0], user.position_m)
        assert np.linalg.norm(way) == pytest.approx(1.2, abs=1e-3)
        assert way[2] == 0


def test_who_sets_off_before_the_first_sweep_has_ended_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases(only="ris-walk-los-0.02", users=1, policies=["hold"])[0]
    early = replace(case, users=walkers(case.station, 1, 0.1, 0.5, 1.2))
    monkeypatch.setattr("hil.experiments.track.learn", lambda bed, *_: (bed.clock.sleep(1.0), None))
    monkeypatch.setattr(tracks, "_Learnt", lambda _plan, _estimate, time_s: SimpleNamespace(time_s=time_s))
    with pytest.raises(ConfigError, match=r"sets off at 0\.5 s"):
        list(compare([early]))


def test_differences_are_paired_by_user() -> None:
    """Users differ more than policies do: only pairs show it."""
    worth = {"full": np.array([0.5, 0.7, 0.9]), "two_timescale": np.array([0.52, 0.71, 0.93])}
    results = [{policy: _summary(values[user]) for policy, values in worth.items()} for user in range(3)]
    case = cases(only="ris-walk-los-0.02", policies=list(worth))[0]
    row = tracks._row(Case(case.station, "los", 0.02, case.experiments, case.users), "two_timescale", results)
    low, mean, _ = row["over"]["full"]
    assert mean == pytest.approx(0.02)
    assert row["served_over"]["full"] == row["over"]["full"]
    assert low < 0 < mean and row["interval"][2] - row["interval"][0] > 0.5
    assert loop_of(case.station.name, "full", {}).policy.name == "full"


def _summary(fraction: float) -> dict[str, float]:
    figures = dict.fromkeys(tracks.FIGURES, fraction) | dict.fromkeys(tracks.MEDIANS, 1.0)
    return {**figures, "lost_rounds": 0}


def test_the_file_for_walking_users_is_the_loop_that_the_bench_shows() -> None:
    file = load_yaml(CONFIGS / "experiments/track-walk.yaml", TrackConfig)
    shown = cases(only="64x64-walk-nlos-0.5", users=1, policies=["two_timescale"])[0].experiments["two_timescale"]
    assert file == shown.model_copy(update={"duration_s": file.duration_s})
