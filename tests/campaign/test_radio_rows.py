"""Figures of simulated radios: a reference receiver against drift, a second Pluto against one."""

import pytest

from hil.campaign.radio_rows import radio_rows


@pytest.mark.soak
def test_a_reference_receiver_costs_less_than_one_db_and_a_second_pluto_less_than_two() -> None:
    rows = {row["case"]: row for row in radio_rows(seeds=range(3))}
    still, drifting, reference = list(rows.values())[:3]
    assert drifting["nmse_db"] > still["nmse_db"] + 5
    assert reference["nmse_db"] < still["nmse_db"] + 1
    for mode in ("burst", "sequence", "triggered"):
        one = rows.pop(f"one Pluto, {mode}")
        two = [row for case, row in rows.items() if case.startswith("two Plutos") and case.endswith(mode)]
        assert len(two) == 4
        assert all(each["nmse_db"] < one["nmse_db"] + 2 for each in two)
    assert all(len(row["seeds"]) == 3 and row["direct_to_surface_db"] > 4 for row in rows.values())
