"""Interferers: so often, so long, so strong, in their band, and the same for whoever listens whenever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.config import InterfererConfig
from hil.sim.interferers import Interferer
from hil.sim.timeline import Window

LO_HZ, RATE_HZ = 4e9, 10e6
WIFI = {"kind": "bursts", "frequency_hz": LO_HZ, "level_dbm": -40, "rate_hz": 200, "duration_s": 1e-3}
RADAR = {"kind": "pulses", "frequency_hz": LO_HZ, "level_dbm": -40, "rate_hz": 1000, "duration_s": 20e-6}


def interferer(plan, seed=1, index=0, **changes):
    return Interferer(InterfererConfig(**{"bandwidth_hz": 8e6} | plan | changes), seed, index)


def heard(source, start_s, num_samples, lo_hz=LO_HZ, rate_hz=RATE_HZ, gain=1.0):
    samples = np.zeros(num_samples, np.complex64)
    source.add_to(samples, Window(start_s, num_samples, rate_hz, lo_hz), gain)
    return samples


def during(source, from_s, until_s):
    return list(source.bursts(from_s, until_s))


def test_bursts_come_at_random_as_often_as_asked():
    per_second = [len({b.start_s for b in during(interferer(WIFI), s, s + 1) if b.start_s >= s}) for s in range(60)]
    assert np.mean(per_second) == pytest.approx(200, abs=5 * np.sqrt(200 / 60))
    assert np.var(per_second) == pytest.approx(200, rel=0.7)


def test_bursts_last_between_half_and_one_and_a_half_of_their_mean():
    lengths_s = [burst.end_s - burst.start_s for burst in during(interferer(WIFI), 0, 5)]
    assert 0.5e-3 - 1e-12 <= min(lengths_s) < 0.55e-3
    assert 1.45e-3 < max(lengths_s) <= 1.5e-3 + 1e-12
    assert np.mean(lengths_s) == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("plan", [WIFI | {"duration_s": 20e-3}, RADAR | {"duration_s": 5e-3}])
def test_what_began_long_ago_is_still_on_the_air(plan):
    source = interferer(plan)
    everything = during(source, 0.0, 1.0)
    for time_s in np.arange(0.1, 0.9, 0.0123):
        expected = {burst.start_s for burst in everything if burst.start_s < time_s + 1e-6 and burst.end_s > time_s}
        assert {burst.start_s for burst in during(source, time_s, time_s + 1e-6)} == expected


def test_pulses_come_in_even_intervals():
    starts_s = [burst.start_s for burst in during(interferer(RADAR), 10.0, 10.1)]
    assert len(starts_s) in (100, 101)
    assert np.allclose(np.diff(starts_s), 1e-3)
    assert all(b.end_s - b.start_s == pytest.approx(20e-6) for b in during(interferer(RADAR), 10.0, 10.1))


@settings(max_examples=40)
@given(st.sampled_from([WIFI, RADAR]), st.floats(0, 100), st.integers(1, 5000), st.data())
def test_whoever_listens_later_or_shorter_hears_the_same(plan, start_s, num_samples, data):
    skipped = data.draw(st.integers(0, num_samples - 1))
    whole = heard(interferer(plan), start_s, num_samples)
    part = heard(interferer(plan), start_s + skipped / RATE_HZ, num_samples - skipped)
    off = np.flatnonzero(abs(whole[skipped:] - part) > 1e-3 * 0.01)
    assert off.size <= 4  # where a burst starts, rounding may move it by a sample


@pytest.mark.parametrize("plan", [WIFI, RADAR])
@pytest.mark.parametrize("beside_hz", [-0.7e6, 0.0, 1.1e6])
def test_whoever_begins_to_listen_in_the_middle_of_a_burst_beside_the_carrier_hears_the_same(plan, beside_hz):
    source = interferer(plan, frequency_hz=LO_HZ + beside_hz)
    burst = next(each for each in during(source, 1.0, 2.0) if each.start_s > 1.0)
    whole = heard(source, burst.start_s, 150)
    for skipped in (1, 37, 149):
        part = heard(source, burst.start_s + skipped / RATE_HZ, 150 - skipped)
        np.testing.assert_allclose(part, whole[skipped:], atol=1e-3 * abs(whole).max())


@pytest.mark.parametrize("plan", [WIFI, RADAR])
def test_its_level_is_the_power_while_it_sends(plan):
    source = interferer(plan, level_dbm=-30)
    samples = heard(source, 1.0, 2_000_000, gain=2.0).astype(complex)
    sending = sum(min(b.end_s, 1.2) - max(b.start_s, 1.0) for b in during(source, 1.0, 1.2))
    energy = (abs(samples) ** 2).sum() / RATE_HZ
    overlaps = 0.15 if plan is WIFI else 0.01  # two bursts at a time add or cancel a little
    assert energy / sending == pytest.approx(4 * 1e-3, rel=overlaps)


@pytest.mark.parametrize("plan", [WIFI, RADAR])
def test_it_is_heard_in_its_own_band_only(plan):
    source = interferer(plan, bandwidth_hz=3e6, frequency_hz=LO_HZ + 2e6)
    burst = next(iter(during(source, 1.0, 2.0)))
    samples = heard(source, burst.start_s, int((burst.end_s - burst.start_s) * RATE_HZ))
    power = abs(np.fft.fft(samples * np.hanning(samples.size))) ** 2
    inside = abs(np.fft.fftfreq(samples.size, 1 / RATE_HZ) - 2e6) < 1.6e6
    assert power[inside].sum() > 0.99 * power.sum()
    assert power[inside & (abs(np.fft.fftfreq(samples.size, 1 / RATE_HZ) - 2e6) > 0.7e6)].sum() > 0.05 * power.sum()


def test_a_pulse_rises_over_its_whole_band():
    source = interferer(RADAR, bandwidth_hz=4e6, frequency_hz=LO_HZ + 1e6, duration_s=200e-6)
    burst = next(iter(during(source, 1.0, 2.0)))
    samples = heard(source, burst.start_s, 2000).astype(complex)
    frequency_hz = np.angle(samples[1:] * samples[:-1].conj()) * RATE_HZ / (2 * np.pi)
    assert frequency_hz == pytest.approx(np.linspace(-1e6, 3e6, 1999), abs=5e3)


@pytest.mark.parametrize("plan", [WIFI, RADAR])
def test_a_band_that_sticks_out_is_heard_in_part_and_never_folds_in(plan):
    source = interferer(plan, bandwidth_hz=8e6, frequency_hz=LO_HZ + 5e6)
    burst = next(iter(during(source, 1.0, 2.0)))
    samples = heard(source, burst.start_s, int((burst.end_s - burst.start_s) * RATE_HZ))
    power = abs(np.fft.fft(samples * np.hanning(samples.size))) ** 2
    frequency_hz = np.fft.fftfreq(samples.size, 1 / RATE_HZ)
    assert power[(frequency_hz > -4.5e6) & (frequency_hz < 0.5e6)].sum() < 0.03 * power.sum()
    assert power.sum() > 0
    assert not heard(source, burst.start_s, 100, lo_hz=LO_HZ - 5e6).any()


def test_a_burst_never_repeats_itself():
    source = interferer(WIFI, duration_s=10e-3)
    burst = max(during(source, 0.0, 1.0), key=lambda each: each.end_s - each.start_s)
    samples = heard(source, burst.start_s, 80_000).astype(complex)
    for lag in (32, 80, 640, 6400):
        likeness = abs(np.vdot(samples[lag:], samples[:-lag])) / np.linalg.norm(samples) ** 2
        assert likeness < 0.5


def test_each_of_several_has_its_own_time():
    starts_s = [{b.start_s for b in during(interferer(WIFI, seed, i), 0, 1)} for seed, i in ((1, 0), (1, 1), (2, 0))]
    assert not starts_s[0] & starts_s[1]
    assert not starts_s[0] & starts_s[2]


def test_the_world_adds_them_behind_the_receive_chain(make_world):
    radar = RADAR | {"bandwidth_hz": 0.0, "level_dbm": 20.0}
    power = {"rx_chain_gain_db": 13.0}
    quiet, noisy = make_world(power=power), make_world(power=power, interferers=[radar])
    without, received = (world.receive(0.0, 10_000, sample_rate_hz=RATE_HZ, lo_hz=LO_HZ) for world in (quiet, noisy))
    added = abs(received - without)
    sounding = added > 1e-3
    assert sounding.sum() in (199, 200, 201)
    assert np.allclose(20 * np.log10(added[sounding]), 33.0, atol=1e-3)
