"""Figures 8 and 9 by the loop: what its rows say, and that a limited budget is no more than that."""

from pathlib import Path

import pytest

from hil.campaign import followed
from hil.campaign.followed import follow, station_of, users_of
from hil.config import PathConfig, UserConfig

WALKS, BUDGETS = {0.2: 2}, {"cold": (8, False), "warm": (8, True), "2 epochs": (2, True)}


def test_a_user_has_walked_as_far_as_his_speed_says_and_no_farther_than_his_way() -> None:
    path = PathConfig(to_m=((1.0, 0.0, 0.0), (1.0, 2.0, 0.0)), speed_m_per_s=0.5, start_s=2.0)
    user = UserConfig(name="walker", position_m=(0.0, 0.0, 0.0), path=path)
    assert [user.walked_m(time_s) for time_s in (0.0, 2.0, 4.0, 100.0)] == [0.0, 0.0, 1.0, 3.0]
    assert user.model_copy(update={"path": None}).walked_m(10.0) == 0.0


def test_each_round_trains_for_its_budget_and_goes_on_from_the_last(tmp_path: Path) -> None:
    station = station_of(8, tmp_path)
    user = users_of(station, "los", 1)[0]
    rows = follow(station, user, WALKS, BUDGETS, seed=0)
    of = {(row["budget"], row["round"]): row for row in rows}
    assert len(of) == len(rows) == len(BUDGETS) * 2
    assert {name: len(of[name, 2]["history_mbps"]) - 1 for name in BUDGETS} == {"cold": 8, "warm": 8, "2 epochs": 2}
    assert of["warm", 2]["history_mbps"][0] > of["cold", 2]["history_mbps"][0], "a trained network begins higher"
    assert of["2 epochs", 1]["history_mbps"][0] == of["warm", 1]["history_mbps"][0], "both were trained alike before"
    assert of["warm", 2]["walked_m"] - of["warm", 1]["walked_m"] == pytest.approx(0.2, rel=0.1)
    assert all(0 < row["rate_mbps"] <= row["optimum_mbps"] for row in rows)
    assert {row["hold_mbps"] for row in rows if row["round"] == 2} == {of["warm", 2]["hold_mbps"]}


def test_epochs_count_to_the_best_that_any_budget_reached_in_the_round() -> None:
    def row(budget: str, number: int, history: list[float], rate: float) -> dict[str, object]:
        place = {"budget": budget, "step_m": 0.1, "round": number, "walked_m": 0.1 * (number - 1)}
        return {**place, "history_mbps": history, "rate_mbps": rate, "hold_mbps": 5.0, "optimum_mbps": 20.0}

    user = [row("cold", 1, [1, 5, 9, 10], 10.0), row("warm", 1, [9.95, 10, 10, 10], 10.0)]
    user += [row("cold", 2, [1, 2, 3, 4], 4.0), row("warm", 2, [1, 7, 8, 8], 8.0)]
    means = {(each["budget"], each["round"]): each for each in followed._means([user, user])}
    assert [means["cold", 1]["epochs"], means["warm", 1]["epochs"]] == [3, 0]
    assert [means["cold", 2]["epochs"], means["warm", 2]["epochs"]] == [4, 2], "cold never came to 7.92"
    assert means["warm", 2]["of_rate_at_start"] == 0.8 and means["cold", 2]["of_optimum_here"] == 0.2
    assert means["warm", 2]["hold_of_optimum_here"] == 0.25
