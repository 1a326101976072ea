"""The doctor tells what a station's radio can beyond sending and receiving."""

from pathlib import Path

import pytest

from hil.config import load_testbed
from hil.testbed import diagnose

CONFIGS = Path(__file__).parents[2] / "configs/testbeds"


@pytest.mark.parametrize(
    ("station", "overrides", "words"),
    [
        ("sim-opensource-ris", {}, ["TDD engine"]),
        ("sim-opensource-ris", {"simulation.num_channels": 2}, ["TDD engine", "second receiver"]),
        ("sim-two-plutos", {}, ["two radios: sweep mode burst only"]),
    ],
)
def test_abilities_of_the_radio_stand_beside_its_identity(
    station: str, overrides: dict[str, object], words: list[str]
) -> None:
    config = load_testbed(CONFIGS / f"{station}.yaml", overrides)
    (instruments,) = [check for check in diagnose(config) if check.name == "instruments"]
    assert instruments.ok
    assert all(word in instruments.detail for word in words)
    assert ("second receiver" in instruments.detail) == ("second receiver" in words)
