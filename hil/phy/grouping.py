"""Groups of elements that switch together: fewer unknowns for large surfaces and quick looks."""

import numpy as np

from hil.arrays import Int, Patterns, UInt8
from hil.interfaces import Geometry

__all__ = ["block_groups", "column_groups", "group_patterns"]


def block_groups(geometry: Geometry, rows: int, cols: int) -> Int[np.ndarray, "element"]:
    """Group of each element where blocks of `rows` x `cols` neighbours switch together, numbered row by row.

    Blocks at the right and lower edge are smaller where the surface is no multiple. Raises ValueError below one.
    """
    if rows < 1 or cols < 1:
        raise ValueError(f"a block has at least one row and one column, got {rows} x {cols}")
    row, col = np.divmod(np.arange(geometry.num_elements), geometry.cols)
    return np.asarray(row // rows * -(-geometry.cols // cols) + col // cols)


def column_groups(geometry: Geometry) -> Int[np.ndarray, "element"]:
    """Group of each element where whole columns switch together."""
    return block_groups(geometry, geometry.rows, 1)


def group_patterns(states: UInt8[np.ndarray, "pattern group"], groups: Int[np.ndarray, "element"]) -> Patterns:
    """Patterns of elements out of one state for each group. Raises ValueError where a group has no state."""
    if int(groups.max()) >= states.shape[-1]:
        raise ValueError(f"{int(groups.max()) + 1} groups of elements, states for {states.shape[-1]}")
    return states[:, groups]
