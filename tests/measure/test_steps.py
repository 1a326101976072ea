import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import MeasurementError
from hil.measure.steps import find_steps, lag_energy

PERIOD, SETTLE = 64, 26


def captured(count, dwell, pace, start, noise, seed=0, settle=SETTLE, tail=3.0):
    """A capture of a surface that steps every `dwell` samples of the board's clock, which is slow by `pace`.

    Each pattern is a periodic waveform of its own over a strong common one; from one to the next it takes `settle`
    samples. Returns samples and the middle of the time in which the first and the last pattern stand still.
    """
    rng = np.random.default_rng(seed)
    pitch = dwell * (1 + pace)
    index = np.arange(int(start + (count + tail) * pitch))
    number = np.clip(np.floor((index - start) / pitch), -1, count - 1).astype(int)
    waves = rng.standard_normal((count + 1, PERIOD, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    common = 10 * np.exp(2j * np.pi * rng.random(PERIOD))
    share = np.where(number >= 0, np.clip((index - start - number * pitch) / settle, 0, 1), 1)
    phase = index % PERIOD
    surface = share * waves[number + 1, phase] + (1 - share) * waves[np.maximum(number, 0), phase]
    samples = common[phase] + surface + noise * (rng.standard_normal((index.size, 2)) @ np.array([1, 1j])) / np.sqrt(2)
    middle = start + settle + (pitch - settle) / 2
    return samples.astype(np.complex64), middle, middle + (count - 1) * pitch


@given(
    count=st.integers(20, 200),
    symbols=st.integers(1, 5),
    pace=st.floats(-150e-6, 150e-6),
    lead=st.floats(2.6, 9.0),
    noise=st.sampled_from([0.0, 0.1, 0.5]),
    settle=st.integers(4, SETTLE),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_the_middle_of_each_pattern_is_found_whatever_start_clock_and_settle_time(
    count, symbols, pace, lead, noise, settle, seed
):
    dwell = SETTLE + symbols * PERIOD + 13.7
    samples, first, last = captured(count, dwell, pace, lead * dwell, noise, seed, settle)
    steps = find_steps(samples, count=count, dwell=dwell, period=PERIOD)
    assert abs(steps.middle - first) < 4
    assert abs(steps.middle + (count - 1) * steps.pitch - last) < 4


def test_a_clock_that_is_off_by_a_hundred_millionths_is_followed_over_thousands_of_dwells():
    samples, first, last = captured(4096, 128.0, 100e-6, 700.0, 0.3)
    steps = find_steps(samples, count=4096, dwell=128.0, period=PERIOD)
    assert last - first - 4095 * 128.0 > 50
    assert abs(steps.middle - first) < 2
    assert abs(steps.middle + 4095 * steps.pitch - last) < 2


@pytest.mark.parametrize("lost", ["first", "last"])
def test_a_capture_that_misses_an_end_of_the_sequence_is_refused(lost):
    samples, _, _ = captured(50, 128.0, 0.0, 700.0, 0.1)
    part = samples[900:] if lost == "first" else samples[: -5 * 128]
    with pytest.raises(MeasurementError, match=r"does not hold 50 changes|sigma"):
        find_steps(part, count=50, dwell=128.0, period=PERIOD)


@pytest.mark.parametrize("shown", [49, 51])
def test_another_number_of_steps_is_refused(shown):
    samples, _, _ = captured(shown, 128.0, 0.0, 700.0, 0.1)
    with pytest.raises(MeasurementError, match="sigma"):
        find_steps(samples, count=50, dwell=128.0, period=PERIOD)


def test_a_surface_that_is_not_heard_is_told_apart_from_one_that_is():
    samples, _, _ = captured(50, 128.0, 0.0, 700.0, 30.0)
    with pytest.raises(MeasurementError):
        find_steps(samples, count=50, dwell=128.0, period=PERIOD)


def test_a_periodic_signal_has_no_lag_energy_and_noise_twice_its_power():
    rng = np.random.default_rng(1)
    wave = np.tile(rng.standard_normal(PERIOD) + 0j, 50)
    assert np.all(lag_energy(wave, PERIOD, 8) == 0)
    noise = rng.standard_normal(200_000) + 1j * rng.standard_normal(200_000)
    energy = lag_energy(noise, PERIOD, 8)
    assert energy.size == (200_000 - PERIOD) // 8
    assert energy.mean() / 8 == pytest.approx(4, rel=0.02)
