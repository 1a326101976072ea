import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hil.phy.hadamard import entries, order_for, transform


@pytest.mark.parametrize("order", [1, 2, 4, 8, 64, 128])
def test_entries_are_sylvesters(order):
    index = np.arange(order)
    assert_array_equal(entries(index, index), scipy.linalg.hadamard(order))


@pytest.mark.parametrize("order", [1, 2, 8, 32, 256])
@pytest.mark.parametrize("rest", [(), (3,), (2, 5)])
def test_the_transform_is_the_matrix_product(order, rest):
    rng = np.random.default_rng(order)
    values = rng.normal(size=(order, *rest)) + 1j * rng.normal(size=(order, *rest))
    expected = np.tensordot(scipy.linalg.hadamard(order), values, axes=(1, 0))
    assert_allclose(transform(values), expected, atol=1e-9)


@given(st.integers(0, 7), st.integers(0, 2**31))
def test_twice_transformed_is_the_same_times_the_order(exponent, seed):
    order = 2**exponent
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(order, 2)) + 1j * rng.normal(size=(order, 2))).astype(np.complex64)
    twice = transform(transform(values))
    assert twice.dtype == np.complex64
    assert_allclose(twice / order, values, atol=1e-4)


def test_the_input_is_left_as_it_was():
    values = np.arange(8) + 0j
    transform(values)
    assert_array_equal(values, np.arange(8))


def test_order_is_the_next_power_of_two():
    assert [order_for(n) for n in (1, 2, 3, 96, 128, 192, 512, 4096)] == [1, 2, 4, 128, 128, 256, 512, 4096]
    with pytest.raises(ValueError, match="one column"):
        order_for(0)


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="power of two"):
        transform(np.zeros(6, dtype=complex))


def test_columns_of_a_truncated_matrix_stay_orthogonal():
    columns = entries(np.arange(128), np.arange(1, 97)).astype(int)
    assert_array_equal(columns.T @ columns, 128 * np.eye(96))
    assert_array_equal(columns.sum(axis=0), 0)
