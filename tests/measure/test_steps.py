import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.errors import MeasurementError
from hil.measure.steps import find_steps, first_change, lag_energy

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
@settings(max_examples=60)
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


def test_the_places_of_all_dwells_lie_within_the_capture():
    samples, first, _ = captured(50, 131.4, 0.0, 700.0, 0.1)
    steps = find_steps(samples, count=50, dwell=131.4, period=PERIOD)
    starts = steps.starts(PERIOD, samples.size)
    assert starts[0] >= 0
    assert starts[-1] + PERIOD <= samples.size
    assert np.all(np.abs(np.diff(starts) - 131.4) < 1)
    assert np.min(np.abs(starts + PERIOD / 2 - first)) < 3
    assert starts[0] < 131.4
    assert starts[-1] + PERIOD + 131.4 > samples.size


def test_a_capture_that_is_shorter_than_the_sequence_is_refused():
    samples, _, _ = captured(50, 128.0, 0.0, 700.0, 0.1)
    with pytest.raises(MeasurementError, match="does not hold 50 changes"):
        find_steps(samples[: -8 * 128], count=50, dwell=128.0, period=PERIOD)


def changes(count, before, after, level, freedom=40, seed=0):
    """Energies of changes, each a sum of `freedom` squares over noise of power 1; none before and after."""
    rng = np.random.default_rng(seed)
    power = 1 + level * np.concatenate([np.zeros(before), rng.gamma(4, 0.25, count), np.zeros(after)])
    return power * rng.gamma(freedom, 1.0, power.size)


@given(count=st.integers(1, 300), before=st.integers(1, 9), after=st.integers(1, 9), seed=st.integers(0, 2**16))
@settings(max_examples=100)
def test_the_first_change_is_found_or_nothing_is_said(count, before, after, seed):
    for level in (0.5, 3.0, 100.0):
        try:
            found = first_change(changes(count, before, after, level, seed=seed), count, 40)
        except MeasurementError:
            assert level < 100 or count > 1
            continue
        assert found == before


def test_clear_changes_are_numbered():
    assert first_change(changes(200, 5, 4, 50.0), 200, 40) == 5


@pytest.mark.parametrize("shown", [199, 201])
def test_another_number_of_steps_is_refused(shown):
    with pytest.raises(MeasurementError, match="sigma"):
        first_change(changes(shown, 5, 4, 50.0), 200, 40)


@pytest.mark.parametrize("cut", [slice(6, None), slice(None, -5)])
def test_a_sequence_whose_end_is_missing_is_refused(cut):
    with pytest.raises(MeasurementError, match=r"does not hold|sigma"):
        first_change(changes(200, 5, 4, 50.0)[cut], 200, 40)


def test_changes_within_the_noise_are_not_numbered():
    with pytest.raises(MeasurementError):
        first_change(changes(200, 5, 4, 0.3), 200, 40)


def test_a_periodic_signal_has_no_lag_energy_and_noise_twice_its_power():
    rng = np.random.default_rng(1)
    wave = np.tile(rng.standard_normal(PERIOD) + 0j, 50)
    assert np.all(lag_energy(wave, PERIOD, 8) == 0)
    noise = rng.standard_normal(200_000) + 1j * rng.standard_normal(200_000)
    energy = lag_energy(noise, PERIOD, 8)
    assert energy.size == (200_000 - PERIOD) // 8
    assert energy.mean() / 8 == pytest.approx(4, rel=0.02)
