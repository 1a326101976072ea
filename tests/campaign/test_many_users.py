"""Many users: a new one starts from the nearest known place, turns pay for switching."""

from pathlib import Path

import numpy as np
import pytest

from hil.campaign.many_users import Room, beside, neighbours, place_users
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


@pytest.fixture
def aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured by flips against the truth instead of a sweep: as good, and no time on the air."""

    def flipped(here: Testbed, _coming: object, _progress: object) -> tuple[np.ndarray, int]:
        assert here.truth is not None
        zero = here.truth.response(np.zeros(256, dtype=np.uint8))
        each = np.stack([here.truth.response(one) for one in np.eye(256, dtype=np.uint8)]) - zero
        pattern = np.zeros(256, dtype=np.uint8)
        for element in [*range(256)] * 3:
            now = zero + pattern @ each
            turn = each[element] * (1 - 2 * int(pattern[element]))
            pattern[element] ^= np.sum(np.abs(now + turn) ** 2) > np.sum(np.abs(now) ** 2)
        return pattern, 512

    monkeypatch.setattr("hil.experiments.users.meet.by_sweep", flipped)


@pytest.mark.usefixtures("quick")
def test_a_new_user_at_a_known_place_starts_with_its_configuration(tmp_path: Path) -> None:
    known = place_users(LOW_M, HIGH_M, 3, prefix="known", seed=0)
    again = known[1].model_copy(update={"name": "again"})
    room = Room(station(), tmp_path, budget=64)
    book, turns = room.know(known)
    (row,) = room.meet(book, [again])
    assert row.nearest_m == 0 and row.began == "nearest"
    assert row.nearest_mbps == row.start_mbps == pytest.approx(row.own_mbps)
    assert row.searched_mbps >= 0.995 * row.nearest_mbps
    assert row.cold_searched_mbps >= 0.995 * row.zero_mbps
    assert -12 <= row.saved <= 64 - 12
    assert turns.users == 3
    assert turns.named_s is None
    assert 5e-3 < turns.sent_s < 20e-3  # 256 bits as text at 115200 baud
    mean = turns.served_mbps["1 s"] / (1 - turns.sent_s)
    assert turns.served_mbps["0.02 s"] == pytest.approx(mean * (1 - turns.sent_s / 0.02))


@pytest.mark.usefixtures("aligned")
def test_a_known_pattern_serves_within_a_tenth_of_a_wavelength_and_turned_beyond_it(tmp_path: Path) -> None:
    """5 cm, a wavelength on, the pattern as it is takes rate away, and the start beats a search from all zeros."""
    known = place_users(LOW_M, HIGH_M, 2, prefix="known", seed=0)
    room = Room(station(), tmp_path, budget=64)
    book, _ = room.know(known)
    near, far = (beside(way_m, room.meet(book, neighbours(known, way_m, seed=0))) for way_m in (0.005, 0.05))
    assert near.began == {"nearest": 2} and near.nearest_gain > 0.8
    assert far.began == {"turned": 2} and far.nearest_gain < 0
    assert far.start_gain > far.cold_searched_gain and far.saved > 0


def test_a_neighbour_stands_as_far_away_as_is_asked() -> None:
    known = place_users(LOW_M, HIGH_M, 4, prefix="known", seed=0)
    places = [np.array([each.position_m for each in group]) for group in (known, neighbours(known, 0.1, seed=0))]
    assert np.linalg.norm(places[0] - places[1], axis=1) == pytest.approx(0.1)


def test_users_stand_in_the_box_and_those_who_come_later_elsewhere() -> None:
    known, new = (place_users(LOW_M, HIGH_M, 5, prefix=name, seed=1) for name in ("known", "new"))
    places = np.array([user.position_m for user in (*known, *new)])
    assert len(np.unique(places[:, 0])) == 10
    assert (places >= np.array(LOW_M) - 1e-9).all()
    assert (places <= np.array(HIGH_M) + 1e-9).all()


def test_hardware_cannot_be_at_many_places(tmp_path: Path) -> None:
    real = load_yaml(STATIONS / "bench-pluto-opensource-ris.yaml", TestbedConfig)
    with pytest.raises(ConfigError, match="simulated"):
        Room(real, tmp_path)
