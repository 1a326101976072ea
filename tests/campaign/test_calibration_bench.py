"""The count of hidden faults, found, missed and falsely told."""

from pathlib import Path

import pytest

from hil.campaign import calibration_bench
from hil.campaign.calibration_bench import FAULTS, count_faults
from hil.config import TestbedConfig, load_testbed

PATH = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"
STATION = load_testbed(PATH, {"power.radiated_power_dbm": -8.0})  # so strong that a short sweep tells each element

CLEAN = {
    "dead_elements": [],
    "dead_columns": [],
    "faded_elements": [],
    "order_as_declared": True,
    "element_order": "as declared",
    "element_moves": None,
    "settle_time_s": 1e-3,
    "settle_declared_s": 1e-3,
    "settle_hidden": False,
    "drift_deg_per_s": 0.0,
    "motion_db": None,
    "doppler_hz": None,
    "true_motion_db": -30.0,
    "state_ratio": {"amplitude_db": 3.28, "phase_deg": 179.0, "measured": False, "error_db": None},
}


def counted(monkeypatch: pytest.MonkeyPatch, fault: str, **told: object) -> tuple[int, int, int]:
    """A row's figures if every calibration told just that."""
    monkeypatch.setattr(calibration_bench, "_calibrate", lambda *_: {**CLEAN, **told})
    monkeypatch.setattr(calibration_bench, "_covered_sweep", lambda *_: "somewhere")
    (row,) = count_faults(STATION, [fault], user="shelf", trials=3)
    assert row["missed"] == row["hidden"] - row["found"]
    return row["hidden"], row["found"], row["false_alarms"]


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in ("none", "stuck_elements")])
def test_a_calibration_that_tells_nothing_misses_every_fault(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    assert counted(monkeypatch, fault) == (3, 0, 0)


@pytest.mark.parametrize(
    "told",
    [
        {"dead_elements": [3]},
        {"order_as_declared": False, "element_order": "the surface is upside down"},
        {"settle_time_s": 2e-3},
        {"drift_deg_per_s": 1.0},
        {"motion_db": -30.0, "doppler_hz": 1.0},
    ],
)
def test_what_is_told_of_a_whole_station_is_a_false_alarm(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, object]
) -> None:
    assert counted(monkeypatch, "none", **told) == (0, 0, 3)


def test_a_row_is_the_same_whichever_other_faults_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []

    def calibrate(station: TestbedConfig, *_: object) -> dict[str, object]:
        assert station.simulation is not None
        drawn.append(station.simulation.surface)
        return CLEAN

    monkeypatch.setattr(calibration_bench, "_calibrate", calibrate)
    count_faults(STATION, ["dead_columns", "mirrored"], user="shelf", trials=1)
    count_faults(STATION, ["mirrored"], user="shelf", trials=1)
    assert drawn[1] == drawn[2]


def test_what_is_said_to_be_unknown_is_missed_but_not_unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_bench, "_calibrate", lambda *_: {**CLEAN, "faded_elements": list(range(256))})
    (row,) = count_faults(STATION, ["stuck_elements"], user="shelf", trials=3)
    assert row["untold"] == row["missed"] == row["hidden"] > 0
    assert row["false_alarms"] == 0


@pytest.mark.soak
def test_dead_columns_are_found_by_a_calibration() -> None:
    (row,) = count_faults(STATION, ["dead_columns"], user="shelf", trials=1, seed=3)
    assert (row["found"], row["missed"]) == (1, 0)
