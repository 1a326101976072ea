import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hil.phy.ofdm import OfdmGrid
from hil.phy.sync import advance, advance_between, correlate, whole_samples

USED = np.arange(48) != 24
GRID = OfdmGrid.build(48, 60, 1e6, USED, "zadoff_chu")


def response(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=48) + 1j * rng.normal(size=48)) * USED


@given(st.integers(0, 59))
def test_a_capture_that_starts_late_is_the_advanced_response(start):
    stream = np.tile(GRID.frame, 3).astype(complex)
    heard = GRID.demodulate(stream[start : start + 60])[0]
    on_time = GRID.demodulate(stream[:60])[0]
    assert_allclose(heard, advance(on_time, np.array(float(start)), 60), atol=1e-5)


def test_advances_add_up_and_come_back():
    h = response()
    there = advance(advance(h, np.asarray(7.0), 60), np.array(5.5), 60)
    assert_allclose(advance(there, np.array(-12.5), 60), h, atol=1e-12)
    assert_allclose(advance(h, np.asarray(60.0), 60), h, atol=1e-12)


def test_each_of_a_batch_has_its_own_advance():
    batch = np.stack([response(0), response(1)])
    both = advance(batch, np.array([3.0, 9.0]), 60)
    assert_allclose(both[1], advance(batch[1], np.array(9.0), 60))


def test_correlation_is_the_inner_product_at_each_shift():
    h, reference = response(1), response(2)
    direct = [np.vdot(reference, advance(h, np.asarray(float(s)), 60)) for s in range(60)]
    assert_allclose(correlate(h, reference, 60), direct, atol=1e-10)


@pytest.mark.parametrize("phase", [0.7, -2.8])
def test_the_best_advance_of_each_and_its_phase_are_found(phase):
    reference, shifts = response(3), np.array([0, 1, 31, 59])
    heard = advance(reference, -shifts.astype(float), 60) * np.exp(1j * phase)
    found, phases = advance_between(heard, reference, 60)
    assert list(found) == list(shifts)
    assert_allclose(phases, phase)


def test_an_odd_number_of_subcarriers_has_the_carrier_in_its_middle():
    flat = np.ones(7, dtype=complex)
    assert_allclose(advance(flat, np.array(3.0), 60), np.exp(2j * np.pi * 3 / 60 * np.arange(-3, 4)))
    assert_allclose(correlate(flat, flat, 60)[3], np.sum(advance(flat, np.array(3.0), 60)))


def test_the_fraction_that_advances_share_is_no_part_of_their_whole_samples():
    rng = np.random.default_rng(0)
    whole = rng.integers(-50, 50, 4000)
    for fraction in (0.0, 0.3, 0.5, 0.9):
        found = whole_samples(whole + fraction + rng.uniform(-0.4, 0.4, 4000))
        assert len(set(found - whole)) == 1
