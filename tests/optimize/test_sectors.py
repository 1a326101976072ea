import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.optimize.bound import certified_bound
from hil.optimize.objective import unit
from hil.optimize.relaxation import Relaxation
from hil.optimize.sectors import Sector, sector_bound, sectors
from hil.optimize.solve import solve

PATTERNS = np.array(list(itertools.product([1.0, -1.0], repeat=6)))


def random_sector(rng, size):
    direction = unit(rng.standard_normal((size, 2)) @ [1, 1j])
    return Sector(direction, float(rng.uniform(0, np.pi)), float(rng.uniform(0.05, 0.7)))


def parts(taps):
    return np.concatenate([taps.real, taps.imag], axis=-1)


def test_the_form_is_not_negative_exactly_in_the_double_sector():
    rng = np.random.default_rng(0)
    sector = random_sector(rng, 4)
    taps = rng.standard_normal((200, 4, 2)) @ [1, 1j]
    off_axis = np.angle(np.exp(-2j * sector.phase) * (taps @ sector.direction.conj()) ** 2) / 2
    value = np.einsum("pi,ij,pj->p", parts(taps), sector.form(), parts(taps))
    assert np.array_equal(value >= 0, np.abs(off_axis) <= sector.half_width)


def test_together_they_hold_every_channel():
    rng = np.random.default_rng(1)
    taps = rng.standard_normal((500, 4, 2)) @ [1, 1j]
    forms = [sector.form() for sector in sectors(unit(rng.standard_normal((4, 2)) @ [1, 1j]))]
    inside = [np.einsum("pi,ij,pj->p", parts(taps), form, parts(taps)) >= 0 for form in forms]
    assert np.all(np.any(inside, axis=0))


def test_a_channel_on_the_seam_of_two_sectors_is_in_one_of_them():
    direction = unit(np.random.default_rng(2).standard_normal((4, 2)) @ [1, 1j])
    forms = [sector.form() for sector in sectors(direction)]
    seams = np.pi / len(forms) * (np.arange(2 * len(forms)) + 0.5)
    for taps in np.exp(1j * seams)[:, None] * direction:
        assert max(parts(taps) @ form @ parts(taps) for form in forms) >= 0


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), weight=st.sampled_from([0.0, 1e-3, 0.3, 3.0, 100.0]))
def test_any_weight_of_the_form_bounds_the_patterns_of_its_sector(make_problem, seed, weight):
    rng = np.random.default_rng(seed)
    problem = make_problem(2, 3, users=1, states=[1, -1], seed=seed)
    relaxation, sector = Relaxation.of_user(problem, 0), random_sector(rng, 5)
    tilted = replace(relaxation, tilt=weight * sector.form())
    bound = tilted.certificate(rng.exponential(size=32), rng.exponential(size=7))
    taps = (relaxation.rows[0, 0] + PATTERNS @ relaxation.rows[0, 1:]) @ np.eye(5)
    inside = np.einsum("pi,ij,pj->p", parts(taps), sector.form(), parts(taps)) >= 0
    nats = np.log1p(np.abs(taps @ relaxation.basis.T) ** 2).sum(axis=-1)
    assert np.all(nats[inside] <= bound)


@pytest.mark.parametrize("snr_db", [-10, 10, 30])
def test_no_pattern_passes_the_largest_of_all_sectors_bounds(make_problem, snr_db):
    for seed in range(2):
        problem = make_problem(2, 3, users=1, states=[1, -1], snr_db=snr_db, seed=seed)
        relaxation = Relaxation.of_user(problem, 0)
        taps = relaxation.rows[0, 0] + PATTERNS @ relaxation.rows[0, 1:]
        nats = np.log1p(np.abs(taps @ relaxation.basis.T) ** 2).sum(axis=-1)
        for pattern in (PATTERNS[int(np.argmax(nats))], PATTERNS[0]):
            bound = sector_bound(relaxation, pattern + 0j, np.inf, np.random.default_rng(0))
            assert nats.max() <= bound * (1 + 1e-12)


def test_sectors_close_most_of_the_gap_where_one_path_carries_everything(make_problem):
    problem = make_problem(16, 16, num_taps=1, snr_db=20, states=[1, -1])
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (256, 1))
    problem = replace(problem, cascade=np.exp(1j * phases) / 16)
    solution = solve(problem, "tap-space", certify=False)
    relaxation = Relaxation.of_user(problem.with_leading_axis(), 0)
    whole, _ = relaxation.bound(solution.reflection, 3, np.random.default_rng(0))
    sectors = certified_bound(problem, solution.reflection)
    gap = problem.mbps_per_nat * whole - solution.rate_mbps
    assert sectors - solution.rate_mbps < 0.3 * gap
