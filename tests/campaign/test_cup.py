"""The Cup's task on a small surface: what is learnt about the coupling pays on the true channel."""

import pytest

from hil.campaign.cup import UNCOUPLED, cup


@pytest.mark.parametrize("seed", [1, 2])  # gains of 1.25 and 0.90 %
def test_a_learnt_coupling_beats_ignorance_and_comes_near_to_knowledge(seed: int) -> None:
    rows = {row["algorithm"]: row for row in cup(seed, size=16, users=4, num_nlos=1)}
    assert rows["learned"]["score"] > 1.006 * max(rows[name]["score"] for name in UNCOUPLED)
    assert rows["learned"]["score"] > 0.995 * rows["known"]["score"]
    assert max(row["bound_fraction"] for row in rows.values()) == rows["certified-bound"]["bound_fraction"] == 1
