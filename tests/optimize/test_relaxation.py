import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.optimize.relaxation import Relaxation
from hil.optimize.solve import solve


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), real=st.booleans(), scale=st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
def test_bad_multipliers_loosen_the_bound_and_never_break_it(make_problem, seed, real, scale):
    problem = make_problem(3, 3, users=1, states=[1, -1] if real else None, seed=seed)
    rng = np.random.default_rng(seed)
    relaxation = Relaxation.of_user(problem, 0)
    snr = scale * rng.exponential(size=problem.num_subcarriers)
    price = rng.exponential(size=10) * (rng.random(10) < 0.7)
    bound = problem.mbps_per_nat * relaxation.certificate(snr, price)
    best = solve(problem, "tap-space", certify=False).rate_mbps[0]
    assert best <= bound
    assert np.isfinite(bound)


@pytest.mark.parametrize("kind", ["real", "tilted", "any phase", "two terms"])
def test_the_certificate_is_its_formula_over_all_rows(make_problem, kind):
    """The eigenvalue of the elements' own matrix, as large as the surface, instead of that of the taps'."""
    problem = make_problem(4, 4, users=1, states=[1, 1j, -1] if kind == "two terms" else [1, -1], seed=7)
    if kind == "two terms":
        problem = replace(problem, dispersion=np.array([[0.4j, -0.3, 0.2j]]))
    relaxation = replace(Relaxation.of_user(problem, 0), real=kind in ("real", "tilted"))
    rng = np.random.default_rng(7)
    snr, price = rng.exponential(size=32), rng.exponential(size=17) + 0.1
    terms, size, taps = relaxation.rows.shape
    rows = relaxation.rows.reshape(-1, taps)
    form = rows.conj() @ ((relaxation.basis.conj().T / (1 + snr)) @ relaxation.basis) @ rows.T
    if relaxation.real:
        form = form.real
    if kind == "tilted":
        tilt = np.diag(rng.standard_normal(2 * taps))
        relaxation = replace(relaxation, tilt=tilt)
        parts = np.concatenate([rows.real, rows.imag], axis=1)
        form = form + parts @ tilt @ parts.T
    scale = np.tile(1 / np.sqrt(price), terms)
    largest = np.linalg.eigvalsh(scale[:, None] * form * scale)[-1]
    expected = np.sum(np.log1p(snr) - snr / (1 + snr)) + largest * price.sum()
    assert size == 17
    assert relaxation.certificate(snr, price) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("real", [True, False])
def test_the_certificate_of_one_tap_is_its_best_rate_and_near_the_right_multipliers_hardly_more(real):
    """All rows in phase are the best; the multipliers are that channel's SNR and what each row adds to it."""
    rng = np.random.default_rng(3)
    rows = rng.exponential(size=7) * (1 if real else np.exp(1j * rng.uniform(0, 6, 7)))
    relaxation = Relaxation(
        rows[None, :, None] + 0j, rng.standard_normal((8, 1, 2)) @ [1, 1j], real, np.zeros(1) + 0j, np.ones(1) + 0j
    )
    price = np.abs(rows)
    snr = np.abs(relaxation.basis[:, 0] * price.sum()) ** 2
    best = np.log1p(snr).sum()
    exact = relaxation.certificate(snr, 3 * price)
    assert best <= exact == pytest.approx(best, rel=1e-9)  # rounding is on the safe side
    for _ in range(20):
        near = relaxation.certificate(snr * rng.uniform(0.9, 1.1), price * rng.uniform(0.95, 1.05, 7))
        assert best < near < best * 1.01


def test_the_relaxed_value_stays_below_the_certificate_of_its_own_multipliers(make_problem):
    for real, seed in itertools.product([True, False], range(5)):
        problem = make_problem(4, 4, users=1, states=[1, -1] if real else None, seed=seed)
        relaxation = Relaxation.of_user(problem, 0)
        code = np.random.default_rng(seed).standard_normal((3, 5, 2)) @ [1, 1j]
        value, _, snr, price = relaxation.evaluate(code)
        assert value <= relaxation.certificate(snr, price)


def test_the_relaxations_gradient_equals_finite_differences(make_problem):
    for real in (True, False):
        problem = make_problem(4, 4, users=1, states=[1, -1] if real else None)
        relaxation = Relaxation.of_user(problem, 0)
        rng = np.random.default_rng(1)
        code, change = rng.standard_normal((2, 3, 5, 2)) @ [1, 1j]
        _, gradient, _, _ = relaxation.evaluate(code)
        difference = relaxation.evaluate(code + 1e-6 * change)[0] - relaxation.evaluate(code - 1e-6 * change)[0]
        assert difference / 2e-6 == pytest.approx(2 * (gradient.conj() * change).real.sum(), rel=1e-5)


def test_a_tilt_enters_value_and_gradient(make_problem):
    relaxation = Relaxation.of_user(make_problem(4, 4, users=1, states=[1, -1]), 0)
    rng = np.random.default_rng(2)
    form = rng.standard_normal((10, 10))
    tilted = replace(relaxation, tilt=form + form.T)
    code, change = rng.standard_normal((2, 3, 5, 2)) @ [1, 1j]
    taps = tilted.taps(code)
    reals = np.concatenate([taps.real, taps.imag], axis=-1)
    assert tilted.evaluate(code)[0] - relaxation.evaluate(code)[0] == pytest.approx(
        ((reals @ (form + form.T)) * reals).sum()
    )
    difference = tilted.evaluate(code + 1e-6 * change)[0] - tilted.evaluate(code - 1e-6 * change)[0]
    assert difference / 2e-6 == pytest.approx(2 * (tilted.evaluate(code)[1].conj() * change).real.sum(), rel=1e-5)


def test_each_row_of_a_thinned_surface_stands_for_its_own_neighbours(make_problem):
    relaxation = Relaxation.of_user(make_problem(5, 5, users=1), 0)
    rows = relaxation.rows.copy()
    blocks = [slice(first, min(first + 4, 26)) for first in range(1, 26, 4)]  # 25 elements, 6 asked for
    for block in blocks:
        rows[:, block] = rows[:, block.start : block.start + 1]
    thinned = replace(relaxation, rows=rows).thinned(6, np.random.default_rng(0)).rows
    assert np.array_equal(thinned[:, 0], rows[:, 0])
    assert np.allclose(thinned[:, 1:], np.stack([rows[:, block].sum(axis=1) for block in blocks], axis=1))
