"""What a capture costs is told for each station, by wall and by processor."""

from pathlib import Path

from hil.campaign.simulator import capture_cost
from hil.config import TestbedConfig
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


def test_each_station_has_its_row() -> None:
    (row,) = capture_cost([load_yaml(STATION, TestbedConfig)], num_samples=640, captures=3)
    assert (row.testbed, row.num_elements, row.num_samples) == ("sim-opensource-ris", 256, 640)
    assert row.cpu_ms > 0
    assert row.median_ms > 0
    assert row.mean_ms > 0
