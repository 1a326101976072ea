"""Interpolation holds what it is asked to hold, with few nodes."""

import numpy as np
import pytest

from hil.sim.chebyshev import chebyshev_nodes, interpolation_weights, num_nodes


@pytest.mark.parametrize("argument", [0.0, 0.3, 5.0, 33.0, 150.0])
def test_the_nodes_hold_every_delay_of_the_window(argument):
    count = num_nodes(argument)
    nodes, place = chebyshev_nodes(count), np.random.default_rng(0).uniform(-1, 1, 500)
    weights = interpolation_weights(nodes, place)
    for delay in argument * np.linspace(-1, 1, 11):
        assert abs(np.exp(1j * delay * nodes) @ weights - np.exp(1j * delay * place)).max() < 1e-7
    assert count < argument + 6 * argument ** (1 / 3) + 14


def test_interpolation_on_a_node_is_the_value_at_the_node():
    nodes = chebyshev_nodes(8)
    assert np.array_equal(interpolation_weights(nodes, nodes[[5, 0]]), np.eye(8)[:, [5, 0]])
