"""The bench of sweeps: its radio times are exact, its floor is that of the sweep."""

from pathlib import Path

import pytest

from hil.campaign.sweep_modes import time_modes
from hil.config import TestbedConfig
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


@pytest.mark.parametrize("turnaround_s", [1e-3, 16e-3])
def test_a_pipelined_sweep_of_the_open_source_board_keeps_to_its_floor(turnaround_s: float) -> None:
    config = load_yaml(STATION, TestbedConfig, {"simulation.usb_turnaround_s": turnaround_s})
    (row,) = time_modes(config, ["pipelined"])
    assert row["patterns"] == 256
    assert 1 <= row["ratio"] <= 1.05
    assert 0 < row["software_s"] < row["wall_time_s"] + 0.1
    assert 0 < row["estimate_s"] < row["software_s"]
    assert row["took_s"] == pytest.approx(row["radio_time_s"] + row["drain_s"])
    assert row["estimate_s"] < row["left_s"] < row["software_s"] / 4
    assert row["left_share"] * row["took_s"] == pytest.approx(row["left_s"])
    assert 0 < row["two_ffts_share"] < row["left_share"]
    assert row["upload_s"] == row["retaken"] == 0
    assert row["drain_s"] == pytest.approx(row["patterns"] * row["symbols"] * 320 / 7e6)


def test_acquisition_and_draining_are_told_apart_however_slow_the_usb_is() -> None:
    def row(**overrides: object) -> dict[str, float]:
        config = load_yaml(STATION, TestbedConfig, {f"simulation.{name}": value for name, value in overrides.items()})
        return time_modes(config, ["stepped"])[0]

    fast, slow = row(), row(usb_bytes_per_s=7e6)
    assert slow["radio_time_s"] == fast["radio_time_s"]
    assert slow["drain_s"] == pytest.approx(4 * fast["drain_s"])


def test_a_sweeps_memory_is_told_where_it_is_asked_for() -> None:
    (row,) = time_modes(load_yaml(STATION, TestbedConfig), ["pipelined"], repetitions=2, memory=True)
    assert 256 * 256 * 8 / 1e6 < row["peak_memory_mb"] < 40
