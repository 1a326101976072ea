"""Groups of elements that switch together: fewer unknowns for large surfaces and quick looks."""

import numpy as np

from hil.arrays import Int
from hil.interfaces import Geometry

__all__ = ["block_groups", "column_groups"]


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
