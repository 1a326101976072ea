"""The surface between two patterns: neither old nor new, passive, exact once settled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.switching import pieces, remainder
from hil.sim.timeline import Timeline, Window

RATE_HZ = 1e6
NUM_SAMPLES = 200
SETTLE_S = 20e-6


def shares_by_pattern(changes, start_s=0.0, settle_s=SETTLE_S):
    """{pattern: complex share at each sample} of a window, and the window."""
    timeline = Timeline(b"initial", 100)
    for time_s, pattern in changes:
        timeline.put(time_s, pattern)
    window = Window(start_s, NUM_SAMPLES, RATE_HZ, 4e9)
    total, covered = {}, np.zeros(NUM_SAMPLES, dtype=int)
    for piece in pieces(timeline.during(start_s - settle_s, window.end_s), settle_s, window, 0, NUM_SAMPLES):
        covered[piece.first : piece.last] += 1
        for pattern, share in piece.shares:
            row = total.setdefault(pattern, np.zeros(NUM_SAMPLES, dtype=complex))
            row[piece.first : piece.last] += share
    assert (covered == 1).all()
    return total


@given(st.lists(st.floats(-60e-6, 250e-6), max_size=6).map(sorted), st.sampled_from([0.0, 5e-6, SETTLE_S]))
def test_the_shares_of_all_patterns_add_up_to_one_at_every_sample(times_s, settle_s):
    total = shares_by_pattern([(t, b"%d" % i) for i, t in enumerate(times_s)], settle_s=settle_s)
    assert np.allclose(sum(total.values()), 1)


def test_a_change_leaves_earlier_samples_alone_and_is_exact_once_settled():
    total = shares_by_pattern([(50e-6, b"new")])
    assert np.array_equal(total[b"initial"][:50], np.ones(50))
    assert np.array_equal(total[b"new"][70:], np.ones(130))
    between = total[b"new"][51:70]
    assert (abs(between) > 0.02).all()
    assert (abs(between - 1) > 0.02).all()


def test_a_change_that_began_before_the_window_goes_on_in_it():
    early = shares_by_pattern([(50e-6, b"new")])[b"new"]
    late = shares_by_pattern([(50e-6, b"new")], start_s=60e-6)[b"new"]
    assert np.allclose(late[:100], early[60:160])


def test_a_second_change_before_the_first_has_settled_starts_from_where_the_surface_is():
    alone = shares_by_pattern([(50e-6, b"a")])
    total = shares_by_pattern([(50e-6, b"a"), (60e-6, b"b")])
    assert np.allclose(total[b"a"][:60], alone[b"a"][:60])
    assert np.allclose(total[b"a"][60], alone[b"a"][60])
    assert np.array_equal(total[b"b"][80:], np.ones(120))


def test_without_settle_time_the_new_pattern_stands_at_once():
    total = shares_by_pattern([(50e-6, b"new")], settle_s=0.0)
    assert np.array_equal(total[b"initial"][:50], np.ones(50))
    assert np.array_equal(total[b"new"][50:], np.ones(150))


def test_the_way_from_one_to_minus_one_never_reflects_more_than_a_mirror():
    left = remainder(np.linspace(0, 1, 1001))
    assert left[0] == 1
    assert left[-1] == 0
    assert abs(left - (1 - left)).max() <= 1 + 1e-12
    assert abs(left.imag).max() > 0.2


@pytest.mark.parametrize("outside", [-1.0, 2.0])
def test_before_and_after_the_change_nothing_moves(outside):
    assert remainder(np.array([outside]))[0] == (1 if outside < 0 else 0)


@given(st.floats(0.5e-6, 300e-6), st.floats(0, 190e-6))
def test_no_piece_lasts_longer_than_it_may_and_the_shares_stay_what_they_are(longest_s, change_s):
    timeline = Timeline(b"old", 100)
    timeline.put(change_s, b"new")
    window = Window(0.0, NUM_SAMPLES, RATE_HZ, 4e9)
    history = timeline.during(-SETTLE_S, window.end_s)
    fine = list(pieces(history, SETTLE_S, window, 0, NUM_SAMPLES, longest_s))
    assert max(piece.last - piece.first for piece in fine) <= max(1, longest_s * RATE_HZ)
    shares = [dict(piece.shares).get(b"new", 0) * np.ones(piece.last - piece.first) for piece in fine]
    assert np.allclose(np.concatenate(shares), shares_by_pattern([(change_s, b"new")]).get(b"new", 0))
