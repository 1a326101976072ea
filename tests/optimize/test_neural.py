import numpy as np
import pytest
import torch
from torch.nn import functional

from hil.optimize.iterate import iterate
from hil.optimize.neural import PRACTICAL, PRINTED, Network, PaperPrior, Reading
from hil.optimize.objective import Objective, on_host


def network(groups=3, rows=5, cols=6, output_rad=1.0):
    return Network.random(groups, rows, cols, np.random.default_rng(0), "cpu", output_rad)


def test_its_layers_are_the_papers():
    weights = [parameter.shape[1:] for parameter in network().parameters()]
    assert weights == [*[(5, 5), (5, 1)] * 5, *[(6, 6), (6, 1)] * 5, (2, 3, 3), ()]


def test_its_output_is_a_function_of_the_row_plus_one_of_the_column():
    phases = network().phases().detach().numpy()
    assert phases.shape == (3, 5, 6)
    crossed = phases[:, 1:, 1:] - phases[:, :-1, 1:] - phases[:, 1:, :-1] + phases[:, :-1, :-1]
    assert np.allclose(crossed, 0, atol=1e-5)
    assert np.ptp(phases) > 0.01


def test_its_output_is_the_convolution_of_both_branches_spread_over_the_surface():
    ours = network(output_rad=2.0)
    planes = (ours.branch(0)[:, :, None].expand(-1, -1, 6), ours.branch(1)[:, None, :].expand(-1, 5, -1))
    image = functional.pad(torch.stack(planes, dim=1).reshape(1, 6, 5, 6), (1, 1, 1, 1), "replicate")
    expected = 2.0 * functional.conv2d(image, ours.kernel, ours.bias, groups=3)[0]
    assert np.allclose(ours.phases().detach(), expected.detach(), atol=1e-6)


def test_a_branch_is_five_layers_with_a_tanh_after_the_third_and_the_last():
    ours = network()
    for which in (0, 1):
        weights = [parameter.detach().numpy() for parameter in ours.branches[which]]
        values = ours.inputs[which].numpy()
        for layer in range(5):
            values = weights[2 * layer] @ values + weights[2 * layer + 1]
            values = np.tanh(values) if layer in (2, 4) else values
        assert np.allclose(ours.branch(which).detach(), values[..., 0], atol=1e-6)


def test_networks_of_a_batch_do_not_mix():
    together = network()
    gradient = np.zeros(3)
    together.phases()[1].sum().backward()
    for parameter in together.parameters():
        gradient += np.array([float(group.abs().sum()) for group in parameter.grad])
    assert gradient[1] > 0
    assert gradient[0] == gradient[2] == 0


def test_training_raises_the_rate_and_several_starts_are_kept_apart(make_problem):
    objective = Objective.of(make_problem(8, 8, users=2, num_paths=2)).on("cpu")
    found, history = iterate(PaperPrior(starts=3, epochs=40), objective, None, np.random.default_rng(0))
    assert found.point.shape == (2, 3, 64)
    assert np.allclose(np.abs(on_host(found.point)), 1, atol=1e-5)
    assert np.all(history[-1].numpy() > 1.1 * history[0].numpy())
    assert len({float(rate) for rate in found.rate.ravel()}) == 6


def test_the_printed_reading_divides_its_step_by_the_number_of_elements():
    assert PRINTED.step_size(4096) == pytest.approx(1e-2 / 4096)
    assert PRACTICAL.step_size(4096) == pytest.approx(3e-3)


def test_the_printed_reading_descends_the_gradient_of_minus_the_sum_of_bits(make_problem):
    problem = make_problem(4, 4, users=1)
    objective = Objective.of(problem).on("cpu")
    solver = PaperPrior(starts=1, epochs=10, reading=Reading(1.0, "gradient descent", 1e-2, True))
    state = solver.init(objective, None, np.random.default_rng(0))
    before = [parameter.detach().clone() for parameter in state.network.parameters()]
    _, rate = solver.forward(objective, state.network)
    bits = rate / (problem.mbps_per_nat * np.log(2))
    bits.sum().backward()
    expected = [old + 1e-2 / 16 * new.grad for old, new in zip(before, state.network.parameters(), strict=True)]
    solver.step(objective, state)
    for ours, theirs in zip(state.network.parameters(), expected, strict=True):
        assert np.allclose(ours.detach(), theirs, atol=1e-6)
