import itertools

import numpy as np
import pytest

from hil.campaign.sites import make_site
from hil.campaign.states_bench import bench_states, true_mbps, turning_states


def test_the_judge_sums_over_elements_and_subcarriers():
    problem = make_site("paper", size=2, users=1, seed=3).links().truth
    table, patterns = (
        turning_states(4, 100.0, problem.num_subcarriers),
        np.array([[0, 1, 2, 3], [3, 3, 0, 1]], np.uint8),
    )
    for user, pattern in enumerate(patterns):
        response = problem.basis @ problem.direct[user]
        for k, n in itertools.product(range(problem.num_subcarriers), range(4)):
            response[k] += table[pattern[n], k] * sum(problem.basis[k] * problem.cascade[user, n])
        bits = np.log2(1 + problem.snr_scale * np.abs(response) ** 2).sum()
        expected = bits * problem.bandwidth_hz / (problem.num_subcarriers + problem.num_taps - 1) / 1e6
        assert true_mbps(problem, table, patterns)[user] == pytest.approx(expected)


def test_states_turn_by_what_was_asked_neighbours_to_opposite_sides():
    turned = np.unwrap(np.angle(turning_states(4, 60.0, 512)))
    np.testing.assert_allclose(np.degrees(turned[:, -1] - turned[:, 0]), [60, -60, -60, 60], atol=0.3)


def test_states_over_the_band_gain_and_more_so_the_more_they_turn():
    rows = bench_states(8, 2, 3, [0, 120])
    for row in rows:
        assert row["mbps"] > 0 and row["certified"] < 1 and row["times_stm"] > 0
    (still_los, still), (turning_los, turning) = rows[:2], rows[2:]
    assert still["gain_percent"] == pytest.approx(0, abs=0.01) == pytest.approx(still_los["gain_percent"], abs=0.01)
    assert turning["gain_percent"] > 1
    assert turning_los["gain_percent"] > 0.1
