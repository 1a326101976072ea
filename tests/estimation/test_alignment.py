import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hil.estimation.alignment import MIN_MARGIN, WRONG, in_doubt


@given(st.lists(st.floats(0, 40), min_size=1, max_size=200))
def test_as_few_are_in_doubt_as_keep_the_others_right_on_average(margins):
    margin = np.array(margins)
    doubtful = in_doubt(margin)
    chance = np.sort(np.exp(-margin[~doubtful]))
    assert np.all(margin[doubtful] < MIN_MARGIN)
    assert np.all(margin[doubtful][:, None] <= margin[~doubtful])
    assert np.all(chance[np.cumsum(chance) > WRONG * np.arange(1, len(chance) + 1) * (1 + 1e-9)] <= np.exp(-MIN_MARGIN))
    if doubtful.any():
        next_one = np.exp(-margin[doubtful].max())
        assert chance.sum() + next_one > WRONG * (len(chance) + 1) * (1 - 1e-9)


def test_one_sounding_in_doubt_among_many_sure_ones_is_taken_for_sure_sooner():
    assert in_doubt(np.array([9.0]))[0]
    assert not in_doubt(np.append(np.full(999, 50.0), 9.0))[-1]
    assert in_doubt(np.append(np.full(999, 50.0), 3.0))[-1]
