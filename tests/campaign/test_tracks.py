"""The bench of walking users: its cases are valid, its walks leave the first sweep in peace, differences are paired."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hil.campaign import tracks
from hil.campaign.cells import Cells
from hil.campaign.shipped import CONFIGS
from hil.campaign.track_cases import POLICIES, cases, loop_of
from hil.campaign.track_rows import COUNTS, FIGURES, MEDIANS, row_of
from hil.campaign.tracks import compare, flat_snr_db
from hil.campaign.walks import Case, walkers
from hil.config import TrackConfig, UserConfig
from hil.engine.pool import LocalPool
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
    heard = SimpleNamespace(snr_summary=lambda grid: {"median": 20.0})
    monkeypatch.setattr(tracks, "load_sweep", lambda recording: heard)
    with pytest.raises(ConfigError, match=r"sets off at 0\.5 s"):
        list(compare([early], LocalPool()))


def test_a_part_of_the_users_walks_as_the_whole_does() -> None:
    everyone = cases(only="64x64-walk-nlos-0.5")[0].users
    part = cases(only="64x64-walk-nlos-0.5", users=3, first_user=4)[0].users
    assert [user.name for user in part] == ["nlos-4", "nlos-5", "nlos-6"]
    assert list(part) == list(everyone[4:7])


def test_who_was_followed_before_is_not_followed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interrupted bench goes on with the users that it lacks; other settings begin anew."""
    followed: list[str] = []

    def follow(case: Case, user: UserConfig) -> dict[str, Any]:
        followed.append(user.name)
        if len(followed) == 2:
            raise KeyboardInterrupt
        return {policy: _summary(0.9) for policy in case.experiments}

    monkeypatch.setattr(tracks, "follow_user", follow)
    chosen, kept = cases(only="ris-walk-los-0.02", users=3, policies=["full", "hold"]), Cells(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(compare(chosen, LocalPool(), kept))
    rows = list(compare(chosen, LocalPool(), kept))
    assert followed == ["los-0", "los-1", "los-1", "los-2"]
    assert [(row["policy"], row["users"]) for row in rows] == [("full", 3), ("hold", 3)]
    assert list(compare(chosen, LocalPool(), kept)) == rows and len(followed) == 4
    list(
        compare(cases(only="ris-walk-los-0.02", users=1, policies=["full", "hold"], duration_s=1.0), LocalPool(), kept)
    )
    assert len(followed) == 5


def test_another_policy_of_users_who_are_kept_is_followed_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def follow(case: Case, user: UserConfig) -> dict[str, Any]:
        asked.append(list(case.experiments))
        return {policy: _summary(0.9) for policy in case.experiments}

    monkeypatch.setattr(tracks, "follow_user", follow)
    kept = Cells(tmp_path)
    for policies in (["full"], ["full", "hold"]):
        rows = list(compare(cases(only="ris-walk-los-0.02", users=2, policies=policies), LocalPool(), kept))
    assert asked == [["full"], ["full"], ["hold"], ["hold"]]
    assert [row["policy"] for row in rows] == ["full", "hold"]


def test_the_flat_snr_carries_the_rate() -> None:
    ofdm = cases(only="64x64-walk-los-0.5")[0].station.ofdm
    mbps = ofdm.bandwidth_hz * ofdm.num_subcarriers / (ofdm.num_subcarriers + ofdm.num_taps - 1) * np.log2(101) / 1e6
    assert flat_snr_db(mbps, ofdm) == pytest.approx(20.0)


def test_differences_are_paired_by_user() -> None:
    """Users differ more than policies do: only pairs show it."""
    worth = {"full": np.array([0.5, 0.7, 0.9]), "two_timescale": np.array([0.52, 0.71, 0.93])}
    results = [{policy: _summary(values[user]) for policy, values in worth.items()} for user in range(3)]
    case = cases(only="ris-walk-los-0.02", policies=list(worth))[0]
    row = row_of(case, "two_timescale", results)
    low, mean, _ = row["over"]["full"]
    assert mean == pytest.approx(0.02)
    assert row["served_over"]["full"] == row["over"]["full"]
    assert low < 0 < mean and row["interval"][2] - row["interval"][0] > 0.5
    assert loop_of(case.station.name, "full", {}).policy.name == "full"


def _summary(fraction: float) -> dict[str, float]:
    figures = dict.fromkeys(FIGURES, fraction) | dict.fromkeys(MEDIANS, 1.0) | dict.fromkeys(COUNTS, 0)
    return {**figures, "sounding_snr_db": 20.0, "link_snr_db": 30.0}


def test_the_file_for_walking_users_is_the_loop_that_the_bench_shows() -> None:
    file = load_yaml(CONFIGS / "experiments/track-walk.yaml", TrackConfig)
    shown = cases(only="64x64-walk-nlos-0.5", users=1, policies=["two_timescale"])[0].experiments["two_timescale"]
    assert file == shown.model_copy(update={"duration_s": file.duration_s})
