"""Simulated surface boards: from a firmware profile to the machine that behaves like that board.

A board whose real firmware is known byte for byte has a machine of its own; any other is played by its framing, also
one that was made from its file with other elements.
"""

import numpy as np

from hil.arrays import Int
from hil.firmware.profile import FirmwareProfile
from hil.firmware.protocol import SerialConfig
from hil.sim.boards.ascii_line import AsciiLineBoard
from hil.sim.boards.base import Board
from hil.sim.boards.cobs import CobsBoard
from hil.sim.boards.length_prefixed import LengthPrefixedBoard
from hil.sim.boards.open_source_ris import OpenSourceRis
from hil.sim.boards.outputs import Outputs, PatternDoor
from hil.sim.boards.profiled import ProfiledBoard
from hil.sim.boards.raw_fixed import RawFixedBoard
from hil.sim.boards.wording import element_order

__all__ = ["Board", "PatternDoor", "build_board"]

BY_FRAMING: dict[str, type[ProfiledBoard]] = {
    "ascii_line": AsciiLineBoard,
    "cobs": CobsBoard,
    "raw_fixed": RawFixedBoard,
    "length_prefixed": LengthPrefixedBoard,
}


def build_board(profile: FirmwareProfile, door: PatternDoor) -> Board:
    """A board that was powered long ago: it listens, and shows what its profile says of a restart.

    door: gets each change of the surface, states in Geometry order and the time at which the outputs change.
    """
    outputs = Outputs(
        door,
        rows=profile.geometry.rows,
        cols=profile.geometry.cols,
        order=element_order(profile.geometry),
        chains=_chains(profile),
        latched=profile.capabilities.latched_update,
    )
    size = (profile.geometry.rows, profile.geometry.cols, profile.states.bits_per_element)
    if profile.id == "opensource-ris-16x16" and size == (16, 16, 1) and isinstance(profile.link, SerialConfig):
        values = {"serial": "  0", "volts": "12.00", **profile.simulator.values}
        return OpenSourceRis(
            outputs,
            baud=profile.link.baud,
            update_s=profile.timing.update_s.value,
            serial_number=values["serial"],
            supply_v=float(values["volts"]),
        )
    return BY_FRAMING[profile.framing.kind](profile, outputs)


def _chains(profile: FirmwareProfile) -> Int[np.ndarray, "register stage"]:
    """Shift registers: eight bits each where the outputs have no latch, else one for each column."""
    places = np.arange(profile.geometry.num_elements)
    if profile.capabilities.latched_update or places.size % 8:
        return places.reshape(profile.geometry.rows, profile.geometry.cols).T
    return places.reshape(-1, 8)
