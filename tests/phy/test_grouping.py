"""Groups of elements: columns and blocks."""

import numpy as np
import pytest

from hil.interfaces import Geometry
from hil.phy.grouping import block_groups, column_groups

SURFACE = Geometry(4, 6, 0.02, 0.02)


def test_blocks_are_numbered_row_by_row() -> None:
    groups = block_groups(SURFACE, 2, 3).reshape(4, 6)
    assert groups.tolist() == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 3, 3, 3]] * 2


def test_blocks_at_the_edge_may_be_smaller() -> None:
    groups = block_groups(SURFACE, 3, 4)
    assert np.bincount(groups).tolist() == [12, 6, 4, 2]


def test_a_column_switches_as_one() -> None:
    assert column_groups(SURFACE).reshape(4, 6).tolist() == [[0, 1, 2, 3, 4, 5]] * 4


def test_in_blocks_of_one_element_each_switches_by_itself() -> None:
    assert block_groups(SURFACE, 1, 1).tolist() == list(range(24))


def test_empty_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        block_groups(SURFACE, 0, 1)
