"""What patterns of each age keep, by oracles, and what can be served so at most."""

import numpy as np
import pytest

from hil.campaign import track_ages
from hil.campaign.track_ages import PERIODS_S, _bound, ages_of
from hil.campaign.track_cases import cases


def test_a_pattern_keeps_less_of_the_rate_the_older_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_ages, "INSTANTS", 3)
    case = cases(only="ris-walk-los-0.1", users=2, policies=["hold"])[0]
    row = ages_of(case, ages_s=(0.0, 0.05, 0.2))
    now, soon, late = row["fraction"]
    assert 0.995 < now <= 1 and late < soon < now
    assert row["random"] < soon
    assert row["random"] < row["served_at_most"] < 1
    assert row["taken_s"] == pytest.approx(2.5e-3, abs=1e-3), "1.2 ms of listening each, and a little of the surface"


def test_a_board_that_steps_by_itself_is_given_no_bound_for_patterns_sent_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(track_ages, "_of_user", lambda *_: (np.ones(1), 0.5))
    row = ages_of(cases(only="64x64-walk-los-0.5", users=1, policies=["hold"])[0], ages_s=(0.0,))
    assert "served_at_most" not in row


def test_where_age_costs_nothing_the_longest_round_serves_best() -> None:
    found = _bound(np.array([0.0, 1.0]), np.ones(2), 0.9, 0.04, 7e-3, 1e-3)
    assert found["taken_s"] == pytest.approx(1e-3 + 1e-3 + 6e-3 * 0.1)
    assert found["period_s"] == PERIODS_S[-1]
    assert found["served_at_most"] == pytest.approx(1 - found["taken_s"] / PERIODS_S[-1])


def test_where_age_costs_all_the_best_round_lies_in_between() -> None:
    """Kept falls by a in a second: 1 - a (lag + T / 2) - taken / T is most at T = sqrt(2 taken / a)."""
    slope, lag_s = 0.4, 0.04
    found = _bound(np.array([0.0, 3.0]), np.array([1.0, 1.0 - 3 * slope]), 1.0, lag_s, 5e-3, 4e-3)
    period_s = np.sqrt(2 * 8e-3 / slope)
    assert found["period_s"] == pytest.approx(period_s, rel=0.05)
    best = 1 - slope * (lag_s + period_s / 2) - 8e-3 / period_s
    assert found["served_at_most"] == pytest.approx(best, abs=1e-3)
