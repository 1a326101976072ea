"""Groups of elements: columns, blocks, and the patterns that come of them."""

import numpy as np
import pytest

from hil.interfaces import Geometry
from hil.phy.grouping import block_groups, column_groups, group_patterns

SURFACE = Geometry(4, 6, 0.02, 0.02)


def test_blocks_are_numbered_row_by_row() -> None:
    groups = block_groups(SURFACE, 2, 3).reshape(4, 6)
    assert groups.tolist() == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 3, 3, 3]] * 2


def test_blocks_at_the_edge_may_be_smaller() -> None:
    groups = block_groups(SURFACE, 3, 4)
    assert np.bincount(groups).tolist() == [12, 6, 4, 2]


def test_a_column_switches_as_one() -> None:
    patterns = group_patterns(np.eye(6, dtype=np.uint8), column_groups(SURFACE))
    assert (patterns.reshape(6, 4, 6).sum(axis=1) == 4 * np.eye(6)).all()


def test_blocks_of_one_element_change_nothing() -> None:
    states = np.random.default_rng(1).integers(0, 2, (5, 24), dtype=np.uint8)
    assert (group_patterns(states, block_groups(SURFACE, 1, 1)) == states).all()


def test_empty_blocks_and_groups_without_a_state_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        block_groups(SURFACE, 0, 1)
    with pytest.raises(ValueError, match="6 groups of elements, states for 5"):
        group_patterns(np.zeros((1, 5), np.uint8), column_groups(SURFACE))
