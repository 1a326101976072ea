"""What is read of a visit's rounds does not depend on what was read before."""

from pathlib import Path

import numpy as np
import pytest

from hil.config import FieldTestConfig
from hil.config.field_test import RuleConfig
from hil.experiments.field.itinerary import itinerary
from hil.experiments.field.rounds import Rounds
from hil.measure.recording import Recording, Step
from hil.measure.stepping import SoundingBlock

USED = np.ones(8, dtype=bool)
NOISE_VAR = 1e-3
PLAN = FieldTestConfig.model_validate(
    {
        "schema": "hil-experiment/1",
        "kind": "field_test",
        "hypothesis": {"arm": "one", "against": "all_zero"},
        "stations": [{"name": "desk", "position_m": [1, 1, 1]}],
        "arms": [{"kind": "uniform", "name": "all_zero"}, {"kind": "uniform", "name": "one", "state": 1}],
        "rounds": 6,
    }
)
WEAK = RuleConfig(quantity="snr_db", limit=10.0, then="exclude")
MOVED = RuleConfig(quantity="drift_db", limit=3.0, then="stop")


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """None is sounded yet."""
    monkeypatch.setattr(Rounds, "_used", USED)
    plan = PLAN.model_copy(update={"rules": [WEAK, MOVED]})
    return Rounds(Recording.create(tmp_path, kind="k", testbed="t", manifest={}), itinerary(plan)[0], plan)


def sound(rounds: Rounds, number: int, level: float) -> None:
    """Record a try of a round, two soundings of each arm."""
    block = SoundingBlock(
        np.full((4, USED.size), level, dtype=np.complex64),
        np.full(4, NOISE_VAR),
        np.arange(4.0),
        np.zeros(4, dtype=int),
        np.zeros(4, dtype=bool),
        0,
    )
    facts = {"order": [0, 1, 1, 0], "resets": 0, "temperature_c": None, "radio_time_s": 0.1}
    rounds.recording.append(rounds.step_name(number, 0), Step(block.records(), 0.0, facts))


def test_rounds_read_twice_are_told_the_same_though_the_first_ones_were_excluded(rounds: Rounds) -> None:
    """A test that is gone on with reads all rounds before it settles the first one again: no rule stops it there."""
    for number, level in enumerate([0.05, 0.05, 1.0, 1.01, 0.99]):
        sound(rounds, number, level)
    once, again = rounds.states, rounds.states
    assert [each.fate for each in once] == ["excluded"] * 2 + ["counts"] * 3 + ["again"]
    assert [each.fate for each in again] == [each.fate for each in once]
    assert [one.found for each in again for one in each.tries] == [one.found for each in once for one in each.tries]


def test_drift_is_told_against_the_first_round_that_counts(rounds: Rounds) -> None:
    for number, level in enumerate([0.05, 1.0, 0.5]):
        sound(rounds, number, level)
    drift_db = [each.tries[-1].found["drift_db"] for each in rounds.states[:3]]
    assert drift_db == pytest.approx([0, 0, 20 * np.log10(2)], abs=0.02)
    assert rounds.states[2].fate == "stop"
