"""What a station of real instruments is made of, before anything is opened."""

from pathlib import Path

import pytest

from hil.config import load_testbed
from hil.firmware.profile import load_profile
from hil.testbed import station
from hil.testbed.station import make_station

CONFIG = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


def test_a_reply_is_waited_for_as_long_as_the_adapter_may_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_testbed(CONFIG, {"radio.uri": "ip:192.0.2.1", "surface.port": "/dev/ttyUSB-ris"})
    profile = load_profile(config.surface.profile)

    def reply_s(timer_ms: int | None) -> float:
        monkeypatch.setattr(station, "latency_timer_ms", {"/dev/ttyUSB-ris": timer_ms}.__getitem__)
        return make_station(config, profile, config.users[0]).surface.timing.reply_s

    assert reply_s(16) - reply_s(1) == pytest.approx(15e-3)
    assert reply_s(None) == reply_s(1)
