"""Orthogonal whatever the size and the number of phases, and the fast transform is the slow one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hil.phy.hadamard import entries
from hil.phy.roots import exponents, radices_for, transform


def matrix(radices, num_roots):
    index = np.arange(math.prod(radices))
    return np.exp(2j * np.pi * exponents(index, index, radices, num_roots) / num_roots)


@given(st.integers(1, 90), st.integers(2, 9))
def test_columns_are_orthogonal_and_hold_the_phases_that_there_are_only(columns, roots):
    radices = radices_for(columns, roots)
    order = math.prod(radices)
    assert order >= columns
    assert all(roots % radix == 0 for radix in radices)
    w = matrix(radices, roots)
    assert_allclose(w.conj().T @ w, order * np.eye(order), atol=1e-9 * order)
    assert_array_equal(w[:, 0], 1)


@pytest.mark.parametrize(
    ("columns", "roots", "order"),
    [
        (257, 4, 512),
        (65, 4, 128),
        (64, 4, 64),
        (8, 8, 8),
        (9, 8, 16),
        (10, 3, 27),
        (7, 6, 12),
        (4097, 8, 8192),
        (1, 4, 1),
    ],
)
def test_the_order_is_the_smallest_that_these_phases_make(columns, roots, order):
    assert math.prod(radices_for(columns, roots)) == order


def test_two_phases_make_sylvesters_matrix_and_as_many_as_columns_make_the_dft():
    index = np.arange(32)
    assert_array_equal(matrix(radices_for(32, 2), 2).real.round().astype(int), entries(index, index))
    assert_allclose(matrix(radices_for(8, 8), 8), np.fft.ifft(np.eye(8), norm="forward"), atol=1e-12)


@given(st.integers(1, 70), st.integers(2, 9), st.integers(0, 2**32))
def test_the_fast_transform_is_the_slow_one(columns, roots, seed):
    radices = radices_for(columns, roots)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(math.prod(radices), 3)) + 1j * rng.normal(size=(math.prod(radices), 3))
    assert_allclose(transform(values, radices), matrix(radices, roots).conj().T @ values, atol=1e-9)


def test_single_precision_stays_single():
    assert transform(np.ones((16, 2), dtype=np.complex64), (4, 4)).dtype == np.complex64


@pytest.mark.parametrize(("columns", "roots"), [(0, 4), (5, 1)])
def test_without_columns_or_phases_there_is_no_matrix(columns, roots):
    with pytest.raises(ValueError, match="no matrix"):
        radices_for(columns, roots)
