"""Patterns, the circuit, and mutual coupling against its dense matrix."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.channel.elements import Coupling, LumpedCircuit, SwitchedElements, aperture_amplitude, azimuth_amplitude
from hil.channel.frame import direction
from hil.interfaces import Geometry

CARRIER_HZ = 4e9
WAVELENGTH_M = 299_792_458.0 / CARRIER_HZ
CUP = (0.5e-12, 0.37e-12)


def surface(rows: int, cols: int, pitch_x: float = 0.4, pitch_y: float = 0.4) -> Geometry:
    return Geometry(rows, cols, pitch_x * WAVELENGTH_M, pitch_y * WAVELENGTH_M)


def slow_reflection(capacitance_f: float, frequency_hz: float) -> complex:
    """Reflection of the Cup's circuit by admittances."""
    omega = 2 * math.pi * frequency_hz
    branch = 1.0 + 1j * (omega * 0.8e-9 - 1 / (omega * capacitance_f))
    admittance = 1 / branch + 1 / (1j * omega * 2.8e-9)
    return (1 - 377 * admittance) / (1 + 377 * admittance)


@pytest.mark.parametrize("frequency_hz", [3.9e9, 4e9, 4.1e9])
def test_the_circuit_reflects_as_its_admittance_says(frequency_hz):
    capacitance = np.linspace(0.3e-12, 0.6e-12, 7)
    expected = [slow_reflection(c, frequency_hz) for c in capacitance]
    assert np.allclose(LumpedCircuit().reflection(capacitance, frequency_hz), expected, rtol=1e-12)


def test_the_cups_states_are_lossy_and_about_half_a_turn_apart():
    on, off = LumpedCircuit().reflection(np.array(CUP), CARRIER_HZ)
    assert 0.5 < abs(on) < 1
    assert 0.5 < abs(off) < 1
    assert abs(math.degrees(cmath.phase(on / off))) == pytest.approx(180, abs=15)


@given(capacitance_f=st.floats(1e-13, 1e-11), resistance_ohm=st.floats(0, 1e3))
def test_a_passive_element_reflects_no_more_than_it_receives(capacitance_f, resistance_ohm):
    reflection = LumpedCircuit(resistance_ohm=resistance_ohm).reflection(np.array([capacitance_f]), CARRIER_HZ)
    assert np.abs(reflection) <= 1 + 1e-12


def test_an_element_without_resistance_loses_nothing():
    reflection = LumpedCircuit(resistance_ohm=0.0).reflection(np.linspace(0.2e-12, 0.9e-12, 50), CARRIER_HZ)
    assert np.allclose(np.abs(reflection), 1)


@settings(max_examples=25)
@given(
    rows=st.integers(1, 24),
    cols=st.integers(1, 24),
    pitch=st.tuples(*[st.floats(0.1, 1.0)] * 2),
    seed=st.integers(0, 2**20),
)
def test_the_convolution_is_the_dense_matrix(rows, cols, pitch, seed):
    coupling = Coupling(surface(rows, cols, *pitch), CARRIER_HZ)
    value = np.random.default_rng(seed).uniform(size=(2, rows * cols))
    assert np.allclose(coupling.blur(value), value @ coupling.matrix().T, rtol=1e-9)


def test_the_convolution_is_the_dense_matrix_at_full_size_too():
    coupling = Coupling(surface(64, 64), CARRIER_HZ)
    value = np.random.default_rng(0).uniform(size=4096)
    assert np.abs(coupling.blur(value) / (coupling.matrix() @ value) - 1).max() < 1e-9


def test_the_matrix_holds_the_normalised_kernel():
    matrix = Coupling(surface(2, 3), CARRIER_HZ).matrix()
    weight = [[100 ** -(0.4 * math.dist(divmod(a, 3), divmod(b, 3))) for b in range(6)] for a in range(6)]
    assert np.allclose(matrix, np.array(weight) / np.sum(weight, axis=1, keepdims=True), rtol=1e-12)


def test_neighbours_of_one_state_do_not_feel_each_other():
    assert np.allclose(Coupling(surface(5, 9), CARRIER_HZ).blur(np.full(45, 0.37)), 0.37)


def test_elements_without_coupling_stand_for_themselves():
    pattern = np.array([0, 1, 1, 0], dtype=np.uint8)
    alone = SwitchedElements(CUP, LumpedCircuit(), None).reflection(pattern, CARRIER_HZ)
    assert np.allclose(alone, [slow_reflection(CUP[s], CARRIER_HZ) for s in pattern])


def test_coupled_elements_reflect_by_their_blurred_capacitance():
    geometry = surface(4, 5)
    coupling = Coupling(geometry, CARRIER_HZ)
    patterns = np.random.default_rng(1).integers(0, 2, (3, 20)).astype(np.uint8)
    fast = SwitchedElements(CUP, LumpedCircuit(), coupling).reflection(patterns, CARRIER_HZ)
    slow = [[slow_reflection(c, CARRIER_HZ) for c in coupling.matrix() @ np.array(CUP)[row]] for row in patterns]
    assert np.allclose(fast, slow, rtol=1e-9)


def test_a_state_that_no_element_has_is_refused():
    with pytest.raises(IndexError):
        SwitchedElements(CUP, LumpedCircuit(), None).reflection(np.array([2], dtype=np.uint8), CARRIER_HZ)


def test_an_aperture_intercepts_its_projected_area():
    angle = np.radians([0, 60, 100])
    towards = direction(angle, np.zeros(3))
    assert np.allclose(aperture_amplitude(towards) ** 2, [1, 0.5, 0])
    assert np.allclose(aperture_amplitude(towards, 6.0) ** 2, np.array([1, 0.5, 0]) * 10**0.6)


def test_the_cups_element_falls_with_the_cosine_of_the_azimuth_alone():
    towards = direction(np.radians([0, 60, 60, -100]), np.radians([0, 0, 50, 0]))
    assert np.allclose(azimuth_amplitude(towards), [1, 0.5, 0.5, 0])
    assert np.allclose(azimuth_amplitude(np.array([0.0, 1.0, 0.0])), 0)
