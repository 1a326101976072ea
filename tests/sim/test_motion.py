"""Walkers: Jakes' spectrum at the level asked for, the same at any time whoever asks, and heard as the truth says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import j0

from hil.channel import Paths, Scene
from hil.config import RoomMotionConfig
from hil.sim.motion import Walkers
from hil.sim.world import Transmission

CARRIER_HZ, RATE_HZ = 4e9, 10e6
DOPPLER_HZ = 2.0
STRONG = 1e6
NUM_SUBCARRIERS = 64


def walkers(scene, seed=1, **config):
    plan = {"level_db": -40, "doppler_hz": DOPPLER_HZ, "num_walkers": 16} | config
    return Walkers(RoomMotionConfig(**plan), scene, seed)


def sounding(world, pattern, start_s, periods=1):
    """The channel on the station's subcarriers as an ideal receiver finds it, period by period."""
    spectrum = np.random.default_rng(0).choice([1, 1j, -1, -1j], 80) * STRONG
    sent = Transmission(np.fft.ifft(spectrum).astype(np.complex64), True, RATE_HZ, CARRIER_HZ, start_s)
    world.radiate(sent, 0.0)
    world.set_pattern(pattern, 0.0)
    heard = world.receive(start_s, 80 * periods, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ)
    measured = np.fft.fft(heard.reshape(periods, 80)) / spectrum
    return measured[:, np.arange(NUM_SUBCARRIERS) - NUM_SUBCARRIERS // 2]


def pattern(seed=3):
    return np.random.default_rng(seed).integers(0, 2, 12, dtype=np.uint8)


def test_an_echos_mean_power_over_time_is_one(scene):
    strength = walkers(scene).strength(np.arange(0, 2000, 0.37))
    assert np.allclose((abs(strength) ** 2).mean(axis=0), 1, atol=0.15)
    assert (abs(strength) ** 2).mean() == pytest.approx(1, abs=0.03)


def test_an_echo_forgets_its_phase_as_jakes_says(scene):
    start_s = np.arange(0, 300, 0.73)
    lags_s = np.linspace(0, 1.0, 9)
    early = walkers(scene).strength(start_s)
    likeness = [(walkers(scene).strength(start_s + lag_s) * early.conj()).mean().real for lag_s in lags_s]
    assert np.allclose(likeness, j0(2 * np.pi * DOPPLER_HZ * lags_s), atol=0.08)


def test_nothing_moves_faster_than_the_largest_doppler_shift(scene):
    step_s, count = 0.05, 4096
    strength = walkers(scene).strength(step_s * np.arange(count)) * np.blackman(count)[:, None]
    power = (abs(np.fft.fft(strength, axis=0)) ** 2).sum(axis=1)
    beyond = abs(np.fft.fftfreq(count, step_s)) > DOPPLER_HZ + 4 / (count * step_s)
    assert power[beyond].sum() < 1e-5 * power.sum()
    assert power[~beyond & (abs(np.fft.fftfreq(count, step_s)) > 0.8 * DOPPLER_HZ)].sum() > 0.3 * power.sum()


def test_all_echoes_together_have_their_level_relative_to_the_still_paths(scene):
    crowd = walkers(scene, level_db=-23.0, surface_level_db=-7.0)
    for hop, level_db in (("direct", -23.0), ("from_surface", -7.0)):
        echoes = sum((abs(getattr(each, hop).gain) ** 2).sum() for each in crowd.scenes)
        still = (abs(getattr(scene, hop).gain) ** 2).sum()
        assert 10 * np.log10(echoes / still) == pytest.approx(level_db)


def test_echoes_come_later_than_the_first_still_path_and_from_in_front_of_the_surface(scene):
    for each in walkers(scene, surface_level_db=-20).scenes:
        assert 0 <= each.direct.delay_s[0] - scene.direct.delay_s.min() <= 50e-9
        assert 0 <= each.from_surface.delay_s[0] - scene.from_surface.delay_s.min() <= 50e-9
        assert np.linalg.norm(each.from_surface.direction) == pytest.approx(1)
        assert each.from_surface.direction[0, 2] > 0.4
        assert each.to_surface is scene.to_surface


def test_another_seed_is_another_crowd(scene):
    one, same, other = (walkers(scene, seed).strength(np.array([5.0])) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_people_who_stand_still_are_part_of_the_furniture(scene):
    still = walkers(scene, doppler_hz=0)
    assert np.array_equal(still.strength(np.array([0.0])), still.strength(np.array([1e4])))


@pytest.mark.parametrize("surface_level_db", [None, -3.0])
@pytest.mark.parametrize("doppler_hz", [0.0, 2.0, 100.0])
def test_a_receiver_measures_the_true_channel_of_its_moment(make_world, doppler_hz, surface_level_db):
    motion = {"level_db": 15, "doppler_hz": doppler_hz, "surface_level_db": surface_level_db}
    world = make_world(table=(0.9, -0.7j), leakage_db=-10.0, room_motion=motion)
    start_s, periods = 1.2345, 200
    measured = sounding(world, pattern(), start_s, periods)
    still = world.truth.response(pattern())
    for period in (0, 57, 199):
        middle_s = start_s + (period + 0.5) * 80 / RATE_HZ
        expected = world.truth.response(pattern(), middle_s)
        assert np.linalg.norm(measured[period] - expected) < 4e-3 * np.linalg.norm(expected - still)


def test_echoes_over_the_surface_depend_on_its_pattern_and_those_past_it_do_not(make_world):
    def added(pattern, **motion):
        truth = make_world(room_motion={"level_db": -10, "doppler_hz": 2, **motion}).truth
        return truth.response(pattern, 3.0) - truth.response(pattern)

    assert np.allclose(added(pattern(1)), added(pattern(2)))
    assert not np.allclose(added(pattern(1), surface_level_db=0), added(pattern(2), surface_level_db=0), rtol=0.1)


def test_a_room_without_people_gives_the_very_same_samples(make_world):
    quiet, crowded = make_world(), make_world(room_motion={"level_db": -300, "doppler_hz": 2, "num_walkers": 1})
    still, moving = (sounding(world, pattern(), 0.5, 20) for world in (quiet, crowded))
    assert np.allclose(still, moving, rtol=1e-5)
    assert np.allclose(quiet.truth.response(pattern(), 7.0), quiet.truth.response(pattern()))


def test_a_burst_is_heard_over_the_latest_echo(make_world, one_path):
    """The still path is cut off by now; what is left comes from people only."""
    world = make_world(one_path(1.0, 0.0), room_motion={"level_db": 0, "doppler_hz": 0, "num_walkers": 16})
    samples = np.full(10, STRONG, np.complex64)
    world.radiate(Transmission(samples, False, RATE_HZ, CARRIER_HZ, 1e-3), 0.0)
    heard = abs(world.receive(1e-3, 200, sample_rate_hz=RATE_HZ, lo_hz=CARRIER_HZ)) / STRONG
    assert heard[:10].mean() > 0.2
    assert heard[120:].max() < 0.05


def test_a_scene_without_direct_paths_has_echoes_of_no_strength(scene):
    none = Paths(np.zeros(0, complex), np.zeros(0), np.zeros((0, 3)))
    dark: Scene = replace(scene, direct=none)
    assert all(each.direct.gain[0] == 0 for each in walkers(dark).scenes)
