"""How often a field test is wrong: many simulated ones whose truth is known, with a radio that drifts and people about.

Each test has a room, walkers, noise and a drift of its own. Two things hold in all of them: the sham arm shows the
pattern of another arm, and the hypothesis claims that a pattern is better than itself, chosen twice. So an interval of
the sham arm that does not hold 0 dB is wrong, and each hypothesis that is found supported is a false `better`. At
the nominal confidence C, a share of 1 - C of the former and (1 - C) / 2 of the latter is to be expected. The gate by
which a test trusts itself has a confidence of its own.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hil.config import FieldTestConfig, TestbedConfig
from hil.experiments import field_test
from hil.experiments.begin import begin
from hil.experiments.field_test import FieldTestResult
from hil.interfaces import Progress, no_progress
from hil.testbed import open_testbed
from hil.yamlfile import load_yaml

ROOM: Mapping[str, object] = {
    "ofdm.repetitions": 4,
    "simulation.placement_error_m": 0.005,
    "simulation.rf_drift": {"phase_deg_per_sqrt_s": 10.0, "gain_db_per_sqrt_s": 0.1},
    "simulation.room_motion": {"level_db": -25.0, "doppler_hz": 2.0, "num_walkers": 2},
}
"""What makes the tests hard; replaces values of the station's file."""


def plan_of_test(seed: int, rounds: int) -> FieldTestConfig:
    """The plan whose hypothesis is false: `stm` is said to be worse than itself."""
    return FieldTestConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "field_test",
            "seed": seed,
            "hypothesis": {"arm": "stm_again", "against": "stm"},
            "stations": [
                {"name": "desk", "position_m": [2.0, -1.1, 1.2]},
                {"name": "shelf", "position_m": [2.6, 1.8, 1.6]},
            ],
            "arms": [
                {"kind": "uniform", "name": "all_zero"},
                {"kind": "sham", "name": "sham", "of": "all_zero"},
                {"kind": "optimized", "name": "stm", "optimizer": {"algorithm": "stm"}},
                {"kind": "optimized", "name": "stm_again", "optimizer": {"algorithm": "stm"}},
            ],
            "visits": 1,
            "rounds": rounds,
            "sweep": {"group": [4, 4], "block": 32},
        }
    )


def simulate_tests(
    station: str | Path, *, tests: int, first: int, rounds: int, progress: Progress = no_progress
) -> list[dict[str, Any]]:
    """One row a test, tests numbered from `first`: each is a function of its number."""
    rows = []
    for seed in range(first, first + tests):
        world = {"simulation.seed": seed, "simulation.scene.seed": seed}
        config = load_yaml(station, TestbedConfig, {**ROOM, **world})
        rows.append({"test": seed, **_row(_simulate(config, plan_of_test(seed, rounds)))})
        progress("field tests", seed - first + 1, tests)
    return rows


def count_errors(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Over all tests: how often the sham arm's intervals hold zero, false verdicts, true values in their intervals.

    sham_inside: of the gate, the interval that the plan states for the sham arm. sham_inside_confidence,
    again_inside: of intervals as all other comparisons have them, of two pairs of equal arms.
    """

    def total(holds: Callable[[dict[str, Any]], bool]) -> int:
        return sum(map(holds, rows))

    return {
        "tests": len(rows),
        "sham_inside": total(lambda row: row["sham_ok"]),
        "sham_inside_confidence": total(lambda row: abs(row["sham_db"]) <= row["sham_half_db"]),
        "again_inside_confidence": total(lambda row: abs(row["again_db"]) <= row["again_half_db"]),
        "sham_rate_inside_confidence": total(lambda row: abs(row["sham_mbps"]) <= row["sham_half_mbps"]),
        "false_better": total(lambda row: row["finding"] == "supported"),
        "true_gain_inside": total(lambda row: row["gain_low_db"] <= row["true_gain_db"] <= row["gain_high_db"]),
    }


def _simulate(config: TestbedConfig, plan: FieldTestConfig) -> FieldTestResult:
    with tempfile.TemporaryDirectory() as folder, open_testbed(config) as testbed:
        return field_test.run(testbed, plan, begin(testbed, plan, folder))


def _row(result: FieldTestResult) -> dict[str, Any]:
    sham, gain = result.difference("sham", "all_zero"), result.difference("stm", "all_zero")
    again, rate = result.difference("stm_again", "stm"), result.rates.difference("sham", "all_zero")
    return {
        "outcome": str(result.outcome),
        "finding": result.finding,
        "sham_ok": result.sham_ok,
        "sham_db": sham.value,
        "sham_half_db": (sham.high - sham.low) / 2,
        "again_db": again.value,
        "again_half_db": (again.high - again.low) / 2,
        "sham_mbps": rate.value,
        "sham_half_mbps": (rate.high - rate.low) / 2,
        "gain_low_db": gain.low,
        "gain_high_db": gain.high,
        "true_gain_db": field_test.true_difference_db(result, "stm", "all_zero"),
        "excluded": result.excluded,
    }
