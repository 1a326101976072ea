import numpy as np
import pytest
from numpy.testing import assert_allclose

from hil.estimation.denoise import _filter_subspaces, _filter_taps, denoise
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.tucker import first_bases

ROWS, COLS, T = 12, 16, 10


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def waves(rng, count=5):
    """A few plane waves, each at its own delay."""
    row, col = np.divmod(np.arange(ROWS * COLS), COLS)
    phase = np.outer(row, rng.uniform(-1, 1, count)) + np.outer(col, rng.uniform(-2, 2, count))
    return np.exp(1j * phase) @ noise(rng, count, T)


def noisy(rng, cascade, nmse_db, tied=0):
    variance = np.linspace(0.5, 1.5, T)
    variance *= np.mean(np.abs(cascade) ** 2) * 10 ** (nmse_db / 10)
    measured = cascade + np.sqrt(variance) * noise(rng, *cascade.shape)
    spread = np.tile(variance, (len(cascade), 1))
    return CascadedEstimate(noise(rng, T), measured, np.eye(T, dtype=complex), variance, spread, tied=tied)


def error(estimate, cascade):
    return np.sum(np.abs(estimate.cascade - cascade) ** 2) / np.sum(np.abs(cascade) ** 2)


@pytest.mark.parametrize("nmse_db", [0.0, -10.0, -25.0])
def test_a_few_waves_come_out_of_the_noise(nmse_db):
    rng = np.random.default_rng(1)
    cascade = waves(rng)
    clean = denoise(noisy(rng, cascade, nmse_db), ROWS, COLS)
    assert 10 * np.log10(error(clean, cascade)) < nmse_db - 8.5


@pytest.mark.parametrize("nmse_db", [6.0, 0.0, -10.0, -25.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_channel_without_structure_is_never_made_worse(nmse_db, seed):
    rng = np.random.default_rng(seed)
    cascade = noise(rng, ROWS * COLS, T)
    raw = noisy(rng, cascade, nmse_db)
    assert error(denoise(raw, ROWS, COLS), cascade) < error(raw, cascade)


@pytest.mark.parametrize("nmse_db", [3.0, 0.0, -3.0])
def test_elements_that_are_strangers_get_the_wiener_filter_of_their_delays(nmse_db):
    """Nothing better exists for them; the surface's subspaces would cost half of the channel."""
    power, ratios = np.exp(-np.arange(T) / 2), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        cascade = np.sqrt(power) * noise(rng, ROWS * COLS, T)
        raw = noisy(rng, cascade, nmse_db)
        variance = raw.cascade_var[0]
        ideal = np.sum(power * variance / (power + variance)) / np.sum(power)
        ratios.append(error(denoise(raw, ROWS, COLS), cascade) / ideal)
    assert np.mean(ratios) < 1.18


def divergence(by, tensor, rng, probes=40, step=1e-4):
    """By random probes (Ramani et al. 2008)."""
    still, units = by(tensor), np.array([1, 1j, -1, -1j])
    each = (rng.choice(units, tensor.shape) for _ in range(probes))
    return np.mean([np.vdot(probe, by(tensor + step * probe) - still).real / step for probe in each])


@pytest.mark.parametrize("nmse_db", [3.0, -10.0])
@pytest.mark.parametrize("structured", [True, False])
def test_the_divergence_over_the_delays_is_what_probes_find(structured, nmse_db):
    rng = np.random.default_rng(3)
    cascade = waves(rng) if structured else noise(rng, ROWS * COLS, T)
    tensor = scaled(rng, cascade, nmse_db)
    claimed = _filter_taps(tensor)[1]
    assert claimed == pytest.approx(divergence(lambda each: each - _filter_taps(each)[0], tensor, rng), rel=0.02)


@pytest.mark.parametrize("nmse_db", [3.0, -10.0, -25.0])
def test_the_divergence_in_the_subspaces_is_what_probes_find(nmse_db):
    """More than half of it comes from axes that turn with the noise."""
    rng = np.random.default_rng(4)
    tensor = scaled(rng, waves(rng), nmse_db)
    claimed = _filter_subspaces(tensor, first_bases(tensor))[1]
    found = divergence(lambda each: _filter_subspaces(each, first_bases(each))[0], tensor, rng)
    assert claimed == pytest.approx(found, rel=0.08)


def scaled(rng, cascade, nmse_db):
    """The noise of variance one."""
    level = np.sqrt(np.mean(np.abs(cascade) ** 2) * 10 ** (nmse_db / 10))
    return (cascade / level + noise(rng, *cascade.shape)).reshape(ROWS, COLS, T)


@pytest.mark.parametrize("structured", [True, False])
def test_the_variance_left_is_the_error_left(structured):
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(10):
        cascade = waves(rng) if structured else noise(rng, ROWS * COLS, T)
        clean = denoise(noisy(rng, cascade, -3.0), ROWS, COLS)
        ratios.append(clean.cascade_var.sum() / np.sum(np.abs(clean.cascade - cascade) ** 2))
    assert_allclose(np.mean(ratios), 1.0, atol=0.35)


def test_units_do_not_matter():
    rng = np.random.default_rng(3)
    raw = noisy(rng, waves(rng), -5.0)
    small = CascadedEstimate(raw.direct, 1e-6 * raw.cascade, raw.basis, 1e-12 * raw.direct_var, 1e-12 * raw.cascade_var)
    assert_allclose(denoise(small, ROWS, COLS).cascade, 1e-6 * denoise(raw, ROWS, COLS).cascade, rtol=1e-6)


def test_a_noiseless_channel_stays_as_it_is():
    rng = np.random.default_rng(4)
    cascade = noise(rng, ROWS * COLS, T)
    assert 10 * np.log10(error(denoise(noisy(rng, cascade, -80.0), ROWS, COLS), cascade)) < -79.5


@pytest.mark.parametrize(("rows", "cols"), [(1, 16), (16, 1), (2, 2), (1, 1)])
def test_degenerate_surfaces_pass_through(rows, cols):
    rng = np.random.default_rng(5)
    cascade = noise(rng, rows * cols, T)
    for tied in (0, 1):
        assert np.isfinite(denoise(noisy(rng, cascade, -10.0, tied), rows, cols).cascade).all()


@pytest.mark.parametrize("tied", [1, -1])
def test_element_one_is_untied_from_the_direct_channel_by_the_surfaces_shape(tied):
    """The sum of both is known, the share of each is not: the other elements tell it."""
    rng = np.random.default_rng(6)
    cascade, direct = waves(rng), noise(rng, T)
    raw = noisy(rng, cascade, -15.0, tied)
    wrong = 5 * noise(rng, T)
    measured, variance = raw.cascade.copy(), raw.cascade_var.copy()
    measured[0] = cascade[0] + wrong
    variance[0] = 25.0
    raw = CascadedEstimate(direct - tied * wrong, measured, raw.basis, variance[0], variance, tied=tied)
    clean = denoise(raw, ROWS, COLS)
    assert np.linalg.norm(clean.cascade[0] - cascade[0]) < 0.1 * np.linalg.norm(wrong)
    assert np.linalg.norm(clean.direct - direct) < 0.1 * np.linalg.norm(wrong)


@pytest.mark.parametrize("seed", range(3))
def test_element_one_is_not_taken_for_known_where_the_others_tell_nothing_of_it(seed):
    """The subspaces are all there is: what they make of an element is the element itself."""
    rng = np.random.default_rng(seed)
    cascade = noise(rng, ROWS * COLS, T)
    raw = noisy(rng, cascade, -25.0, tied=1)
    raw.cascade[0] = cascade[0] + np.sqrt(0.5) * noise(rng, T)
    raw.cascade_var[0] = 0.5
    direct = raw.direct + raw.cascade[0] - cascade[0]
    clean = denoise(raw, ROWS, COLS)
    assert 0.3 < clean.direct_var.mean() / np.mean(np.abs(clean.direct - direct) ** 2) < 3
    assert 0.3 < clean.cascade_var[0].mean() / np.mean(np.abs(clean.cascade[0] - cascade[0]) ** 2) < 3


def test_element_one_stays_where_the_shape_tells_nothing():
    rng = np.random.default_rng(7)
    cascade = noise(rng, ROWS * COLS, T)
    raw = noisy(rng, cascade, -20.0, tied=1)
    clean = denoise(raw, ROWS, COLS)
    assert np.linalg.norm(clean.direct - raw.direct) < 0.3 * np.linalg.norm(cascade[0])
