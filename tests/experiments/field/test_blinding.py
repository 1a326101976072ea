"""What is fixed before a field test: the hash of its plan, and codes that nobody can foresee from the names."""

from typing import Any

from hil.config import FieldTestConfig
from hil.experiments.field.blinding import Key, plan_sha256

NAMES = ["all_zero", "stm", "best_pilot", "sham"]
PLAN: dict[str, Any] = {
    "schema": "hil-experiment/1",
    "kind": "field_test",
    "hypothesis": {"arm": "stm", "against": "all_zero"},
    "stations": [{"name": "desk", "position_m": [2.0, -1.1, 1.2]}],
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
