"""Where a board's elements are, and in which order they stand on the wire.

A `Pattern` is always row-major in front view (`interfaces.Geometry`); the order on the wire is data of the profile.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from hil.arrays import Int
from hil.config import Positive, Section
from hil.interfaces import Geometry

Provenance = Literal["read", "measured", "computed", "inferred", "assumed", "design"]
"""Where a number comes from: read in the maker's files, measured, computed, inferred, assumed, or our own design."""

Order = Literal["row_major", "column_major", "row_serpentine", "column_serpentine"]
Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right"]
Count = Annotated[int, Field(ge=1, le=1024)]


class PitchConfig(Section):
    """Distance between centres of neighbouring elements."""

    x: Positive = Field(description="horizontal, metres")
    y: Positive = Field(description="vertical, metres")


class TilesConfig(Section):
    """The surface is a grid of equal tiles; the wire serves one tile after the other, left to right, top to bottom."""

    rows: Count
    cols: Count


class LayoutConfig(Section):
    """Geometry of the surface, and the order of its elements on the wire."""

    rows: Count
    cols: Count
    pitch_m: PitchConfig
    provenance: Provenance = Field("read", description="of rows, cols and pitch_m")
    order: Order = Field("row_major", description="how the wire runs over the elements of a tile")
    first: Corner = Field("top_left", description="where the wire's first element is, front view")
    tiles: TilesConfig | None = Field(None, description="grid of tiles, where the surface has them")
    permutation: tuple[int, ...] | None = Field(
        None, description="element (row * cols + col, front view) at each place of the wire, instead of order and tiles"
    )

    @property
    def num_elements(self) -> int:
        return self.rows * self.cols

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.rows, self.cols, self.pitch_m.x, self.pitch_m.y)

    def wire_order(self) -> Int[np.ndarray, "place"]:
        """Element at each place of the wire: `pattern[wire_order()]` is the pattern as the wire carries it."""
        if self.permutation is not None:
            return np.array(self.permutation)
        grid = _seen_from(np.arange(self.num_elements).reshape(self.rows, self.cols), self.first)
        tiles = self.tiles or TilesConfig(rows=1, cols=1)
        rows, cols = self.rows // tiles.rows, self.cols // tiles.cols
        places = grid.reshape(tiles.rows, rows, tiles.cols, cols).swapaxes(1, 2).reshape(-1, rows, cols)
        return np.concatenate([_run_over(tile, self.order) for tile in places])

    @model_validator(mode="after")
    def _is_a_bijection(self) -> "LayoutConfig":
        if self.permutation is not None:
            _check_permutation(self.permutation, self.num_elements)
            if self.tiles is not None or self.order != "row_major" or self.first != "top_left":
                raise ValueError("permutation: stands instead of order, first and tiles; leave those out")
        if self.tiles is not None and (self.rows % self.tiles.rows or self.cols % self.tiles.cols):
            raise ValueError(
                f"tiles: {self.tiles.rows} x {self.tiles.cols} tiles do not divide {self.rows} x {self.cols} elements"
            )
        return self


def _seen_from(grid: Int[np.ndarray, "row col"], first: Corner) -> Int[np.ndarray, "row col"]:
    vertical, horizontal = first.split("_")
    return grid[:: -1 if vertical == "bottom" else 1, :: -1 if horizontal == "right" else 1]


def _run_over(tile: Int[np.ndarray, "row col"], order: Order) -> Int[np.ndarray, "place"]:
    if order.startswith("column"):
        tile = tile.T
    if order.endswith("serpentine"):
        tile = tile.copy()
        tile[1::2] = tile[1::2, ::-1]
    return tile.ravel()


def _check_permutation(permutation: tuple[int, ...], num_elements: int) -> None:
    missing = sorted(set(range(num_elements)) - set(permutation))
    if len(permutation) != num_elements or missing:
        raise ValueError(
            f"permutation: must name each element 0..{num_elements - 1} once; "
            f"has {len(permutation)} entries, missing {missing[:5] or 'none'}"
        )
