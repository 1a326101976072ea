"""A simulated surface that differs from its profile: the world and the board get the truth, nobody else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hil.arrays import Int
from hil.config import HiddenSurfaceConfig
from hil.errors import ConfigError
from hil.firmware.profile import FirmwareProfile
from hil.interfaces import StateSet
from hil.sim.board import Board, PatternDoor, build_board
from hil.sim.boards.outputs import Outputs
from hil.units import amplitude_from_db


def true_states(states: StateSet, hidden: HiddenSurfaceConfig) -> StateSet:
    """Reflection of the states as it is."""
    table = states.table.copy()
    table[:, 1:] *= amplitude_from_db(hidden.state_db) * np.exp(1j * np.radians(hidden.state_deg))
    return replace(states, table=table)


def build_true_board(profile: FirmwareProfile, door: PatternDoor, hidden: HiddenSurfaceConfig) -> Board:
    """As `build_board`, wired as it is. Raises ConfigError for faults that the surface cannot have."""
    board = build_board(profile, door)
    break_outputs(board.outputs, hidden)
    return board


def break_outputs(outputs: Outputs, hidden: HiddenSurfaceConfig) -> None:
    """Let the outputs be wired, dead and stuck as they are. Raises ConfigError for elements that there are not."""
    stuck = {_index(name, outputs.num_elements): state for name, state in hidden.stuck_elements.items()}
    _require_below(hidden.dead_columns, outputs.cols, "dead_columns")
    outputs.dead_columns, outputs.stuck = frozenset(hidden.dead_columns), stuck
    outputs.wiring = wiring(outputs.rows, outputs.cols, hidden)


def wiring(rows: int, cols: int, hidden: HiddenSurfaceConfig) -> Int[np.ndarray, "element"]:
    """The element that moves in the place of each. Raises ConfigError for rows or columns that there are not."""
    grid = np.arange(rows * cols).reshape(rows, cols)
    for name, pairs, count in (("columns", hidden.swapped_columns, cols), ("rows", hidden.swapped_rows, rows)):
        _require_below([line for pair in pairs for line in pair], count, f"swapped_{name}")
    for pair in hidden.swapped_columns:
        grid[:, list(pair)] = grid[:, list(pair)[::-1]]
    for pair in hidden.swapped_rows:
        grid[list(pair)] = grid[list(pair)[::-1]]
    if hidden.mirrored in ("left_right", "both"):
        grid = grid[:, ::-1]
    if hidden.mirrored in ("up_down", "both"):
        grid = grid[::-1]
    return np.ascontiguousarray(grid).ravel()


def _index(name: str, count: int) -> int:
    if not name.isdecimal() or int(name) >= count:
        raise ConfigError(f"simulation.surface.stuck_elements: {name!r} is no element of 0..{count - 1}")
    return int(name)


def _require_below(values: Sequence[int], count: int, name: str) -> None:
    if any(value >= count for value in values):
        raise ConfigError(f"simulation.surface.{name}: {list(values)}: allowed are 0..{count - 1}")
