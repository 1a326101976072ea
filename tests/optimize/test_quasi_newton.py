import numpy as np

from hil.optimize.quasi_newton import Ascent


def climb(matrix, points, steps, memory=6):
    """Maximise -x^H A x / 2 for a batch of matrices."""

    def evaluate(at):
        pulled = matrix @ at
        return -(at.conj() * pulled).real.sum(-2) / 2, -pulled / 2

    state = Ascent.start(points, evaluate, 0.1)
    rates = [state.rate]
    for _ in range(steps):
        state = state.advance(evaluate, lambda at: at, 10.0, memory)
        rates.append(state.rate)
    return state, np.array(rates)


def test_it_climbs_every_hill_of_a_batch_and_never_falls():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 8, 8, 2)) @ [1, 1j]
    matrix = root @ root.conj().swapaxes(-1, -2) + np.eye(8)
    state, rates = climb(matrix, rng.standard_normal((3, 8, 4, 2)) @ [1, 1j], 120)
    assert np.all(np.diff(rates, axis=0) >= 0)
    assert np.all(state.rate > -1e-8)


def test_curvature_makes_it_faster_than_steepest_ascent():
    matrix = np.diag(np.logspace(0, 3, 20))[None].astype(complex)
    points = np.ones((1, 20, 1), dtype=complex)
    with_memory, _ = climb(matrix, points, 60)
    without, _ = climb(matrix, points, 60, memory=1)
    assert with_memory.rate > without.rate / 4


def test_starts_do_not_disturb_each_other():
    matrix = np.diag(np.logspace(0, 2, 6))[None].astype(complex)
    rng = np.random.default_rng(1)
    points = rng.standard_normal((1, 6, 3, 2)) @ [1, 1j]
    together, _ = climb(matrix, points, 15)
    for start in range(3):
        alone, _ = climb(matrix, points[..., start : start + 1], 15)
        assert np.allclose(alone.point[..., 0], together.point[..., start])
