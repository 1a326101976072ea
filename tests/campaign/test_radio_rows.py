"""Figures of simulated radios: a reference receiver against drift, a second Pluto against one."""

import pytest

from hil.campaign.radio_rows import radio_rows


@pytest.mark.soak
def test_a_reference_receiver_costs_less_than_one_db_and_a_second_pluto_less_than_two() -> None:
    still, drifting, reference, one, *two = radio_rows(seed=0)
    assert drifting["nmse_db"] > still["nmse_db"] + 5
    assert reference["nmse_db"] < still["nmse_db"] + 1
    assert all(each["nmse_db"] < one["nmse_db"] + 2 for each in two)
    assert all(row["direct_to_surface_db"] > 20 for row in (still, one, *two))
