"""A crystal's time is the integral of its pace, whatever the digits that are left."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad

from hil.config import CrystalConfig
from hil.sim.crystal import EXACT, Crystal, beat_cycles

PPM = st.floats(-200, 200)
CRYSTALS = st.builds(Crystal, PPM, PPM, st.floats(1, 1e4))
TIMES = st.floats(-1, 1e6)


def test_it_is_off_by_both_at_the_start_and_by_the_offset_alone_in_the_end():
    crystal = Crystal.from_config(CrystalConfig(offset_ppm=3, warm_up_ppm=-10, time_constant_s=200))
    assert crystal.rate(0.0) == pytest.approx(1 - 7e-6, abs=1e-12)
    assert crystal.rate(200.0) == pytest.approx(1 + 3e-6 - 10e-6 / np.e, abs=1e-12)
    assert crystal.rate(1e5) == pytest.approx(1 + 3e-6, abs=1e-12)


@given(CRYSTALS, st.floats(-1, 5e3), st.floats(0, 5e3))
@example(Crystal(2.0, 82.0, 1.0), 9.0, 3814.0)
def test_what_its_clock_counts_is_the_integral_of_its_pace(crystal, from_s, length_s):
    decades = [max(from_s, 0.0) + times * crystal.time_constant_s for times in (0, 1, 5, 30)]  # where it is not smooth
    inside = [time_s for time_s in decades if from_s < time_s < from_s + length_s]
    extra, _ = quad(lambda t: crystal.rate(t) - 1, from_s, from_s + length_s, points=inside or None, epsabs=1e-12)
    assert crystal.elapsed_s(from_s, from_s + length_s) - length_s == pytest.approx(extra, abs=1e-8)


@given(CRYSTALS, TIMES, st.floats(-10, 1e4))
def test_when_is_the_inverse_of_elapsed(crystal, from_s, elapsed_s):
    until_s = crystal.when_s(from_s, elapsed_s)
    assert crystal.elapsed_s(from_s, until_s) == pytest.approx(elapsed_s, abs=1e-9)


@given(TIMES, st.floats(-10, 1e4))
def test_an_exact_crystal_leaves_every_bit_of_a_time_alone(from_s, elapsed_s):
    assert EXACT.rate(from_s) == 1.0
    assert EXACT.elapsed_s(from_s, from_s + elapsed_s) == from_s + elapsed_s - from_s
    assert EXACT.when_s(from_s, elapsed_s) == from_s + elapsed_s
    assert EXACT.elapsed_s(from_s, np.inf) == np.inf


@given(CRYSTALS, TIMES, st.floats(1e8, 6e9))
def test_two_oscillators_of_one_crystal_never_beat(crystal, time_s, frequency_hz):
    assert beat_cycles(frequency_hz, crystal, frequency_hz, crystal, time_s) == 0.0


@given(CRYSTALS, CRYSTALS, TIMES, st.floats(-1e6, 1e6))
def test_a_beat_keeps_its_digits_after_days_at_gigahertz(sender, hearer, time_s, apart_hz):
    getcontext().prec = 50
    sent_hz, heard_hz = 4e9 + apart_hz, 4e9
    by_sender, by_hearer = (Decimal(time_s) + Decimal(crystal.ahead_s(time_s)) for crystal in (sender, hearer))
    expected = Decimal(sent_hz) * by_sender - Decimal(heard_hz) * by_hearer
    off = float((Decimal(beat_cycles(sent_hz, sender, heard_hz, hearer, time_s)) - expected) % 1)
    assert min(abs(off), 1 - abs(off)) < 1e-3
