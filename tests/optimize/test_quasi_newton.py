import numpy as np
import pytest

from hil.optimize.quasi_newton import Ascent


def climb(matrix, points, steps, memory=None):
    """Maximise -x^T A x / 2 for a batch of matrices and starts."""

    def evaluate(at):
        pulled = (matrix[:, None] @ at[..., None])[..., 0]
        return -(at * pulled).sum(-1) / 2, -pulled

    state = Ascent.dense(points, evaluate, 0.1, np)
    if memory is not None:
        state = Ascent.limited(points, evaluate, 0.1, memory, np)
    rates = [state.rate]
    for _ in range(steps):
        state = state.advance(evaluate, lambda at: at, 10.0)
        rates.append(state.rate)
    return state, np.array(rates)


@pytest.mark.parametrize("memory", [None, 6])
def test_it_climbs_every_hill_of_a_batch_and_never_falls(memory):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 8, 8))
    matrix = root @ root.swapaxes(-1, -2) + np.eye(8)
    state, rates = climb(matrix, rng.standard_normal((3, 4, 8)), 120, memory)
    assert np.all(np.diff(rates, axis=0) >= 0)
    assert np.all(state.rate > -1e-8)


@pytest.mark.parametrize("memory", [None, 8])
def test_curvature_makes_it_faster_than_steepest_ascent(memory):
    matrix = np.diag(np.logspace(0, 3, 20))[None]
    points = np.ones((1, 1, 20))
    with_memory, _ = climb(matrix, points, 80, memory)
    without, _ = climb(matrix, points, 80, memory=1)
    assert with_memory.rate > without.rate / 4


@pytest.mark.parametrize("memory", [None, 6])
def test_starts_do_not_disturb_each_other(memory):
    matrix = np.diag(np.logspace(0, 2, 6))[None]
    points = np.random.default_rng(1).standard_normal((1, 3, 6))
    together, _ = climb(matrix, points, 15, memory)
    for start in range(3):
        alone, _ = climb(matrix, points[:, start : start + 1], 15, memory)
        assert np.allclose(alone.point[:, 0], together.point[:, start])


def test_a_hill_with_a_flat_side_does_not_stop_it():
    def evaluate(at):
        return -np.log1p((at**2).sum(-1)), -2 * at / (1 + (at**2).sum(-1))[..., None]

    state = Ascent.dense(np.full((1, 1, 3), 30.0), evaluate, 0.1, np)
    for _ in range(60):
        state = state.advance(evaluate, lambda at: at, 20.0)
    assert state.rate > -1e-6
