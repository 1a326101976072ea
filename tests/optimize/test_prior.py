import numpy as np
import pytest

from hil.optimize.iterate import iterate
from hil.optimize.objective import Objective
from hil.optimize.prior import TapCodePrior
from hil.optimize.tap_space import TapPool, TapSearch


def test_back_propagation_equals_finite_differences(make_problem):
    objective = Objective.of(make_problem(users=2))
    prior = TapCodePrior(starts=3)
    state = prior.init(objective, None, np.random.default_rng(0))
    length = np.linalg.norm(state.slope, axis=-1)
    rng = np.random.default_rng(1)
    for layer, gradient in enumerate(prior.gradients(objective, state)):
        change = rng.standard_normal(gradient.shape)
        rates = []
        for sign in (1e-5, -1e-5):
            weights = list(state.weights)
            weights[layer] = weights[layer] + sign * change
            rates.append(prior.forward(objective, state.inputs, tuple(weights), (), (), 0).rate)
        predicted = 2 * length * (gradient * change).sum((-1, -2))
        assert np.allclose(predicted, (rates[0] - rates[1]) / 2e-5, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_untrained_network_finds_what_the_tap_space_search_finds(make_problem, seed):
    objective = Objective.of(make_problem(8, 8, users=4, seed=seed))
    rng = np.random.default_rng(seed)
    trained, _ = iterate(TapCodePrior(epochs=40), objective, None, rng)
    pool, _ = iterate(TapPool(), objective, None, rng)
    searched, _ = iterate(TapSearch(), objective, pool, rng)
    assert np.all(trained.rate.max(-1) >= 0.999 * searched.rate.max(-1))


def test_training_on_torch_follows_training_on_numpy(make_problem):
    objective = Objective.of(make_problem(users=2))
    ours, _ = iterate(TapCodePrior(starts=4, epochs=15), objective, None, np.random.default_rng(3))
    theirs, _ = iterate(
        TapCodePrior(starts=4, epochs=15, device="cpu"), objective.on("cpu"), None, np.random.default_rng(3)
    )
    assert np.allclose(ours.rate, theirs.rate, rtol=1e-3)
