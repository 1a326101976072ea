"""What benches need is part of an installed package."""

import tomllib
from pathlib import Path

from hil.campaign.shipped import CONFIGS, STATION

ROOT = Path(__file__).parents[2]


def test_every_configuration_is_packed_with_the_code_that_names_it() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packed = {path for pattern in tool["setuptools"]["package-data"]["hil"] for path in (ROOT / "hil").glob(pattern)}
    files = set(CONFIGS.glob("*/*.yaml"))
    assert STATION in files
    assert files <= packed
    assert {path.name for path in files} == {path.name for path in (ROOT / "configs").glob("*/*.yaml")}
