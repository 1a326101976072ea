"""Many users: a new one starts from the nearest known place, turns pay for switching."""

from pathlib import Path

import numpy as np
import pytest

from hil.campaign.many_users import meet, place_users
from hil.config import TestbedConfig
from hil.errors import ConfigError
from hil.testbed import Testbed
from hil.yamlfile import load_yaml

STATIONS = Path(__file__).parents[2] / "configs/testbeds"
LOW_M, HIGH_M = (1.6, -1.4, 1.2), (2.8, 1.4, 1.2)


def station(**overrides: object) -> TestbedConfig:
    return load_yaml(STATIONS / "sim-opensource-ris.yaml", TestbedConfig, {"ofdm.repetitions": 2} | overrides)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured by the best of eight random patterns instead of a sweep, and the truth."""

    def best_of_few(here: Testbed, _coming: object, _progress: object) -> tuple[np.ndarray, int]:
        patterns = np.random.default_rng(0).integers(0, 2, (8, 256)).astype(np.uint8)
        assert here.truth is not None
        response = here.truth.response
        return max(patterns, key=lambda pattern: here.setup.rate_mbps(response(pattern))), len(patterns)

    monkeypatch.setattr("hil.experiments.users.meet.by_sweep", best_of_few)


@pytest.mark.usefixtures("quick")
def test_a_new_user_at_a_known_place_starts_with_its_configuration(tmp_path: Path) -> None:
    known = place_users(LOW_M, HIGH_M, 3, prefix="known", seed=0)
    again = known[1].model_copy(update={"name": "again"})
    (row,), turns = meet(station(), known, [again], folder=tmp_path, budget=64)
    assert row.nearest_m == 0
    assert row.nearest_mbps == pytest.approx(row.own_mbps)
    assert row.nearest_searched_mbps >= 0.995 * row.nearest_mbps
    assert row.cold_searched_mbps >= 0.995 * row.cold_mbps
    assert 0 <= row.saved <= 64
    assert turns.users == 3
    assert turns.named_s is None
    assert 5e-3 < turns.sent_s < 20e-3  # 256 bits as text at 115200 baud
    mean = turns.served_mbps["1 s"] / (1 - turns.sent_s)
    assert turns.served_mbps["0.02 s"] == pytest.approx(mean * (1 - turns.sent_s / 0.02))


def test_users_stand_in_the_box_and_those_who_come_later_elsewhere() -> None:
    known, new = (place_users(LOW_M, HIGH_M, 5, prefix=name, seed=1) for name in ("known", "new"))
    places = np.array([user.position_m for user in (*known, *new)])
    assert len(np.unique(places[:, 0])) == 10
    assert (places >= np.array(LOW_M) - 1e-9).all()
    assert (places <= np.array(HIGH_M) + 1e-9).all()


def test_hardware_cannot_be_at_many_places(tmp_path: Path) -> None:
    real = load_yaml(STATIONS / "bench-pluto-opensource-ris.yaml", TestbedConfig)
    with pytest.raises(ConfigError, match="simulated"):
        meet(real, list(real.users), list(real.users), folder=tmp_path)
