"""The fast channel against the sum over paths and elements that defines it."""

import numpy as np
import pytest

from hil.channel import Scene, build_scene, direct_response, surface_response
from hil.config import SceneConfig, UserConfig
from hil.interfaces import Geometry, StateSet
from hil.sim.propagation import Band, LineChannel, Propagation

CARRIER_HZ = 4e9
RATE_HZ = 12.8e6
GEOMETRY = Geometry(16, 16, 0.03, 0.03)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(
        SceneConfig(kind="paper", seed=3),
        carrier_hz=CARRIER_HZ,
        transmitter_m=(80.0, -200.0, 25.0),
        surface_m=(0.0, 0.0, 10.0),
        facing_deg=0.0,
        user=UserConfig(name="here", position_m=(14.1, 3.0, 6.0)),
    )


def line_channel(propagation, rf_hz):
    return LineChannel(Band(propagation, CARRIER_HZ, RATE_HZ), rf_hz)


@pytest.mark.parametrize("num_states", [2, 4])
@pytest.mark.parametrize("num_lines", [1, 640, 20_000])
def test_the_response_of_a_pattern_is_the_sum_over_paths_and_elements(scene, num_states, num_lines):
    rng = np.random.default_rng(1)
    table = rng.uniform(0.3, 1, (1, num_states)) * np.exp(2j * np.pi * rng.random((1, num_states)))
    propagation = Propagation(scene, GEOMETRY, StateSet(np.array([CARRIER_HZ]), table), antenna_gain_dbi=6.0)
    offset_hz = np.fft.fftfreq(num_lines, 1 / RATE_HZ)
    pattern = rng.integers(0, num_states, GEOMETRY.num_elements).astype(np.uint8)
    response = line_channel(propagation, CARRIER_HZ + offset_hz).response(pattern.tobytes())
    some = slice(0, num_lines, max(1, num_lines // 640))
    cascade = surface_response(scene, GEOMETRY, offset_hz[some])
    expected = direct_response(scene, offset_hz[some]) + table[0, pattern] @ cascade
    expected *= 10 ** (6 / 20)
    assert abs(response[some] - expected).max() < 1e-6 * np.sqrt((abs(expected) ** 2).mean())


def test_the_reflection_of_each_state_follows_its_table_over_frequency(scene):
    slope = np.array([[1.0, 1.0], [0.5j, 0.1]])
    states = StateSet(np.array([CARRIER_HZ - 5e6, CARRIER_HZ + 5e6]), slope)
    rf_hz = CARRIER_HZ + np.array([-6.4e6, -5e6, 0.0, 5e6, 6e6])
    pattern = np.zeros(GEOMETRY.num_elements, dtype=np.uint8)
    response = line_channel(Propagation(scene, GEOMETRY, states), rf_hz).response(pattern.tobytes())
    reflection = np.array([1.0, 1.0, np.sqrt(0.5) * np.exp(0.25j * np.pi), 0.5j, 0.5j])  # edges hold outside
    over_surface = surface_response(scene, GEOMETRY, rf_hz - CARRIER_HZ).sum(axis=0)
    expected = direct_response(scene, rf_hz - CARRIER_HZ) + reflection * over_surface
    assert np.allclose(response, expected, rtol=1e-4, atol=0)


def test_leakage_is_a_flat_coupling_of_its_level_next_to_the_scene(scene):
    states = StateSet(np.array([CARRIER_HZ]), np.array([[1, -1]], dtype=complex))
    rf_hz = CARRIER_HZ + np.linspace(-5e6, 5e6, 101)
    without, leaking = (Propagation(scene, GEOMETRY, states, leakage_db=level).static(rf_hz) for level in (None, -30.0))
    leakage = leaking - without
    assert np.allclose(20 * np.log10(abs(leakage)), -30.0)
    assert abs(np.diff(np.unwrap(np.angle(leakage)))).max() < 0.01
    turn = np.angle(leakage[-1] * leakage[0].conj()) / (2 * np.pi * (rf_hz[-1] - rf_hz[0]))
    assert turn == pytest.approx(-0.5 / 299_792_458, rel=1e-3), "it comes later, by half a metre"
