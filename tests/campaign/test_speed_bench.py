import numpy as np
import pytest

from hil.campaign.speed_bench import LIMITS, Users, bench_speed, epochs_to_converge
from hil.optimize.algorithms import Options
from hil.optimize.solve import search


@pytest.fixture(scope="module")
def rows():
    return {row["case"]: row for row in bench_speed(8, repetitions=1)}


def test_every_limit_has_its_row_and_every_row_its_ratio(rows):
    assert set(LIMITS) < set(rows)
    for row in rows.values():
        base = 1 if row["of"] == "ms" else rows[row["of"]]["ms_per_user"]
        assert row["times"] == pytest.approx(row["ms_per_user"] / base)
        assert row["held"] is (None if row["limit"] is None else row["times"] <= row["limit"])


def test_stopped_after_its_epochs_every_user_is_where_it_was_told_and_not_before():
    users, share = Users.before(8, 8, 1), 0.999
    final = users.rate_mbps(search(users.together, "neural-prior")[0])
    needed = epochs_to_converge(users, share)
    assert needed.max() > 0
    for epochs in range(needed.max() + 1):
        stopped = search(users.together, "neural-prior", Options(epochs=epochs, polish=False))[0]
        reached = users.rate_mbps(stopped) >= share * final
        assert np.all(reached[needed == epochs])
        assert not np.any(reached[needed == epochs + 1])
