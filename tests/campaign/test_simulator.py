"""What a capture costs is told for each station, by wall and by processor."""

from pathlib import Path

from hil.campaign.simulator import capture_cost, walking_cost
from hil.config import TestbedConfig
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


def test_each_station_has_its_row() -> None:
    (row,) = capture_cost([load_yaml(STATION, TestbedConfig)], num_samples=640, captures=3)
    assert (row.testbed, row.num_elements, row.num_samples) == ("sim-opensource-ris", 256, 640)
    assert row.cpu_ms > 0
    assert row.median_ms > 0
    assert row.mean_ms > 0


def test_a_walk_costs_more_than_standing_and_the_row_says_how_much() -> None:
    rows = walking_cost(load_yaml(STATION, TestbedConfig), patterns=16, speeds_m_per_s=(0.5,), captures=2)
    assert [(row.testbed, row.patterns, row.speed_m_per_s) for row in rows] == [
        ("sim-opensource-ris", 16, 0.0),
        ("sim-opensource-ris", 16, 0.5),
    ]
    assert rows[0].times_still == 1
    assert rows[1].times_still == rows[1].cpu_ms / rows[0].cpu_ms > 1
