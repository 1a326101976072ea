import pytest

from hil.campaign.branch_bench import bench_branches


def test_a_small_surface_is_proven_and_nothing_is_lost_on_the_way():
    rows = {row["algorithm"]: row for row in bench_branches("paper", [3], 2, branches=200)}
    proof, flips = rows["branch-and-bound"], rows["tap-space"]
    assert proof["proven"] == proof["users"] == 4
    assert proof["gap_percent"] <= flips["gap_percent"] + 1e-4
    assert proof["rate_mbps"] >= flips["rate_mbps"]
    assert proof["gain_percent"] == pytest.approx(0, abs=5)
    assert flips["gain_percent"] == 0
