"""What the doctor tells: the radio's abilities, and fixes that can be typed as they stand."""

import sys
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
        ("sim-two-plutos", {}, ["two radios: sweep modes triggered, sequence and burst only"]),
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


def test_a_slow_latency_timer_is_told_with_the_name_that_the_kernel_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = tmp_path / "usb-FTDI_FT231X-if00-port0"
    port.symlink_to(tmp_path / "ttyUSB3")
    monkeypatch.setattr(sys.modules["hil.testbed.diagnose"], "latency_timer_ms", {str(port): 16}.get)
    config = load_testbed(CONFIGS / "bench-pluto-opensource-ris.yaml", {"surface.port": str(port)})
    check = next(check for check in diagnose(config) if check.name == "latency timer")
    assert check.ok is False
    assert check.fix == "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB3/latency_timer"
