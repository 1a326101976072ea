"""The Cup's task on a small surface: what is learnt about the coupling pays on the true channel."""

from hil.campaign.cup import cup


def test_a_learnt_coupling_beats_ignorance_and_comes_near_to_knowledge() -> None:
    rows = {row["algorithm"]: row for row in cup(seed=0, size=16, users=4, num_nlos=1)}
    assert rows["learned"]["score"] > 1.003 * max(rows[name]["score"] for name in ("columns-flips", "neural-prior"))
    assert rows["learned"]["score"] > rows["columns"]["score"]  # few elements: columns have little to lose
    assert rows["learned"]["score"] > 0.995 * rows["known"]["score"]
    assert max(row["bound_fraction"] for row in rows.values()) == rows["certified-bound"]["bound_fraction"] == 1
