"""Smooth functions over the band."""

import numpy as np

from hil.phy.band import band_powers, smooth_over


def test_the_carrier_stands_at_zero_and_the_lower_end_at_minus_one() -> None:
    x = band_powers(64, 2)[1]
    assert (x[32], x[0]) == (0.0, -1.0)
    assert x[-1] < 1
    assert band_powers(63, 2)[1, 31] == 0.0


def test_a_curve_of_few_terms_comes_back() -> None:
    coefficients = np.array([[1.0, 2j], [0.3 - 0.1j, 0], [0.05j, -0.2]])
    values = band_powers(48, 3).T @ coefficients
    np.testing.assert_allclose(smooth_over(values, 3), coefficients, atol=1e-12)
