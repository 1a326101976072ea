"""Drift of the radio and motion in the room, told apart on soundings whose makers are known."""

import numpy as np
import pytest

from hil.measure.stability import assess

COUNT, INTERVAL_S, TAPS = 1200, 0.01, 6
TIME_S = INTERVAL_S * np.arange(COUNT)
NOISE = 1e-5


def soundings(rng, *, pace_deg=0.0, gain_db=0.0, motion_db=None, doppler_hz=1.0):
    """complex[sounding, tap]."""
    still = np.array([1.0, 0.4j, 0.1, 0, 0, 0])
    taps = np.tile(still / np.linalg.norm(still), (COUNT, 1)).astype(complex)
    if motion_db is not None:
        angle = 2 * np.pi * rng.random((4, 32))
        for wave in angle:
            turning = np.exp(2j * np.pi * (doppler_hz * np.cos(wave) * TIME_S[:, None] + rng.random(32))).sum(axis=1)
            shape = rng.normal(size=TAPS) + 1j * rng.normal(size=TAPS)
            taps += 10 ** (motion_db / 20) / 2 * np.outer(turning / np.sqrt(32), shape / np.linalg.norm(shape))
    walk = np.cumsum(rng.normal(size=(2, COUNT)), axis=1) * np.sqrt(INTERVAL_S)
    taps *= np.exp(walk[0] * gain_db / 8.686 + 1j * np.radians(pace_deg) * walk[1])[:, None]
    return taps + np.sqrt(NOISE / 2) * (rng.normal(size=taps.shape) + 1j * rng.normal(size=taps.shape))


def assessed(seed=0, **what):
    return assess(soundings(np.random.default_rng(seed), **what), np.full(TAPS, NOISE), TIME_S)


@pytest.mark.parametrize("pace_deg", [1.0, 10.0, 40.0])
def test_the_pace_of_a_drifting_phase(pace_deg):
    found = assessed(pace_deg=pace_deg)
    assert found.phase_deg == pytest.approx(pace_deg, rel=0.25)
    assert found.motion_db is None


def test_a_still_radio_in_a_still_room_repeats_within_the_noise():
    for seed in range(10):
        found = assessed(seed)
        assert (found.phase_deg, found.gain_db, found.motion_db) == (0.0, 0.0, None)
        assert found.noise_db == pytest.approx(10 * np.log10(NOISE), abs=0.1)
        assert found.repeat_deg == pytest.approx(np.degrees(np.sqrt(NOISE / 2)), rel=0.1)


@pytest.mark.parametrize("doppler_hz", [0.7, 3.0])
def test_people_are_seen_by_level_and_doppler_and_are_no_drift(doppler_hz):
    found = assessed(motion_db=-25, doppler_hz=doppler_hz)
    assert found.motion_db == pytest.approx(-25, abs=2.5)
    assert found.doppler_hz == pytest.approx(doppler_hz, rel=0.4)
    assert found.phase_deg < 1.5
    assert found.gain_db is None


def test_even_close_people_are_no_drift():
    found = [assessed(seed, motion_db=-12, doppler_hz=2.0).phase_deg for seed in range(6)]
    assert np.median(found) < 1


@pytest.mark.parametrize("doppler_hz", [0.6, 2.0])
def test_people_are_hardly_ever_taken_for_drift(doppler_hz):
    told = [assessed(seed, motion_db=-28, doppler_hz=doppler_hz).phase_deg > 0 for seed in range(30)]
    assert sum(told) <= 1


def test_drift_shows_while_people_move():
    found = assessed(pace_deg=10.0, motion_db=-35, doppler_hz=2.0)
    assert found.phase_deg == pytest.approx(10, rel=0.35)
    assert found.motion_db == pytest.approx(-35, abs=2.5)


def test_a_drifting_gain_is_no_motion():
    found = assessed(gain_db=0.2)
    assert found.gain_db == pytest.approx(0.2, rel=0.3)
    assert found.motion_db is None


def test_a_few_soundings_do_not_show_drift():
    with pytest.raises(ValueError, match="do not show drift"):
        assess(np.ones((8, 2), complex), np.ones(2), np.arange(8.0))
