"""Two Plutos with a crystal each: what is measured of a pattern is what is true of it, on whatever stage."""

from pathlib import Path

import pytest

from hil.config import ClosedLoopConfig, FieldTestConfig, PowerOnlyConfig, TestbedConfig
from hil.experiments import closed_loop, field_test, power_only
from hil.experiments.begin import begin
from hil.testbed import open_testbed
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-two-plutos.yaml"


@pytest.fixture
def station() -> TestbedConfig:
    return load_yaml(STATION, TestbedConfig, {"ofdm.repetitions": 8})


def test_a_search_by_power_finds_what_is_better_and_its_rates_are_true(station: TestbedConfig, tmp_path: Path) -> None:
    plan = PowerOnlyConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "power_only",
            "search": {"budget": 256, "method": "flips_column"},
            "verification": {"rounds": 6, "held_out": 0},
        }
    )
    with open_testbed(station) as testbed:
        told = power_only.summary(power_only.run(testbed, plan, begin(testbed, plan, tmp_path)))
    assert told["outcome"] == "PASS"
    for arm, true in told["true_rate_mbps"].items():
        assert told["rate_mbps"][arm] == pytest.approx(true, rel=2e-3), (
            "captures are averaged as if they began together"
        )


def test_a_field_tests_gains_and_rates_are_true(station: TestbedConfig, tmp_path: Path) -> None:
    plan = FieldTestConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "field_test",
            "hypothesis": {"arm": "stm", "against": "all_zero"},
            "stations": [{"name": "desk", "position_m": [2.0, -1.1, 1.2]}],
            "arms": [
                {"kind": "uniform", "name": "all_zero"},
                {"kind": "optimized", "name": "stm", "optimizer": {"algorithm": "stm"}},
            ],
            "visits": 1,
            "rounds": 6,
            "pause_s": 0.05,
            "sweep": {"group": [4, 4], "block": 8},
            "analysis": {"resamples": 300},
        }
    )
    with open_testbed(station) as testbed:
        told = field_test.summary(field_test.run(testbed, plan, begin(testbed, plan, tmp_path)))
    assert told["outcome"] == "PASS"
    assert told["gain_db"]["all"]["stm"] == pytest.approx(told["true_gain_db"]["stm"], abs=0.05)
    for arm, true in told["rates"]["true_mbps"]["desk"].items():
        assert told["rates"]["measured_mbps"]["desk"][arm][0] == pytest.approx(true, rel=2e-3)


def test_an_estimates_predictions_hold_for_patterns_that_nobody_sounded(station: TestbedConfig, tmp_path: Path) -> None:
    """Each held-out sounding has a phase of its own, and begins between samples."""
    plan = ClosedLoopConfig.model_validate(
        {
            "schema": "hil-experiment/1",
            "kind": "closed_loop",
            "sweep": {"group": [4, 4]},
            "optimizer": {"algorithm": "stm"},
            "verification": {"rounds": 2, "held_out": 16},
        }
    )
    with open_testbed(station) as testbed:
        recording = closed_loop.new_recording(testbed, plan, tmp_path)
        told = closed_loop.summary(closed_loop.run(testbed, plan, recording))
    assert told["true_prediction_nmse_db"] < -32
    assert told["prediction_nmse_db"] < -27  # what is left of a single capture's offset counts too
