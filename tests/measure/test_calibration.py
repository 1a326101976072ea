"""The calibration record: whole or refused, and refused where it does not fit, with what to do."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hil.errors import CalibrationError
from hil.measure.calibration import FILE, Calibration, without_port

MADE = datetime(2026, 3, 1, tzinfo=UTC)
HERE = {"radio": "1044 (Pluto, firmware v0.39)", "surface": "ris (serial 7) on /dev/ttyUSB3"}
RECORD = Calibration(
    made_utc=MADE.isoformat(),
    valid_days=30,
    radio="1044 (Pluto, firmware v0.39)",
    surface="ris (serial 7)",
    lo_hz=5.53e9,
    sample_rate_hz=25e6,
    rx_gain_db=55.0,
    noise_floor_dbfs=-40.0,
    settle_time_s=1.2e-3,
    dead_elements=(3, 17),
    moves=(1, 0),
    drift_deg_per_s=0.5,
)


def require(record: Calibration, days: float = 1.0, **changes: float) -> None:
    settings = {"lo_hz": 5.53e9, "sample_rate_hz": 25e6, **changes}
    record.require(HERE, **settings, now=MADE + timedelta(days=days))


def test_of_the_surface_alone_only_the_board_and_the_age_count() -> None:
    RECORD.require_surface("ris (serial 7) on /dev/ttyUSB0", now=MADE + timedelta(days=1))
    with pytest.raises(CalibrationError, match="foreign: surface"):
        RECORD.require_surface("ris (serial 8)", now=MADE + timedelta(days=1))
    with pytest.raises(CalibrationError, match="stale"):
        RECORD.require_surface("ris (serial 7)", now=MADE + timedelta(days=40))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert Calibration.load(tmp_path) == RECORD
    assert Calibration.load(tmp_path).sha256 == RECORD.sha256


def test_a_changed_value_is_seen(tmp_path: Path) -> None:
    path = RECORD.save(tmp_path)
    path.write_text(path.read_text().replace("55.0", "65.0"))
    with pytest.raises(CalibrationError, match="damaged"):
        Calibration.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "hil-calibration/1"}', json.dumps({"sha256": 1})])
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CalibrationError, match="no calibration"):
        Calibration.load(tmp_path)
    with pytest.raises(CalibrationError, match="hil calibrate"):
        Calibration.load(tmp_path / "nowhere")


def test_the_same_hardware_on_another_port_is_the_same() -> None:
    require(RECORD)
    assert without_port(HERE["surface"]) == "ris (serial 7)"


@pytest.mark.parametrize(
    ("record", "changes", "words"),
    [
        (replace(RECORD, radio="2055 (Pluto, firmware v0.39)"), {}, "foreign: radio"),
        (replace(RECORD, surface="ris (serial 8)"), {}, "foreign: surface"),
        (RECORD, {"lo_hz": 5.6e9}, "foreign: carrier"),
        (RECORD, {"sample_rate_hz": 20e6}, "foreign: rate"),
        (RECORD, {"days": 31}, "stale: 31.0 days"),
        (RECORD, {"days": -1}, "stale"),
    ],
)
def test_a_stale_or_foreign_one_is_refused_with_what_to_do(
    record: Calibration, changes: dict[str, float], words: str
) -> None:
    with pytest.raises(CalibrationError, match=f"{words}.*calibrate again"):
        require(record, **changes)
