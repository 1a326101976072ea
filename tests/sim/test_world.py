"""What the world promises its instruments: the past stays, noise belongs to its time, the truth has no noise."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.channel import build_scene, direct_response, surface_response
from hil.errors import ConfigError
from hil.interfaces import Geometry, StateSet, Truth
from hil.sim.clock import VirtualClock
from hil.sim.world import KEPT_PATTERNS, Transmission, World

CARRIER_HZ = 4e9
RATE_HZ = 10e6
NUM_SUBCARRIERS, BANDWIDTH_HZ = 64, 8e6  # of the station in conftest


def transmission(seed=0, start_s=0.0, amplitude=1.0):
    rng = np.random.default_rng(seed)
    frame = amplitude * (rng.normal(size=80) + 1j * rng.normal(size=80))
    return Transmission(frame.astype(np.complex64), True, RATE_HZ, CARRIER_HZ, start_s, ((0.0, 0.1),))


def pattern(seed, num_elements=12):
    return np.random.default_rng(seed).integers(0, 2, num_elements, dtype=np.uint8)


def listen(world, start_s, num_samples=400):
    return world.receive(start_s, num_samples, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ)


def test_the_same_seed_and_time_give_the_same_samples_whatever_happened_before(make_world):
    busy, fresh, other_seed = make_world(), make_world(), make_world(seed=2)
    for step in range(5):
        busy.radiate(transmission(step), step * 1e-3)
        busy.set_pattern(pattern(step), step * 1e-3)
        listen(busy, step * 1e-3)
    for world in (busy, fresh, other_seed):
        world.set_pattern(pattern(9), 0.01)
        world.radiate(transmission(9), 0.01)
    assert np.array_equal(listen(busy, 0.02), listen(fresh, 0.02))
    assert not np.array_equal(listen(other_seed, 0.02), listen(fresh, 0.02))


def test_noise_differs_from_time_to_time(make_world):
    world = make_world()
    early, late = listen(world, 0.0, 10_000).astype(complex), listen(world, 1e-3, 10_000).astype(complex)
    likeness = abs(np.vdot(early, late)) / (np.linalg.norm(early) * np.linalg.norm(late))
    assert likeness < 0.05


# the fixture only makes worlds
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_past_is_heard_as_it_was_however_late_it_is_asked_for(make_world, data):
    world = make_world()
    heard = []
    for step in range(data.draw(st.integers(1, 8))):
        time_s = step * 1e-3
        if data.draw(st.booleans()):
            world.set_pattern(pattern(step), time_s + data.draw(st.floats(0, 9e-4)))
        if data.draw(st.booleans()):
            world.radiate(transmission(step) if data.draw(st.booleans()) else None, time_s)
        heard.append(listen(world, time_s, 10_000))
    for step, samples in enumerate(heard):
        assert np.array_equal(listen(world, step * 1e-3, 10_000), samples)


def test_thousands_of_changes_are_remembered_and_no_more(make_world):
    world = make_world()
    for step in range(KEPT_PATTERNS + 10):
        world.set_pattern(pattern(step), step * 1e-3)
    assert np.array_equal(world.pattern_at((10 + 5) * 1e-3 + 1e-4), pattern(15))
    assert np.array_equal(world.pattern_at(0.0), pattern(10))


def test_a_surface_starts_with_all_elements_in_state_zero_and_shows_what_it_was_told_last(make_world):
    world = make_world()
    assert not world.pattern_at(0.0).any()
    world.set_pattern(pattern(1), 1.0)
    world.set_pattern(pattern(2), 3.0)
    assert np.array_equal(world.pattern_at(2.0), pattern(1))
    world.set_pattern(pattern(3), 2.5)
    assert np.array_equal(world.pattern_at(4.0), pattern(3))


def test_silence_is_noise_alone_and_begins_when_the_radio_stops(make_world):
    world = make_world()
    noise = listen(world, 1e-3)
    world.radiate(transmission(amplitude=1e3), 0.0)
    world.radiate(None, 1e-3 + 100 / RATE_HZ)
    heard = listen(world, 1e-3)
    assert np.array_equal(heard[100:], noise[100:])
    assert (abs(heard[:100]) > 1).all()


def test_the_truth_is_what_a_receiver_measures_without_noise(make_world):
    world = make_world(table=(0.9, -0.7j), leakage_db=-10.0)
    spectrum = np.random.default_rng(0).choice([1, 1j, -1, -1j], 80) * 1e6
    frame = np.fft.ifft(spectrum).astype(np.complex64)
    world.radiate(Transmission(frame, True, RATE_HZ, CARRIER_HZ, 0.0), 0.0)
    world.set_pattern(pattern(3), 0.0)
    measured = np.fft.fft(listen(world, 1e-3, 80)) / spectrum  # 1 ms is a whole number of periods
    subcarrier = np.arange(NUM_SUBCARRIERS) - NUM_SUBCARRIERS // 2
    assert np.allclose(measured[subcarrier], world.truth.response(pattern(3)), rtol=0, atol=3e-5)
    assert isinstance(world.truth, Truth)


def test_the_truth_without_a_surface_is_what_a_surface_that_reflects_nothing_leaves(make_world):
    world = make_world(table=(0.0, 1.0), leakage_db=-20.0)
    assert np.allclose(world.truth.no_surface(), world.truth.response(np.zeros(12, dtype=np.uint8)))


@pytest.mark.parametrize("name", ["near", "far"])
def test_without_a_scene_the_world_is_the_one_that_the_stations_file_describes(make_station, name):
    users = [
        {"name": "near", "position_m": [2, -1, 0]},
        {"name": "far", "position_m": [4, 1, 0.2], "line_of_sight": False},
    ]
    testbed = make_station(users=users)
    geometry = Geometry(3, 4, 0.03, 0.04)
    world = World(
        testbed, geometry, StateSet(np.array([CARRIER_HZ]), np.array([[1, -1]], complex)), 0.0, testbed.user(name)
    )
    scene = build_scene(
        testbed.simulation.scene,
        carrier_hz=CARRIER_HZ,
        transmitter_m=testbed.transmitter_m,
        surface_m=testbed.surface.position_m,
        facing_deg=testbed.surface.facing_deg,
        user=testbed.user(name),
    )
    offset_hz = (np.arange(NUM_SUBCARRIERS) - NUM_SUBCARRIERS // 2) * BANDWIDTH_HZ / NUM_SUBCARRIERS
    sign = 1 - 2 * pattern(1).astype(int)
    expected = direct_response(scene, offset_hz) + sign @ surface_response(scene, geometry, offset_hz)
    assert np.allclose(world.truth.response(pattern(1)), expected, rtol=1e-9)
    assert isinstance(world.clock, VirtualClock)


def test_a_station_without_a_simulation_has_no_world(make_station):
    testbed = make_station(radio={"uri": "ip:192.168.2.1"}, surface={"port": "/dev/ttyUSB0"}, simulation=None)
    with pytest.raises(ConfigError, match="simulation"):
        World(testbed, Geometry(1, 1, 0.1, 0.1), StateSet(np.array([CARRIER_HZ]), np.ones((1, 2), complex)), 0.0)


@pytest.mark.parametrize("wrong", [np.zeros(11, np.uint8), np.full(12, 2, np.uint8)])
def test_a_pattern_that_the_surface_cannot_show_is_refused(make_world, wrong):
    world = make_world()
    with pytest.raises(ValueError, match="12 states below 2"):
        world.set_pattern(wrong, 0.0)


def test_a_surface_that_was_never_measured_in_the_stations_band_is_refused(make_world):
    with pytest.raises(ConfigError, match="not at 3"):
        make_world(table=[[1, -1], [1, -1]], table_hz=[5.0e9, 6.0e9])


def test_a_tone_beyond_the_samplers_band_is_refused():
    with pytest.raises(ValueError, match="beyond"):
        Transmission(np.zeros(0, np.complex64), True, 1e6, CARRIER_HZ, 0.0, ((0.6e6, 1.0),))


def test_several_threads_may_use_the_world_at_once(make_world):
    world = make_world()
    world.radiate(transmission(amplitude=1e3), 0.0)

    def work(step):
        world.set_pattern(pattern(step), 1.0 + step * 1e-3)
        return np.isfinite(listen(world, step * 1e-4)).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
