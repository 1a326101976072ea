"""The physics of explicit paths by its laws, and against slow loops over paths, elements, frequencies and taps."""

import cmath
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.channel.paths import (
    Paths,
    Scene,
    _gauss_legendre,
    direct_response,
    hop_response,
    surface_response,
    taps,
)
from hil.interfaces import Geometry

CARRIER_HZ = 4e9
LIGHT_M_S = 299_792_458.0
WAVELENGTH_M = LIGHT_M_S / CARRIER_HZ
SMALL = Geometry(rows=3, cols=4, pitch_x_m=0.03, pitch_y_m=0.02)
FREQUENCY_HZ = np.linspace(-5e6, 5e6, 7)


def some_paths(seed: int, count: int, *, level: bool = False, spherical: bool = False) -> Paths:
    """Random paths; `level`: all of one elevation."""
    rng = np.random.default_rng(seed)
    azimuth = rng.uniform(-1.2, 1.2, count)
    elevation = np.full(count, 0.2) if level else rng.uniform(-0.8, 0.8, count)
    direction = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], axis=-1
    )
    return Paths(
        gain=rng.normal(size=count) + 1j * rng.normal(size=count),
        delay_s=rng.uniform(1e-8, 1.5e-6, count),
        direction=direction,
        source_m=direction * rng.uniform(0.5, 3, (count, 1)) if spherical else None,
    )


def some_scene(seed: int, **kind: bool) -> Scene:
    direct = some_paths(seed, 5)
    return Scene(direct, some_paths(seed + 1, 6, **kind), some_paths(seed + 2, 4, **kind), CARRIER_HZ)


def slow_phase(paths: Paths, path: int, position: np.ndarray) -> complex:
    """What a path gains on its way from the surface's centre to an element."""
    wavenumber = 2 * math.pi / WAVELENGTH_M
    if paths.source_m is None:
        return cmath.exp(1j * wavenumber * sum(d * p for d, p in zip(paths.direction[path], position, strict=True)))
    centre, element = math.dist(paths.source_m[path], (0, 0, 0)), math.dist(paths.source_m[path], position)
    return centre / element * cmath.exp(1j * wavenumber * (centre - element))


def slow_hop(paths: Paths, geometry: Geometry, frequency_hz: np.ndarray) -> np.ndarray:
    out = np.zeros((geometry.num_elements, frequency_hz.size), dtype=complex)
    for element, position in enumerate(geometry.positions_m()):
        for column, frequency in enumerate(frequency_hz):
            for path in range(paths.gain.size):
                turn = cmath.exp(-2j * math.pi * (CARRIER_HZ + frequency) * paths.delay_s[path])
                out[element, column] += paths.gain[path] * turn * slow_phase(paths, path, position)
    return out


def slow_taps(
    scene: Scene, geometry: Geometry, bandwidth_hz: float, num_taps: int, first_s: float
) -> tuple[np.ndarray, np.ndarray]:
    def pulse(tap: int, delay_s: float) -> complex:
        carrier = cmath.exp(-2j * math.pi * scene.carrier_hz * delay_s)
        return complex(carrier * np.sinc(tap + bandwidth_hz * (first_s - delay_s)))

    cascade = np.zeros((geometry.num_elements, num_taps), dtype=complex)
    direct = np.zeros(num_taps, dtype=complex)
    near, far = scene.to_surface, scene.from_surface
    for tap in range(num_taps):
        direct[tap] = sum(
            gain * pulse(tap, delay) for gain, delay in zip(scene.direct.gain, scene.direct.delay_s, strict=True)
        )
        for element, position in enumerate(geometry.positions_m()):
            for p in range(near.gain.size):
                for q in range(far.gain.size):
                    steering = slow_phase(near, p, position) * slow_phase(far, q, position)
                    cascade[element, tap] += (
                        near.gain[p] * far.gain[q] * steering * pulse(tap, near.delay_s[p] + far.delay_s[q])
                    )
    return cascade, direct


def relative_error(is_: np.ndarray, should_be: np.ndarray) -> float:
    return float(np.linalg.norm(is_ - should_be) / np.linalg.norm(should_be))


@pytest.mark.parametrize("kind", [{}, {"level": True}, {"spherical": True}], ids=str)
def test_a_hop_equals_a_loop_over_its_paths(kind):
    paths = some_paths(1, 8, **kind)
    error = relative_error(hop_response(paths, SMALL, CARRIER_HZ, FREQUENCY_HZ), slow_hop(paths, SMALL, FREQUENCY_HZ))
    assert error < 1e-11


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**20),
    rows=st.integers(1, 5),
    cols=st.integers(1, 5),
    elevations=st.lists(st.sampled_from([0.0, 0.1, -0.3, 0.7]), min_size=1, max_size=6),
)
def test_paths_that_share_an_elevation_are_summed_as_if_they_did_not(seed, rows, cols, elevations):
    geometry = Geometry(rows, cols, 0.03, 0.025)
    paths = some_paths(seed, len(elevations))
    side, up = paths.direction[:, 0], np.sin(elevations)
    paths = Paths(paths.gain, paths.delay_s, np.stack([side, up, np.zeros_like(up)], axis=-1))
    fast = hop_response(paths, geometry, CARRIER_HZ, FREQUENCY_HZ)
    assert np.abs(fast - slow_hop(paths, geometry, FREQUENCY_HZ)).max() < 1e-10


@pytest.mark.parametrize("spread", [False, True])
def test_taps_of_a_large_surface_are_those_of_its_elements_one_by_one(spread):
    geometry = Geometry(48, 5, 0.03, 0.025)
    near = some_paths(3, 2 if spread else 6, level=not spread)  # 2 x 4 elevations, or one with 4
    scene = Scene(some_paths(1, 5), near, some_paths(2, 4), CARRIER_HZ)
    cascade, _ = taps(scene, geometry, bandwidth_hz=1e7, num_taps=6)
    for row in (0, 17, 47):
        line = [row * geometry.cols + col for col in range(geometry.cols)]
        up = geometry.positions_m()[line[0], 1]
        shifted = [_seen_from(hop, up) for hop in (scene.to_surface, scene.from_surface)]
        alone, _ = taps(
            Scene(scene.direct, *shifted, CARRIER_HZ), replace(geometry, rows=1), bandwidth_hz=1e7, num_taps=6
        )
        assert np.abs(cascade[line] - alone).max() < 1e-9 * np.abs(cascade).max()


def _seen_from(paths: Paths, up_m: float) -> Paths:
    """The same plane waves, at a point above the centre."""
    turn = np.exp(2j * np.pi / WAVELENGTH_M * paths.direction[:, 1] * up_m)
    return replace(paths, gain=paths.gain * turn)


def test_the_surface_adds_the_product_of_its_two_hops_at_each_element():
    scene = some_scene(3)
    expected = slow_hop(scene.to_surface, SMALL, FREQUENCY_HZ) * slow_hop(scene.from_surface, SMALL, FREQUENCY_HZ)
    assert relative_error(surface_response(scene, SMALL, FREQUENCY_HZ), expected) < 1e-11


@pytest.mark.parametrize("kind", [{}, {"spherical": True}], ids=str)
def test_swapping_transmitter_and_receiver_changes_nothing(kind):
    scene = some_scene(5, **kind)
    swapped = Scene(scene.direct, scene.from_surface, scene.to_surface, CARRIER_HZ)
    there, back = (surface_response(each, SMALL, FREQUENCY_HZ) for each in (scene, swapped))
    assert np.allclose(there, back, rtol=1e-12)


def test_paths_superpose():
    one, two = some_paths(1, 3), some_paths(2, 4)
    both = Paths(
        *(np.concatenate(pair) for pair in ((one.gain, two.gain), (one.delay_s, two.delay_s))),
        np.vstack([one.direction, two.direction]),
    )
    apart = sum(hop_response(each, SMALL, CARRIER_HZ, FREQUENCY_HZ) for each in (one, two))
    assert np.allclose(hop_response(both, SMALL, CARRIER_HZ, FREQUENCY_HZ), apart, rtol=1e-11)


@given(delay_s=st.floats(1e-9, 3e-6))
def test_a_delay_turns_the_phase_by_its_frequency(delay_s):
    scene = Scene(
        Paths(np.array([2 + 0j]), np.array([delay_s]), np.zeros((1, 3))), some_paths(1, 1), some_paths(2, 1), CARRIER_HZ
    )
    step_hz = 1e4  # so small that a step turns less than half a cycle
    response = direct_response(scene, np.arange(50) * step_hz)
    assert np.allclose(np.abs(response), 2)
    assert np.allclose(np.angle(response[1:] / response[:-1]), -2 * np.pi * step_hz * delay_s, atol=1e-8)


def test_a_path_from_the_right_reaches_the_right_column_first():
    from_the_right = Paths(np.ones(1, complex), np.array([1e-8]), np.array([[1.0, 0.0, 0.0]]))
    field = hop_response(from_the_right, Geometry(1, 2, 0.01, 0.01), CARRIER_HZ, np.zeros(1))[:, 0]
    assert np.angle(field[1] / field[0]) == pytest.approx(2 * np.pi * 0.01 / WAVELENGTH_M)


def test_a_path_from_above_reaches_row_zero_first():
    from_above = Paths(np.ones(1, complex), np.array([1e-8]), np.array([[0.0, 1.0, 0.0]]))
    field = hop_response(from_above, Geometry(2, 1, 0.01, 0.01), CARRIER_HZ, np.zeros(1))[:, 0]
    assert np.angle(field[0] / field[1]) == pytest.approx(2 * np.pi * 0.01 / WAVELENGTH_M)


def test_a_spherical_wave_from_far_away_is_plane():
    plane = some_paths(4, 5)
    far = Paths(plane.gain, plane.delay_s, plane.direction, plane.direction * 1e5)
    both = (hop_response(each, SMALL, CARRIER_HZ, FREQUENCY_HZ) for each in (plane, far))
    assert relative_error(*both) < 1e-4


def test_a_near_source_is_heard_louder_by_the_nearer_element():
    source = np.array([[0.1, 0.0, 0.1]])
    paths = Paths(np.ones(1, complex), np.array([1e-9]), source / np.linalg.norm(source), source)
    left, right = np.abs(hop_response(paths, Geometry(1, 2, 0.1, 0.1), CARRIER_HZ, np.zeros(1))[:, 0])
    assert right / left == pytest.approx(math.dist(source[0], (-0.05, 0, 0)) / math.dist(source[0], (0.05, 0, 0)))


@pytest.mark.parametrize("kind", [{}, {"level": True}, {"spherical": True}], ids=str)
@pytest.mark.parametrize(("bandwidth_hz", "num_taps", "first_s"), [(10e6, 20, 3e-7), (56e6, 3, 0.0), (2e5, 1, 2e-6)])
def test_taps_equal_a_loop_over_all_pairs_of_paths(kind, bandwidth_hz, num_taps, first_s):
    scene, geometry = some_scene(7, **kind), Geometry(2, 3, 0.03, 0.03)
    fast = taps(scene, geometry, bandwidth_hz=bandwidth_hz, num_taps=num_taps, first_s=first_s)
    slow = slow_taps(scene, geometry, bandwidth_hz, num_taps, first_s)
    scale = np.abs(slow[0]).max()
    assert np.abs(fast[0] - slow[0]).max() < 1e-11 * max(scale, 1.0)
    assert np.abs(fast[1] - slow[1]).max() < 1e-11


@pytest.mark.parametrize("reach", [4, 8, 40, 100])
def test_the_quadrature_is_exact_as_far_as_it_must_reach_with_no_node_to_spare(reach):
    """The integral over -1/2..1/2 of exp(2j pi node x) is sinc(x)."""
    node, weight = _gauss_legendre(reach)

    def error(x):
        return np.abs(np.exp(2j * np.pi * np.outer(x, node)) @ weight - np.sinc(x)).max()

    airy_width = (np.pi * reach / 2) ** (1 / 3) / np.pi
    assert error(np.linspace(-reach, reach, 801)) < 3e-14
    assert error(np.linspace(reach, reach + 8 * airy_width, 801)) > 1e-6


def test_the_receiver_samples_from_the_first_direct_path_on():
    scene = some_scene(9)
    implied = taps(scene, SMALL, bandwidth_hz=10e6, num_taps=8)
    stated = taps(scene, SMALL, bandwidth_hz=10e6, num_taps=8, first_s=float(scene.direct.delay_s.min()))
    assert all(np.array_equal(*pair) for pair in zip(implied, stated, strict=True))


def test_taps_of_delays_on_the_sample_grid_are_the_response_on_every_subcarrier():
    bandwidth_hz, num_subcarriers = 10e6, 64
    plain = np.zeros((3, 3))
    scene = Scene(
        Paths(np.array([1, 0.5j, -0.2], complex), np.array([0, 3, 5]) / bandwidth_hz, plain),
        Paths(np.ones(1, complex), np.array([1 / bandwidth_hz]), plain[:1]),
        Paths(np.array([0.3, 0.1], complex), np.array([1, 6]) / bandwidth_hz, plain[:2]),
        CARRIER_HZ,
    )
    subcarrier = np.arange(num_subcarriers) - num_subcarriers // 2
    cascade, direct = taps(scene, SMALL, bandwidth_hz=bandwidth_hz, num_taps=10, first_s=0.0)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(10), subcarrier) / num_subcarriers)
    frequency_hz = subcarrier * bandwidth_hz / num_subcarriers
    assert np.allclose(direct @ dft, direct_response(scene, frequency_hz), atol=1e-11)
    assert np.allclose(cascade @ dft, surface_response(scene, SMALL, frequency_hz), atol=1e-11)
