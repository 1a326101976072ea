"""What a calibration changes of a station: gain, settle time, element order, reflection of the states."""

from pathlib import Path

import numpy as np

from hil.config import TestbedConfig
from hil.errors import CalibrationError
from hil.firmware.profile import FirmwareProfile
from hil.firmware.states import ReflectionConfig, ReflectionRow
from hil.measure.calibration import AGAIN, Calibration


def load_calibration(config: TestbedConfig) -> Calibration | None:
    """The one that the testbed names; None where it names none. Raises CalibrationError."""
    return None if config.calibration is None else Calibration.load(Path(config.calibration))


def calibrated_config(config: TestbedConfig, calibration: Calibration | None) -> TestbedConfig:
    """The station with the gain that was found."""
    if calibration is None:
        return config
    return config.model_copy(update={"radio": config.radio.model_copy(update={"rx_gain_db": calibration.rx_gain_db})})


def calibrated_profile(profile: FirmwareProfile, calibration: Calibration | None) -> FirmwareProfile:
    """The board as the driver shall take it: each element under its own number, states as they were measured.

    Raises CalibrationError where the calibration is of a surface of another size.
    """
    if calibration is None:
        return profile
    layout = profile.geometry
    if calibration.moves is not None:
        _require_size(calibration.moves, layout.num_elements)
        order = np.array(calibration.moves)[layout.wire_order()]
        straight = {"order": "row_major", "first": "top_left", "tiles": None}
        layout = layout.model_copy(update={**straight, "permutation": tuple(order.tolist())})
    states = profile.states
    if calibration.states is not None:
        states = states.model_copy(update={"reflection": _reflection(calibration.states)})
    return profile.model_copy(update={"geometry": layout, "states": states})


def _require_size(moves: tuple[int, ...], num_elements: int) -> None:
    if len(moves) != num_elements:
        raise CalibrationError(f"calibration: foreign: of {len(moves)} elements, here {num_elements}; {AGAIN}")


def _reflection(states: dict[str, list[float] | list[list[float]]]) -> ReflectionConfig:
    table = np.array(states["re"]) + 1j * np.array(states["im"])
    rows = [
        ReflectionRow(at_hz=hz, db=tuple(20 * np.log10(np.abs(row))), deg=tuple(np.degrees(np.angle(row))))
        for hz, row in zip(states["frequency_hz"], table, strict=True)
    ]
    return ReflectionConfig(provenance="measured", note="hil calibrate", rows=tuple(rows))
