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


def test_a_walk_is_held_against_standing_without_the_captures_that_fill_tables() -> None:
    still_s, walking_s = [100.0, 1.0, 2.0, 9.0], [200.0, 6.0, 8.0, 7.0]
    reads = iter([t for each in zip(still_s, walking_s, strict=True) for s in each for t in (0.0, s)])
    rows = walking_cost(
        load_yaml(STATION, TestbedConfig), patterns=4, speeds_m_per_s=(0.5,), captures=3, spent_s=lambda: next(reads)
    )
    assert [(row.testbed, row.patterns, row.speed_m_per_s, row.cpu_ms, row.times_still) for row in rows] == [
        ("sim-opensource-ris", 4, 0.0, 2000, 1),
        ("sim-opensource-ris", 4, 0.5, 7000, 3.5),
    ]
    assert next(reads, None) is None
