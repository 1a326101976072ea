"""Rules of a round: each quantity against its limit, and what becomes of the round."""

import numpy as np
import pytest

from hil.config import FieldTestConfig
from hil.config.field_test import RuleConfig
from hil.experiments.field.limits import Broken, broken_rules, fate, level_db, measure_round
from hil.measure.stepping import SoundingBlock

USED = np.ones(8, dtype=bool)
AGAIN, OUT, STOP = Broken("snr_db"), Broken("snr_db", "exclude"), Broken("snr_db", "stop")


def block(level: float = 1.0, noise_var: float = 1e-3, retakes: int = 0, clipped: int = 0) -> SoundingBlock:
    return SoundingBlock(
        np.full((4, 8), level + 0j, dtype=np.complex64),
        np.full(4, noise_var),
        np.arange(4.0),
        np.array([retakes, 0, 0, 0]),
        np.arange(4) >= 4 - clipped,
        0,
    )


def plan(max_retakes: int) -> FieldTestConfig:
    return FieldTestConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "field_test",
            "hypothesis": {"arm": "one", "against": "all_zero"},
            "stations": [{"name": "desk", "position_m": [1, 1, 1]}],
            "arms": [{"kind": "uniform", "name": "all_zero"}, {"kind": "uniform", "name": "one", "state": 1}],
            "stopping": {"max_retakes": max_retakes},
        }
    )


def test_quantities_of_a_round_are_those_of_its_soundings() -> None:
    found = measure_round(block(retakes=3, clipped=2), USED, 41.5, first_db=-2.0)
    assert found["snr_db"] == pytest.approx(30, abs=0.01)
    assert found["drift_db"] == pytest.approx(2, abs=0.01)
    assert (found["overloads"], found["interference"], found["temperature_c"]) == (2, 3, 41.5)
    assert measure_round(block(), USED, None, None)["drift_db"] == 0
    assert level_db(block(10.0), USED) == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    ("quantity", "limit", "broken"),
    [("snr_db", 29.0, False), ("snr_db", 31.0, True), ("drift_db", 0.5, False), ("interference", 2, True),
     ("interference", 3, False), ("overloads", 0, True), ("temperature_c", 0, False)],
)  # fmt: skip
def test_a_rule_is_broken_beyond_its_limit_only_and_never_by_what_was_not_measured(
    quantity: str, limit: float, broken: bool
) -> None:
    rule = RuleConfig.model_validate({"quantity": quantity, "limit": limit})
    found = measure_round(block(retakes=3, clipped=1), USED, None, None)
    assert bool(broken_rules([rule], found)) == broken


@pytest.mark.parametrize(
    ("broken", "resumed", "expected"),
    [
        ([], [], "again"),
        ([[]], [False], "counts"),
        ([[AGAIN]], [False], "again"),
        ([[AGAIN], []], [False] * 2, "counts"),
        ([[AGAIN]] * 3, [False] * 3, "excluded"),
        ([[OUT]], [False], "excluded"),
        ([[AGAIN, OUT]], [False], "excluded"),
        ([[AGAIN, STOP]], [False], "stop"),
        ([[STOP]], [True], "again"),
        ([[STOP], [AGAIN]], [True, False], "again"),
        ([[STOP], [STOP]], [True, False], "stop"),
    ],
)
def test_the_fate_of_a_round_follows_from_its_tries(
    broken: list[list[Broken]], resumed: list[bool], expected: str
) -> None:
    assert fate(broken, resumed, plan(max_retakes=2)) == expected
