"""The analysis of several visits and stations: which soundings a difference rests on, which way round it is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import FieldTestConfig
from hil.errors import MeasurementError
from hil.experiments.field.analysis import analyse
from hil.experiments.field.blinding import Key
from hil.experiments.field.itinerary import Visit, itinerary
from hil.experiments.field.rounds import Rounds
from hil.measure.recording import Recording, Step
from hil.measure.stepping import SoundingBlock

USED = np.array([True] * 6 + [False] * 2)
NOISE_VAR = 1e-6
KEY = Key(("one", "all_zero"))
PLAN = FieldTestConfig.model_validate(
    {
        "schema": "hil-experiment/1",
        "kind": "field_test",
        "hypothesis": {"arm": "one", "against": "all_zero"},
        "stations": [
            {"name": "desk", "position_m": [1, 1, 1]},
            {"name": "covered", "position_m": [1, 1, 1], "surface": "covered", "patterns_of": "desk"},
            {"name": "door", "position_m": [2, 1, 1]},
        ],
        "arms": [{"kind": "uniform", "name": "all_zero"}, {"kind": "uniform", "name": "one", "state": 1}],
        "visits": 2,
        "rounds": 6,
        "soundings": 2,
        "rules": [],
        "analysis": {"resamples": 200},
    }
)
LEVEL_DB = {
    (0, "desk"): (-30.0, -36.0), (0, "covered"): (-38.0, -37.0), (0, "door"): (-40.0, -43.0),
    (1, "desk"): (-28.0, -35.0), (1, "covered"): (-37.0, -37.0), (1, "door"): (-41.0, -45.0),
}  # fmt: skip
"""Of each code in each visit to a station."""


def rates_of(rounds: Rounds) -> np.ndarray:
    """Instead of those of the soundings: a tenth of the level."""
    return np.tile(np.array(level(rounds.visit)) / -10, (PLAN.rounds, 1))


def level(visit: Visit) -> tuple[float, float]:
    return LEVEL_DB[visit.number, visit.station.name]


def sound(recording: Recording, visit: Visit, num_rounds: int) -> None:
    """Rounds that drift as a whole, and scatter a little, arms in an order of their own each time."""
    rng = np.random.default_rng([visit.number, *visit.station.name.encode()])
    for number in range(num_rounds):
        order = rng.permutation([0, 0, 1, 1])
        power = 10 ** ((np.array(level(visit)) + rng.normal() + 0.01 * rng.normal(size=2)) / 10)
        response = np.sqrt(power[order] + NOISE_VAR)[:, None] * USED
        block = SoundingBlock(
            response.astype(np.complex64), np.full(4, NOISE_VAR), np.arange(4.0),
            np.zeros(4, dtype=int), np.zeros(4, dtype=bool), 0,
        )  # fmt: skip
        facts = {"order": order.tolist(), "resets": 0, "temperature_c": None, "radio_time_s": 0.1}
        recording.append(f"{visit.name}/round/{number:04d}/0", Step(block.records(), 0.0, facts))


def analysed(folder: Path, first_rounds: int = PLAN.rounds) -> dict[str, Any]:
    """first_rounds: of the first visit."""
    recording = Recording.create(folder, kind="k", testbed="t", manifest={})
    first, *others = itinerary(PLAN)
    sound(recording, first, first_rounds)
    for visit in others:
        sound(recording, visit, PLAN.rounds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rounds, "_used", USED)
        patch.setattr(Rounds, "rates", rates_of)
        return analyse(recording, PLAN, KEY)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return analysed(tmp_path_factory.mktemp("runs"))


def test_differences_are_means_over_the_visits_to_open_stations(found: dict[str, Any]) -> None:
    for name, expected in (("desk", 6.5), ("door", 3.5), ("covered", -0.5)):
        assert found["stations"][name]["value"][0][1] == pytest.approx(expected, abs=0.05)
    for where in (found["pooled"], found["gate"]):
        assert where["value"][0][1] == pytest.approx(5.0, abs=0.05)
        assert where["value"][1][0] == -where["value"][0][1]
        assert where["low"][0][1] < where["value"][0][1] < where["high"][0][1]


def test_the_sham_arm_is_judged_at_its_own_confidence(found: dict[str, Any]) -> None:
    gate, pooled = (found[name]["high"][0][1] - found[name]["low"][0][1] for name in ("gate", "pooled"))
    assert PLAN.analysis.sham_confidence > PLAN.analysis.confidence and gate > pooled


def test_a_control_is_what_its_own_station_loses_without_the_surface(found: dict[str, Any]) -> None:
    """Not paired by round: what a visit drifts as a whole is in it."""
    assert set(found["controls"]) == {"covered"}
    value, low, high = (np.array(found["controls"]["covered"][name]) for name in ("value_db", "low_db", "high_db"))
    assert value == pytest.approx([8.5, 1.5], abs=2.0) and (low < value).all() and (value < high).all()
    of = {(each["visit"], each["station"]): np.array(each["level_db"]) for each in found["visits"]}
    assert value == pytest.approx(np.mean([of[visit, "desk"] - of[visit, "covered"] for visit in (0, 1)], axis=0))


def test_levels_of_visits_are_those_of_their_codes_without_noise(found: dict[str, Any]) -> None:
    for each in found["visits"]:
        one, other = LEVEL_DB[each["visit"], each["station"]]
        assert each["level_db"][0] - each["level_db"][1] == pytest.approx(one - other, abs=0.05)
        assert each["rounds"] == PLAN.rounds


def test_rates_are_told_beside_an_arm_without_any(found: dict[str, Any]) -> None:
    """Means over the open stations of -30 -40 -28 -41 and of -36 -43 -35 -45 dB, a tenth of them."""
    assert found["rates"]["pooled"]["value"] == pytest.approx(
        np.subtract.outer([3.475, 3.975, 0], [3.475, 3.975, 0]), abs=1e-6
    )
    assert found["rates"]["stations"]["door"]["value"][1][2] == pytest.approx(4.4)


def test_a_visit_of_few_rounds_that_count_is_no_ground_for_a_difference(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=rf"fewer than 6 rounds count in {itinerary(PLAN)[0].name} \(5\)"):
        analysed(tmp_path, first_rounds=5)
