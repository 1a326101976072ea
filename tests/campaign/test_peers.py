"""The comparison with the peers' way: both start alike, time is charged honestly, rates are true ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hil.campaign import peers
from hil.config import TestbedConfig
from hil.testbed import Testbed, open_testbed
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


def station(world: int = 1) -> TestbedConfig:
    return load_yaml(STATION, TestbedConfig, {"ofdm.repetitions": 4, "simulation.scene.seed": world})


def rate(testbed: Testbed, pattern: np.ndarray) -> float:
    assert testbed.truth is not None
    return testbed.setup.rate_mbps(testbed.truth.response(pattern))


@pytest.fixture
def short_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "READ_SAMPLES", 2000)
    monkeypatch.setattr(peers, "READS", 2)


@pytest.mark.usefixtures("short_reads")
def test_the_peers_way_pays_its_sleeps_and_keeps_what_was_better() -> None:
    with open_testbed(station()) as testbed:
        history = peers.flip_on_tone(testbed, 1.5)
        times_s = [time_s for time_s, _ in history]
        rates = [rate(testbed, pattern) for _, pattern in history]
        shown = testbed.clock.now_s()
    assert times_s == sorted(times_s)
    assert times_s[0] >= 0.05
    assert np.diff(times_s).min() >= 0.05
    assert 1.5 <= shown < 2.0
    assert rates[-1] > 1.05 * rates[0]
    for (_, one), (_, other) in pairwise(history):
        changed = (one != other).reshape(16, 16)
        assert changed.sum() == 16
        assert (changed == changed[0]).all()


def test_the_tone_has_the_pilots_mean_power() -> None:
    with open_testbed(station()) as testbed:
        pilots = testbed.grid.transmit_frame(testbed.config.radio.frame_peak_dbfs)
        assert np.mean(abs(peers._tone(testbed)) ** 2) == pytest.approx(np.mean(abs(pilots) ** 2), rel=1e-3)


@pytest.mark.soak
def test_the_closed_loop_gets_better_from_look_to_look(tmp_path: Path) -> None:
    with open_testbed(station()) as testbed:
        history = peers.sound_and_choose(testbed, tmp_path, 60.0)
        rates = [rate(testbed, pattern) for _, pattern in history]
        start = rate(testbed, np.zeros(256, dtype=np.uint8))
    assert rates[0] > 1.05 * start
    assert rates[0] < 1.001 * rates[1] < 1.002 * rates[2]
    assert history[0][0] < 0.6 < history[1][0] < 2.0 < history[2][0] < 6.0


def test_each_time_is_told_with_the_pattern_that_was_known_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, zero = np.ones(256, dtype=np.uint8), np.zeros(256, dtype=np.uint8)
    monkeypatch.setattr(peers, "WAYS", {"slow": lambda _testbed, _folder, _until_s: [(5.0, one)]})
    (row,) = peers.compare(station, ["desk"], worlds=2, after_s=(2.0, 10.0), folder=tmp_path)
    with open_testbed(station(1)) as first, open_testbed(station(2)) as second:
        start, end = ([rate(testbed, each) for testbed in (first, second)] for each in (zero, one))
    assert row.start_mbps == row.true_mbps["2 s"] == pytest.approx(np.mean(start))
    assert row.true_mbps["10 s"] == pytest.approx(np.mean(end))
    assert row.worst_mbps["10 s"] == pytest.approx(min(end))
    assert row.end_s == 5.0
