"""`hil bench field-test`: errors are counted by the truth, and a test is a function of its number."""

from pathlib import Path

from hil.campaign.field_tests import count_errors, simulate_tests

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


def row(**changes: object) -> dict[str, object]:
    right = {"sham_ok": True, "finding": "not shown", "gain_low_db": 1.0, "true_gain_db": 1.5, "gain_high_db": 2.0}
    equal = {"sham_db": -0.1, "sham_half_db": 0.2, "again_db": 0.1, "again_half_db": 0.2}
    return {**right, **equal, "sham_mbps": 0.1, "sham_half_mbps": 0.2, **changes}


def test_each_kind_of_error_is_counted_by_itself() -> None:
    rows = [row(), row(sham_ok=False), row(finding="supported"), row(true_gain_db=2.1), row(finding="refuted")]
    rows += [row(sham_db=-0.3), row(again_db=0.3), row(again_db=0.4), row(sham_mbps=-0.3)]
    assert count_errors(rows) == {
        "tests": 9,
        "sham_inside": 8,
        "sham_inside_confidence": 8,
        "again_inside_confidence": 7,
        "sham_rate_inside_confidence": 8,
        "false_better": 1,
        "true_gain_inside": 8,
    }


def test_simulated_tests_are_noisy_differ_and_repeat() -> None:
    rows = simulate_tests(STATION, tests=2, first=7, rounds=6)
    assert rows[1] == simulate_tests(STATION, tests=1, first=8, rounds=6)[0]
    assert [each["test"] for each in rows] == [7, 8]
    for each in rows:
        assert 0 < each["sham_half_db"] < 0.5 and 0.5 < each["true_gain_db"] < 10
    assert rows[0]["sham_db"] != rows[1]["sham_db"]
