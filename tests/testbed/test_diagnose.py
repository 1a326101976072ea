"""What the doctor tells: the radio's abilities, and fixes that can be typed as they stand."""

import sys
from pathlib import Path

import pytest

from hil.config import TestbedConfig, load_testbed
from hil.errors import NotConnected
from hil.testbed import Check, diagnose

CONFIGS = Path(__file__).parents[2] / "configs/testbeds"


def check_of(name: str, config: TestbedConfig) -> Check:
    (check,) = [check for check in diagnose(config) if check.name == name]
    return check


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
    radio = check_of("radio", config)
    assert radio.ok
    assert all(word in radio.detail for word in words)
    assert ("second receiver" in radio.detail) == ("second receiver" in words)


@pytest.mark.parametrize(("missing", "there"), [("radio", "board"), ("board", "radio")])
def test_an_instrument_that_is_missing_does_not_hide_the_other(
    missing: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: object) -> None:
        raise NotConnected(f"the {missing} is not there")

    driver = {"radio": "hil.drivers.pluto.PlutoSdr", "board": "hil.drivers.board.SurfaceBoard"}[missing]
    monkeypatch.setattr(f"{driver}.open", refuse)
    config = load_testbed(CONFIGS / "sim-opensource-ris.yaml")
    found = check_of(missing, config)
    assert (found.ok, found.detail) == (False, f"the {missing} is not there")
    assert {"radio": "radio.uri", "board": "surface.port"}[missing] in found.fix
    assert check_of(there, config).ok


def test_a_calibration_that_cannot_be_read_hides_neither_of_the_instruments(tmp_path: Path) -> None:
    config = load_testbed(CONFIGS / "sim-opensource-ris.yaml", {"calibration": str(tmp_path)})
    assert check_of("radio", config).ok
    assert check_of("board", config).ok
    assert check_of("calibration", config).ok is False


def test_whose_a_calibration_is_remains_open_where_an_instrument_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: object) -> None:
        raise NotConnected("not there")

    monkeypatch.setattr("hil.drivers.board.SurfaceBoard.open", refuse)
    config = load_testbed(CONFIGS / "sim-opensource-ris.yaml", {"calibration": str(tmp_path)})
    assert check_of("calibration", config).ok is None


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
