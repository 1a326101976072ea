"""Element 1 of an N-pilot sweep: by its column, its neighbours, or waves that are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.estimate import estimate_taps
from hil.estimation.least_squares import least_squares
from hil.estimation.shape import resolve_by_neighbours, resolve_by_subspace
from hil.estimation.subspace import AngularSubspace
from hil.measure.sweep import SweepPlan

ROWS, COLS, T = 8, 8, 4
N = ROWS * COLS
BASIS = np.eye(T, dtype=complex)
NOISE = 1e-3


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def waves(rng, tilt=0.3, count=3):
    row, col = np.divmod(np.arange(N), COLS)
    slopes = rng.uniform(-tilt, tilt, (count, 2))
    return np.exp(1j * (np.outer(row, slopes[:, 0]) + np.outer(col, slopes[:, 1])))


def swept(seed, modes, scheme="hadamard"):
    """An estimate from N noisy soundings, and the true cascade and direct channel."""
    rng = np.random.default_rng([seed, 1])
    cascade, direct = modes @ noise(rng, modes.shape[1], T), 10 * noise(rng, T)
    plan = SweepPlan.from_config(SweepConfig(scheme=scheme), N, seed=seed)
    taps = direct + plan.signs().astype(float) @ cascade + np.sqrt(NOISE) * noise(rng, plan.num_patterns, T)
    return least_squares(plan, taps, np.full(T, NOISE), basis=BASIS, cols=COLS), cascade, direct


def first_error_db(found, cascade):
    return 10 * np.log10(np.sum(np.abs(found.cascade[0] - cascade[0]) ** 2) / np.mean(np.sum(np.abs(cascade) ** 2, 1)))


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_tell_more_than_the_column_where_waves_come_from_aside(seed):
    raw, cascade, direct = swept(seed, waves(np.random.default_rng(seed)))
    found = resolve_by_neighbours(raw, ROWS, COLS)
    assert first_error_db(found, cascade) < first_error_db(raw, cascade) - 5
    tied = found.direct + found.tied * found.cascade[0]
    assert_allclose(tied, raw.direct + raw.tied * raw.cascade[0], atol=1e-6)
    assert_allclose(found.cascade[1:], raw.cascade[1:])
    assert np.sum(np.abs(found.direct - direct) ** 2) < np.sum(np.abs(raw.direct - direct) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_known_waves_tell_it_to_the_noise(seed):
    modes = waves(np.random.default_rng(seed), tilt=2.5)
    raw, cascade, _ = swept(seed, modes)
    found = resolve_by_subspace(raw, modes)
    assert first_error_db(found, cascade) < -35
    assert first_error_db(resolve_by_neighbours(raw, ROWS, COLS), cascade) > -20


def test_waves_of_an_earlier_sweep_serve_as_well():
    """Directions on the array's own grid, as where a user has moved and the surface has not."""
    grid = np.fft.fft(np.eye(ROWS)) / np.sqrt(ROWS)
    modes = np.stack([np.kron(grid[:, r], grid[:, c]) for r, c in ((1, 2), (6, 3), (4, 7))], axis=1)
    earlier, _, _ = swept(5, modes, "pairs")
    known = AngularSubspace.of(earlier.cascade, earlier.cascade_var, ROWS, COLS, 8)
    raw, cascade, _ = swept(6, modes)
    assert first_error_db(resolve_by_subspace(raw, known.basis), cascade) < -30
    assert first_error_db(raw, cascade) > -10


@pytest.mark.parametrize("tilt", [0.1, 0.8])
def test_the_variance_foresees_how_wrong_it_is(tilt):
    errors, foreseen = [], []
    for seed in range(40):
        raw, cascade, _ = swept(seed, waves(np.random.default_rng(seed), tilt))
        found = resolve_by_neighbours(raw, ROWS, COLS)
        errors.append(np.sum(np.abs(found.cascade[0] - cascade[0]) ** 2))
        foreseen.append(found.cascade_var[0].sum())
    assert np.mean(errors) == pytest.approx(np.mean(foreseen), rel=0.6)


def test_where_nothing_is_tied_or_nothing_can_tell_it_is_refused():
    modes = waves(np.random.default_rng(0))
    plus, *_ = swept(0, modes, "hadamard_plus_one")
    with pytest.raises(ValueError, match="by itself"):
        resolve_by_subspace(plus, modes)
    raw, *_ = swept(0, modes)
    with pytest.raises(ValueError, match="no neighbours"):
        resolve_by_neighbours(raw, 1, N)
    with pytest.raises(ValueError, match="fit any channel"):
        resolve_by_subspace(raw, np.eye(N, dtype=complex))


def test_an_estimate_takes_the_shape_that_it_is_given():
    modes = waves(np.random.default_rng(1), tilt=2.5)
    rng = np.random.default_rng([1, 1])
    cascade, direct = modes @ noise(rng, modes.shape[1], T), 10 * noise(rng, T)
    plan = SweepPlan.from_config(SweepConfig(scheme="hadamard"), N, seed=1)
    taps = direct + plan.signs().astype(float) @ cascade

    def found(element_one):
        heard = AlignedSoundings(
            plan, taps, np.full(T, 1e-9), np.arange(N) * 1e-3, np.zeros(N, dtype=bool), basis=BASIS
        )
        return estimate_taps(heard, rows=ROWS, cols=COLS, denoised=False, element_one=element_one)

    ways = ("column", "neighbours", modes)
    by_column, by_neighbours, by_waves = (first_error_db(found(way), cascade) for way in ways)
    assert by_waves < -60
    assert by_column != by_neighbours
    assert min(by_column, by_neighbours) > -40
