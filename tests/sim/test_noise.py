"""Randomness is a function of (seed, purpose, time), and the noise is what it says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.noise import random_at, white_noise

SEEDS = st.integers(min_value=0, max_value=2**70)
TIMES = st.floats(min_value=-1e3, max_value=1e6)


@given(SEEDS, st.text(max_size=8), TIMES)
def test_the_same_seed_purpose_and_time_give_the_same_numbers(seed, purpose, time_s):
    first, second = (random_at(seed, purpose, time_s).standard_normal(5) for _ in range(2))
    assert np.array_equal(first, second)


@given(SEEDS, TIMES)
def test_another_seed_purpose_or_nanosecond_gives_other_numbers(seed, time_s):
    def draw(seed, purpose, time_s):
        return random_at(seed, purpose, time_s).integers(0, 2**63, 4)

    here = draw(seed, "noise", time_s)
    for other in (draw(seed + 1, "noise", time_s), draw(seed, "phase", time_s), draw(seed, "noise", time_s + 5e-9)):
        assert not np.array_equal(here, other)


def test_moments_one_nanosecond_apart_never_share_a_stretch_of_the_stream():
    early = random_at(1, "noise", 0.0).integers(0, 2**63, 100_000)
    late = random_at(1, "noise", 1e-9).integers(0, 2**63, 1000)
    assert not np.isin(late, early).any()


def test_white_noise_is_circular_uncorrelated_and_of_the_power_asked_for():
    num_samples, power = 200_000, 3.0e-7
    noise = white_noise(random_at(2, "noise", 0.0), num_samples, power).astype(complex) / np.sqrt(power)
    bound = 5 / np.sqrt(num_samples)
    assert noise.size == num_samples
    assert abs((abs(noise) ** 2).mean() - 1) < bound
    assert abs((noise**2).mean()) < bound
    assert abs(noise.mean()) < bound
    for lag in (1, 2, 7):
        assert abs((noise[lag:] * noise[:-lag].conj()).mean()) < bound
    assert abs((abs(noise) ** 4).mean() - 2) < 5 * bound
