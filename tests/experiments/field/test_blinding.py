"""What is fixed before a field test: a plan that makes sense, its hash, and codes that no name tells beforehand."""

from typing import Any

import pytest

from hil.config import FieldTestConfig
from hil.experiments.field.blinding import Key, plan_sha256

NAMES = ["all_zero", "stm", "best_pilot", "sham"]
DESK = {"name": "desk", "position_m": [2.0, -1.1, 1.2]}
PLAN: dict[str, Any] = {
    "schema": "hil-experiment/1",
    "kind": "field_test",
    "hypothesis": {"arm": "stm", "against": "all_zero"},
    "stations": [DESK],
    "arms": [
        {"kind": "uniform", "name": "all_zero"},
        {"kind": "optimized", "name": "stm", "optimizer": {"algorithm": "stm"}},
        {"kind": "best_pilot", "name": "best_pilot"},
        {"kind": "sham", "name": "sham", "of": "stm"},
    ],
}


def sha256(values: dict[str, Any]) -> str:
    return plan_sha256(FieldTestConfig.model_validate(values))


def test_the_plans_hash_is_of_its_values_not_of_its_layout() -> None:
    assert sha256(dict(reversed(PLAN.items()))) == sha256(PLAN)
    assert sha256(PLAN | {"rounds": 7}) != sha256(PLAN)


def test_where_arms_are_optimised_is_no_part_of_the_plan() -> None:
    assert sha256(PLAN | {"engine": {"scheduler": "tcp://127.0.0.1:8786"}}) == sha256(PLAN)


def test_codes_are_drawn_anew_for_each_plan() -> None:
    keys = {Key.drawn(NAMES, sha256(PLAN | {"seed": seed})).names for seed in range(30)}
    assert len(keys) > 10
    assert all(sorted(key) == sorted(NAMES) for key in keys)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"hypothesis": {"arm": "nobody", "against": "stm"}}, "no arm is called 'nobody'"),
        ({"hypothesis": {"arm": "stm", "against": "stm"}}, "compared with itself"),
        ({"rounds": 5}, "at least 6 x"),
        ({"arms": [*PLAN["arms"], {"kind": "sham", "name": "second", "of": "stm"}]}, "at most one sham arm"),
        ({"arms": [*PLAN["arms"][:3], {"kind": "sham", "name": "sham", "of": "sham"}]}, "no arm with a pattern"),
        ({"stations": [{**DESK, "surface": "covered", "patterns_of": "desk"}]}, "no station with an open surface"),
        ({"stations": [{**DESK, "patterns_of": "desk"}]}, "patterns_of: needed where"),
        ({"stations": [DESK] * 2}, "names must differ"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sha256(PLAN | change)
