"""One way from soundings to channel for every plan: the fast transform where it holds, weights elsewhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hil.config import SweepConfig
from hil.errors import MeasurementError
from hil.estimation import fit as fits
from hil.estimation.aligned import AlignedSoundings
from hil.estimation.fit import fit_channel
from hil.interfaces import Geometry
from hil.measure.roots import RootPlan
from hil.measure.sweep import SweepPlan
from hil.phy.grouping import block_groups

ROWS, COLS, T = 4, 4, 3
N = ROWS * COLS
BASIS = np.eye(T, dtype=complex)
QUARTERS = np.exp(0.5j * np.pi * np.array([0, 2, 1, 3]))
CHORDS = (QUARTERS - QUARTERS[:2].mean()) / (QUARTERS[0] - QUARTERS[1]) * 2
UNEVEN = CHORDS * np.array([1, 1, 0.7, 1.2]) * np.exp([0, 0, 0.3j, -0.2j])


def noise(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * np.sqrt(0.5)


def plan(scheme="dft", states=CHORDS, seed=1, group=(1, 1), patterns=None):
    config = SweepConfig(scheme=scheme, group=group)
    groups = None if group == (1, 1) else block_groups(Geometry(ROWS, COLS, 1.0, 1.0), *group)
    if scheme == "dft":
        whole = RootPlan.of_states(config, states, N, seed=seed, groups=groups)
    else:
        whole = SweepPlan.from_config(config, N, seed=seed, groups=groups)
    return whole if patterns is None else whole.only(np.arange(patterns))


def fit(p, taps, states=CHORDS, tap_var=None, lost=None):
    lost = np.zeros(p.num_patterns, dtype=bool) if lost is None else lost
    tap_var = np.ones(T) if tap_var is None else tap_var
    heard = AlignedSoundings(p, taps, tap_var, np.arange(p.num_patterns, dtype=float), lost, BASIS)
    return fit_channel(heard, cols=COLS, states=states)


def channel(seed, groups=None):
    rng = np.random.default_rng(seed)
    cascade = noise(rng, N, T)
    return noise(rng, T), cascade if groups is None else cascade[groups]


CASES = {
    "dft, even states": (plan(), CHORDS),
    "dft, even states off the middle": (plan(states=CHORDS + 0.4 - 0.3j), CHORDS + 0.4 - 0.3j),
    "dft, uneven states": (plan(states=UNEVEN), UNEVEN),
    "dft, part": (plan(patterns=24), CHORDS),
    "pairs": (plan("pairs"), CHORDS),
    "N + 1": (plan("hadamard_plus_one"), CHORDS),
}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_without_noise_the_channel_comes_back(case, seed):
    p, states = CASES[case]
    direct, cascade = channel(seed)
    found = fit(p, direct + states[p.patterns()] @ cascade, states)
    assert_allclose(found.cascade, cascade, atol=2e-4)
    assert_allclose(found.direct, direct, atol=2e-4)


@pytest.mark.parametrize("case", CASES)
def test_variances_and_condition_are_those_of_the_normal_equations(case):
    p, states = CASES[case]
    model = np.column_stack([np.ones(p.num_patterns), states[p.patterns()]])
    inverse = np.diag(np.linalg.inv(model.conj().T @ model)).real
    found = fit(p, model[:, :T], states)
    if case != "N + 1":  # its fast way takes element 1 from two soundings alone
        assert_allclose(found.direct_var, inverse[0], rtol=1e-4)
        assert_allclose(found.cascade_var[:, 0], inverse[1:], rtol=1e-4)
        assert found.condition == pytest.approx(np.linalg.cond(model), rel=2e-2)


def test_whole_sweeps_take_the_fast_way_and_others_the_slow_one(monkeypatch):
    slow = []
    weighted = fits.weighted_least_squares
    monkeypatch.setattr(fits, "weighted_least_squares", lambda *a, **k: slow.append(1) or weighted(*a, **k))
    direct, cascade = channel(0)
    for case, expected in (("dft, even states", 0), ("pairs", 0), ("dft, uneven states", 1), ("dft, part", 1)):
        p, states = CASES[case]
        slow.clear()
        fit(p, direct + states[p.patterns()] @ cascade, states)
        assert len(slow) == expected, case


def test_what_is_lost_is_left_out():
    p, states = CASES["dft, even states"]
    direct, cascade = channel(3)
    taps, lost = direct + states[p.patterns()] @ cascade, np.zeros(p.num_patterns, dtype=bool)
    lost[[2, 9]] = True
    found = fit(p, np.where(lost[:, None], 1e3, taps), states, lost=lost)
    assert_allclose(found.cascade, cascade, atol=2e-4)
    assert found.lost == 2


def test_too_few_or_too_many_lost_are_refused():
    p = plan(patterns=N)
    with pytest.raises(MeasurementError, match="do not tell"):
        fit(p, np.zeros((N, T), dtype=complex))
    most = np.ones(plan().num_patterns, dtype=bool)
    most[:3] = False
    with pytest.raises(MeasurementError, match="cannot be aligned"):
        fit(plan(), np.zeros((most.size, T), dtype=complex), lost=most)


def test_what_is_lost_is_told_where_the_rest_would_have_been_too_little():
    p = plan(patterns=N + 1)
    with pytest.raises(MeasurementError, match=f"1 of {N + 1} soundings cannot be aligned"):
        fit(p, np.zeros((N + 1, T), dtype=complex), lost=np.arange(N + 1) == 3)


@pytest.mark.parametrize("scheme", ["dft", "hadamard_plus_one", "pairs"])
def test_groups_are_told_by_every_scheme_that_has_them(scheme):
    p = plan(scheme, group=(2, 2))
    direct, cascade = channel(5)
    groups = block_groups(Geometry(ROWS, COLS, 1.0, 1.0), 2, 2)
    alike = np.stack([cascade[groups == g].mean(axis=0) for g in range(4)])[groups]
    found = fit(p, direct + CHORDS[p.patterns()] @ alike)
    assert_allclose(found.cascade, alike, atol=2e-4)
    assert_allclose(found.direct, direct, atol=2e-4)
