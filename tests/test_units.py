"""Decibels and constants, against values that can be looked up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.units import (
    SPEED_OF_LIGHT_M_S,
    THERMAL_NOISE_DBM_HZ,
    amplitude_from_db,
    noise_power_dbm,
    power_db,
    power_from_db,
    wavelength_m,
)

LEVELS = st.floats(-200, 200)


def test_known_ratios() -> None:
    assert power_db([1, 10, 100, 0.5]) == pytest.approx([0, 10, 20, -3.0103])
    assert amplitude_from_db(20) == pytest.approx(10)
    assert power_from_db(20) == pytest.approx(100)


def test_nothing_is_infinitely_far_below() -> None:
    assert power_db(0) == -math.inf
    assert power_db(np.array([0.0, 1.0])).tolist() == [-math.inf, 0.0]


@given(LEVELS)
def test_levels_survive_the_way_there_and_back(level_db: float) -> None:
    assert float(power_db(power_from_db(level_db))) == pytest.approx(level_db, abs=1e-9)
    assert amplitude_from_db(level_db) ** 2 == pytest.approx(power_from_db(level_db))


@given(LEVELS, LEVELS)
def test_levels_add_where_ratios_multiply(first_db: float, second_db: float) -> None:
    assert amplitude_from_db(first_db + second_db) == pytest.approx(
        amplitude_from_db(first_db) * amplitude_from_db(second_db)
    )


def test_wavelengths() -> None:
    assert wavelength_m(SPEED_OF_LIGHT_M_S) == 1
    assert wavelength_m(5.53e9) == pytest.approx(0.05421, abs=1e-5)


def test_thermal_noise_is_k_t_b() -> None:
    boltzmann_j_k = 1.380649e-23
    assert pytest.approx(10 * math.log10(boltzmann_j_k * 290 * 1e3), abs=0.03) == THERMAL_NOISE_DBM_HZ
    assert noise_power_dbm(1e6, 5) == pytest.approx(-174 + 60 + 5)
