"""A drift is a Wiener process, the same one whoever asks, whenever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.config import RfDriftConfig
from hil.sim.drift import KNOTS_PER_S, RandomWalk, RfDrift

RATE_HZ = 12.8e6


COUNT = 200


def walks(times_s, count=COUNT):
    return np.stack([RandomWalk(seed, "test").at(np.asarray(times_s, dtype=float)) for seed in range(count)])


@settings(max_examples=30)
@given(st.integers(0, 2**60), st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_its_value_at_a_time_does_not_depend_on_what_else_was_asked_for(seed, times_s):
    times_s = np.sort(times_s)
    together = RandomWalk(seed, "test").at(times_s)
    one_by_one = [RandomWalk(seed, "test").at(np.array([time_s]))[0] for time_s in times_s[::-1]]
    assert np.array_equal(together, one_by_one[::-1])


def test_it_starts_at_zero_and_stands_still_before():
    assert np.array_equal(walks([-1.0, -1e-3, 0.0], 5), np.zeros((5, 3)))


@pytest.mark.parametrize("start_s", [0.0, 3.9997])
@pytest.mark.parametrize("lag_s", [1 / KNOTS_PER_S, 0.37, 20.0])
def test_its_increments_have_the_variance_of_their_length(start_s, lag_s):
    start_s = round(start_s * KNOTS_PER_S) / KNOTS_PER_S
    first, last = walks([start_s, start_s + lag_s]).T
    assert np.var(last - first) == pytest.approx(lag_s, rel=5 * np.sqrt(2 / COUNT))


def test_increments_that_follow_each_other_know_nothing_of_each_other():
    edges_s = np.array([0.0, 0.3, 0.75, 1.0, 1.001, 2.0, 2.5, 7.0])
    steps = np.diff(walks(edges_s)) / np.sqrt(np.diff(edges_s))
    likeness = np.corrcoef(steps.T) - np.eye(edges_s.size - 1)
    assert abs(likeness).max() < 4.5 / np.sqrt(COUNT)


def test_it_has_no_jumps_between_seconds():
    edge_s = np.array([2.0 - 1e-9, 2.0, 2.0 + 1e-9])
    assert abs(np.diff(walks(edge_s, 20))).max() < 1e-4


def test_phase_and_gain_walk_at_their_own_pace():
    phase_only = RfDrift(RfDriftConfig(phase_deg_per_sqrt_s=10), 1).gain(np.arange(200.0))
    gain_only = RfDrift(RfDriftConfig(gain_db_per_sqrt_s=0.1), 1).gain(np.arange(200.0))
    assert np.allclose(abs(phase_only), 1)
    assert np.allclose(gain_only.imag, 0)
    assert np.degrees(np.diff(np.unwrap(np.angle(phase_only)))).std() == pytest.approx(10, rel=0.25)
    assert np.diff(20 * np.log10(abs(gain_only))).std() == pytest.approx(0.1, rel=0.25)


def test_no_drift_leaves_the_samples_themselves():
    samples = np.ones(100, np.complex64)
    assert RfDrift(RfDriftConfig(), 1).apply(samples, 1.0, RATE_HZ) is samples


@pytest.mark.parametrize("rate_hz", [520e3, 12.8e6])
def test_samples_are_multiplied_by_the_gain_of_their_time_in_straight_lines_from_knot_to_knot(rate_hz):
    drift = RfDrift(RfDriftConfig(phase_deg_per_sqrt_s=300, gain_db_per_sqrt_s=1), 3)
    samples, start_s = np.exp(1j * np.arange(20_000)).astype(np.complex64), 1.9991
    gains = drift.apply(samples, start_s, rate_hz) / samples
    knot = int(rate_hz / KNOTS_PER_S)
    at_knots = drift.gain(start_s + np.arange(0, 20_000, knot) / rate_hz)
    assert abs(at_knots[-1] - at_knots[0]) > 0.1
    assert np.allclose(gains[::knot], at_knots, atol=1e-6)
    whole = gains[: 20_000 // knot * knot].reshape(-1, knot)
    assert abs(np.diff(whole, 2)).max() < 1e-6


def test_a_capture_in_two_parts_drifts_as_one():
    drift = RfDrift(RfDriftConfig(phase_deg_per_sqrt_s=10), 3)
    samples = np.ones(20_000, np.complex64)
    whole = drift.apply(samples, 1.0, RATE_HZ)
    parts = [drift.apply(half, 1.0 + i * 10_000 / RATE_HZ, RATE_HZ) for i, half in enumerate(np.split(samples, 2))]
    assert abs(np.concatenate(parts) - whole).max() < np.radians(10) * np.sqrt(3 / KNOTS_PER_S)
