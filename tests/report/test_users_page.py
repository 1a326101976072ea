"""The page of many users says what is there, and nothing about what is not."""

import pytest

from hil.report.users_page import users_page

USER = {
    "user": "desk",
    "nearest": "shelf",
    "way_m": 0.4,
    "began": "all_zero",
    "soundings": 40,
    "saved": None,
    "rate_mbps": {"all_zero": 10.0, "nearest": 9.0, "chosen": 15.0},
    "rate_interval_mbps": {"all_zero": [9.9, 10.1], "nearest": [8.9, 9.1], "chosen": [14.9, 15.1]},
    "true_rate_mbps": {"chosen": 15.03},
    "served_mbps": {"1 s": 14.8},
}
TOLD = {
    "outcome": "PASS",
    "testbed": "bench",
    "simulated": False,
    "confidence": 0.95,
    "users": [USER],
    "num_pilots": 40,
    "saved": 0,
    "misled": [],
    "sent_s": 7.4e-3,
    "named_s": None,
}


@pytest.mark.parametrize(("misled", "said"), [([], False), (["desk", "door"], True)])
def test_users_whose_nearest_known_pattern_was_worse_than_all_zeros_are_named_where_there_are_any(misled, said):
    page = users_page({**TOLD, "misled": misled}, "book.json", [])
    assert ("the nearest known pattern was worse than all zeros for desk, door." in page) == said
    assert ("worse than all zeros" in page) == said


def test_an_arm_that_was_not_measured_and_a_truth_that_is_not_known_are_left_out():
    row = next(line for line in users_page(TOLD, "book.json", []).splitlines() if "15.03" in line)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:3] == ["desk", "10.00 (9.90 to 10.10)", "9.00 (8.90 to 9.10)"]
    assert cells[3:] == ["-", "-", "15.00 (14.90 to 15.10), true 15.03"]
