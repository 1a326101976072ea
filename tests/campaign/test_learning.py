"""Learning curves: monotone, repeatable, warm starts that leave the old network alone, and kept tap codes."""

import numpy as np
import pytest

from hil.campaign.learning import KeptCode, LearningCurve, Lesson, PaperNetwork, TapCodeNetwork
from hil.campaign.sites import make_site
from hil.optimize.neural import PRINTED
from hil.optimize.solve import solve

NETWORKS = [PaperNetwork(), PaperNetwork(PRINTED), TapCodeNetwork(starts=2)]


@pytest.fixture(scope="module")
def truth():
    return make_site("paper", size=8, users=1).links().truth


@pytest.fixture(scope="module")
def elsewhere():
    return make_site("paper", size=8, users=1, seed=1).links().truth


@pytest.mark.parametrize("network", NETWORKS)
def test_the_best_rate_so_far_never_falls_and_repeats_with_the_seed(network, truth):
    first, again = (network.learn(truth, Lesson(6, seed=3)).rate_mbps for _ in range(2))
    assert first.shape == (7, 2)
    assert (np.diff(first, axis=0) >= 0).all() and np.array_equal(first, again)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_warm_start_begins_where_the_old_training_ended(network, truth):
    curve = network.learn(truth, Lesson(30, seed=3))
    warm = network.learn(truth, Lesson(2, seed=3, warm=curve))
    assert warm.rate_mbps[0] == pytest.approx(np.asarray(curve.state.rate).max(axis=-1), rel=0.05)


@pytest.mark.parametrize("network", NETWORKS)
def test_training_on_leaves_the_old_network_as_it_was(network, truth, elsewhere):
    curve = network.learn(truth, Lesson(3, seed=3))
    first, again = (network.learn(elsewhere, Lesson(4, seed=3, warm=curve)).rate_mbps for _ in range(2))
    assert np.array_equal(first, again)


def test_epochs_are_counted_until_the_target_and_past_the_end_where_it_is_never_reached():
    curve = LearningCurve(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 6.0]]), None)
    assert curve.epochs_to(np.array([2.0, 7.0])).tolist() == [1, 3]
    assert curve.after(1).tolist() == [2.0, 5.0] and curve.after(99).tolist() == [3.0, 6.0]


def test_the_code_of_an_optimum_gives_it_back_and_steps_on_a_new_channel_only_help(truth, elsewhere):
    best = solve(truth, "tap-space", certify=False)
    code = KeptCode.of(truth, best.reflection)
    assert code.rate_mbps(truth) == pytest.approx(best.rate_mbps, rel=1e-4)
    assert (code.stepped_rate_mbps(elsewhere, 10) >= code.rate_mbps(elsewhere) * (1 - 1e-6)).all()
