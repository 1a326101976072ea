"""A user who walks: Doppler shifts as the map says, the truth of each moment, no more work than the way asks for."""

import numpy as np
import pytest

import hil.sim.room
from hil.channel import Walk
from hil.config import UserConfig
from hil.errors import ConfigError
from hil.interfaces import Geometry, StateSet
from hil.sim.walking import ANCHORS_PER_WAVELENGTH, Route
from hil.sim.world import Transmission, World

CARRIER_HZ, RATE_HZ, PERIOD = 4e9, 10e6, 80
WAVELENGTH_M = 299_792_458 / CARRIER_HZ
STRONG = 1e6
NUM_SUBCARRIERS = 64
START = (2.0, -1.0, 0.0)
FREE_SPACE = {"wall_reflection": 0.0, "num_bodies": 0.0}
BUDGET = 10 ** (-45 / 20)


def walker(*corners, speed=0.5, start_s=0.0):
    path = {"to_m": corners, "speed_m_per_s": speed, "start_s": start_s} if corners else None
    return UserConfig(name="walker", position_m=START, path=path)


@pytest.fixture
def make_walked(make_station):
    """A world whose user walks, in a room or a microcell; the surface may be too weak to matter."""

    def make(user, *, kind="lab", options=(), table=(1, -1), **simulation):
        scene = {"kind": kind, "seed": 1, "options": dict(options)}
        station = make_station(simulation={"scene": scene, **simulation})
        if kind != "lab":
            station = station.model_copy(update={"transmitter_m": (80.0, -200.0, 15.0)})
        states = StateSet(np.array([CARRIER_HZ]), np.array([table], dtype=complex))
        return World(station, Geometry(3, 4, 0.03, 0.04), states, 20e-6, user)

    return make


def pattern(seed=3):
    return np.random.default_rng(seed).integers(0, 2, 12, dtype=np.uint8)


def spectrum():
    return np.random.default_rng(0).choice([1, 1j, -1, -1j], PERIOD) * STRONG * 1e3


def radiate(world, start_s=0.0):
    frame = np.fft.ifft(spectrum()).astype(np.complex64)
    world.radiate(Transmission(frame, True, RATE_HZ, CARRIER_HZ, start_s), 0.0)


def listen(world, start_s, periods):
    return world.receive(start_s, PERIOD * periods, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ)


def channels(samples):
    """The channel on the station's subcarriers, period by period."""
    measured = np.fft.fft(samples.reshape(-1, PERIOD)) / spectrum()
    return measured[:, np.arange(NUM_SUBCARRIERS) - NUM_SUBCARRIERS // 2]


@pytest.mark.parametrize("turned_deg", [0.0, 60.0, 135.0, 180.0])
def test_the_doppler_shift_is_the_speed_over_the_wavelength_towards_the_transmitter(make_walked, turned_deg):
    towards = np.array([1.0, 2.0, 0.0]) / np.sqrt(5)  # the transmitter stands at (3, 1, 0)
    turn = np.radians(turned_deg)
    heading = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ towards
    user = walker(tuple(START + 0.4 * heading), speed=1.5)
    world = make_walked(user, options=FREE_SPACE, table=(0, 0))
    radiate(world)
    early, late = (channels(listen(world, start_s, 1))[0] for start_s in (0.0, 0.01))
    measured_hz = np.angle(np.vdot(early, late)) / (2 * np.pi * 0.01)
    assert measured_hz == pytest.approx(1.5 / WAVELENGTH_M * np.cos(turn), abs=0.1)


@pytest.mark.parametrize("speed", [0.05, 1.5, 12.0])
@pytest.mark.parametrize("kind", ["lab", "paper", "sp-cup-2021"])
def test_a_receiver_measures_the_true_channel_of_its_moment(make_walked, kind, speed):
    user = walker((2.1, -0.9, 0.0), (2.1, -0.5, 0.1), speed=speed)
    world = make_walked(user, kind=kind, table=(0.9, -0.7j))
    world.set_pattern(pattern(), 0.0)
    radiate(world)
    corner_s = np.hypot(0.1, 0.1) / speed
    for start_s in (0.3 * corner_s, corner_s - 50e-6, 2 * corner_s):
        start_s = round(start_s * RATE_HZ / PERIOD) * PERIOD / RATE_HZ
        measured = channels(listen(world, start_s, 40))
        for period in (0, 17, 39):
            middle_s = start_s + (period + 0.5) * PERIOD / RATE_HZ
            expected = world.truth.response(pattern(), middle_s)
            assert np.linalg.norm(measured[period] - expected) < BUDGET * np.linalg.norm(expected)


def test_a_moment_lies_between_the_middle_two_of_its_four_anchors_but_at_the_ends_of_a_leg():
    """There the cubic through them errs least."""
    walk = Walk.of(walker((2.3, -0.6, 0.0), (2.0, -0.2, 0.3), speed=1.5))
    route = Route(walk, WAVELENGTH_M)
    moments_s = np.linspace(0.0, sum(walk.leg_m) / 1.5, 301)
    found = [route.between(time_s) for time_s in moments_s]
    for time_s, ((leg, first), weight) in zip(moments_s, found, strict=True):
        anchors_m = np.array([route.place_m((leg, first + step)) for step in range(4)])
        np.testing.assert_allclose(weight @ anchors_m, walk.position_m(time_s), atol=1e-5)
        if 0 < first < max(other for (of, other), _ in found if of == leg):
            assert weight[1:3].min() >= -1e-6 and weight[[0, 3]].max() <= 1e-6


def test_a_capture_cut_in_two_is_one(make_walked):
    world = make_walked(walker((2.1, -0.9, 0.0), speed=1.5), table=(0.9, -0.7j))
    radiate(world)
    for step in range(10):
        world.set_pattern(pattern(step), step * 83e-6)
    whole = listen(world, 0.0, 100)
    halves = np.concatenate([listen(world, 0.0, 47), listen(world, 47 * PERIOD / RATE_HZ, 53)])
    assert np.linalg.norm(whole - halves) < BUDGET * np.linalg.norm(whole)
    assert np.array_equal(whole, listen(world, 0.0, 100))


@pytest.mark.parametrize("motion", [None, {"level_db": -10, "doppler_hz": 2.0, "surface_level_db": -3.0}])
def test_a_walk_of_no_length_gives_the_very_same_samples(make_walked, motion):
    worlds = [make_walked(user, room_motion=motion) for user in (walker(), walker(START))]
    for world in worlds:
        radiate(world)
        world.set_pattern(pattern(), 1e-4)
    still, stood = (listen(world, 0.0, 20) for world in worlds)
    assert np.array_equal(still, stood)
    assert np.array_equal(worlds[0].truth.response(pattern(), 3.0), worlds[1].truth.response(pattern(), 3.0))


def test_before_the_walk_and_after_it_the_user_stands(make_walked):
    end = (2.1, -0.9, 0.0)
    walked = make_walked(walker(end, start_s=1.0))
    start, arrived = make_walked(walker()), make_walked(walker().model_copy(update={"position_m": end}))
    for world in (walked, start, arrived):
        radiate(world)
    for reference, start_s in ((start, 0.5), (arrived, 2.0)):
        expected = listen(reference, start_s, 20)
        assert np.linalg.norm(listen(walked, start_s, 20) - expected) < 1e-5 * np.linalg.norm(expected)
        assert np.allclose(walked.truth.response(pattern(), start_s), reference.truth.response(pattern()), rtol=1e-9)


def test_people_may_walk_about_beside_a_user_who_walks(make_walked):
    motion = {"level_db": 0, "doppler_hz": 5.0, "surface_level_db": 0.0}
    world = make_walked(walker((2.1, -0.9, 0.0)), room_motion=motion, table=(0.9, -0.7j))
    world.set_pattern(pattern(), 0.0)
    radiate(world)
    start_s = 0.1
    measured = channels(listen(world, start_s, 400))
    for period in (0, 213, 399):
        expected = world.truth.response(pattern(), start_s + (period + 0.5) * PERIOD / RATE_HZ)
        assert np.linalg.norm(measured[period] - expected) < BUDGET * np.linalg.norm(expected)
    assert np.linalg.norm(expected - world.truth.response(pattern())) > 0.1 * np.linalg.norm(expected)


@pytest.mark.parametrize("motion", [None, {"level_db": 0, "doppler_hz": 5.0, "surface_level_db": 0.0}])
@pytest.mark.parametrize("time_s", [None, 0.1])
def test_every_response_follows_from_the_true_channel(make_walked, time_s, motion):
    truth = make_walked(walker((2.1, -0.9, 0.0)), room_motion=motion, table=(0.9, -0.7j)).truth
    channel = truth.channel(time_s)
    reflection = np.array([0.9, -0.7j])[pattern()]
    assert np.allclose(channel.direct + reflection @ channel.cascade, truth.response(pattern(), time_s), rtol=1e-9)
    assert np.allclose(channel.direct, truth.no_surface(time_s))


def test_a_walk_out_of_the_room_is_refused_before_it_begins(make_walked):
    with pytest.raises(ConfigError, match="outside the room"):
        make_walked(walker((2.5, 0.0, 0.0), (9.0, 0.0, 0.0)))


def test_a_walk_that_comes_too_near_to_the_surface_on_its_way_is_refused(make_walked):
    with pytest.raises(ConfigError, match="needs 1 m"):
        make_walked(walker((-2.0, 1.0, 0.0)), kind="paper")


def test_the_scene_is_built_where_the_way_asks_for_it_and_nowhere_twice(make_walked, monkeypatch):
    world = make_walked(walker((2.0, 0.0, 0.0), speed=0.5))
    built = []
    build = hil.sim.room.build_scene
    monkeypatch.setattr(
        hil.sim.room, "build_scene", lambda *a, at_m, **k: built.append(at_m) or build(*a, at_m=at_m, **k)
    )
    radiate(world)
    for step in range(200):
        world.set_pattern(pattern(step), 0.1 + step * 100e-6)
    listen(world, 0.1, 200 * 1000 // PERIOD)
    way_m = 0.5 * 200 * 100e-6
    assert len(built) == len(set(built)) <= way_m / WAVELENGTH_M * ANCHORS_PER_WAVELENGTH + 5
