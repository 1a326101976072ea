"""What a station of real instruments is made of, before anything is opened."""

from pathlib import Path

import pytest

from hil.config import load_testbed
from hil.firmware.profile import load_profile
from hil.testbed import open_testbed, station
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


@pytest.mark.parametrize(("fft_size", "rate_hz"), [(256, 56e6), (280, 61.25e6)])
def test_the_widest_band_opens_with_filters_as_wide_as_they_go(fft_size: int, rate_hz: float) -> None:
    wide = {"ofdm.bandwidth_hz": 56e6, "ofdm.fft_size": fft_size, "safety.bands.0.low_hz": 5.4e9}
    with open_testbed(CONFIG, overrides=wide) as testbed:
        assert testbed.settings.sample_rate_hz == rate_hz
        assert testbed.settings.bandwidth_hz == 56e6
