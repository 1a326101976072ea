"""The bench's bounds are those of theory, and what it measures obeys them."""

from dataclasses import replace

import numpy as np
import pytest

from hil.campaign.estimation_bench import offset_row
from hil.campaign.estimation_bounds import drifting_pairs_error, pilots_error
from hil.campaign.estimation_scenes import NOISE_DB, denoising_rows, scene_rows
from hil.campaign.estimation_sweeps import align as align_soundings
from hil.campaign.estimation_sweeps import condition_rows, fft_size_of, judge_sweep, large_rows, one_user, states_rows
from hil.campaign.sites import make_site
from hil.campaign.soundings import Conditions, sound
from hil.config import SweepConfig
from hil.estimation import start_search
from hil.measure.sweep import SweepPlan

KEYS = {"case", "nmse_db", "crlb_db", "rate_fraction", "direct_to_surface_db", "seeds"}


def plan_of(scheme, num_elements=64):
    return SweepPlan.from_config(SweepConfig(scheme=scheme), num_elements)


@pytest.mark.parametrize(("scheme", "num_elements"), [("pairs", 64), ("pairs", 48), ("hadamard", 48)])
def test_the_bound_is_the_inverse_of_the_information(scheme, num_elements):
    plan = plan_of(scheme, num_elements)
    model = np.column_stack([np.ones(plan.num_patterns), plan.signs()])
    variance = np.diag(np.linalg.inv(model.T @ model))[1:]
    assert pilots_error(plan, 3.0) == pytest.approx(3.0 * variance.sum())


def test_n_plus_one_pilots_tell_element_one_by_two_soundings():
    plan = plan_of("hadamard_plus_one")
    model = np.column_stack([np.ones(plan.num_patterns), plan.signs()])
    variance = np.diag(np.linalg.inv(model.T @ model))[1:]
    assert pilots_error(plan, 1.0) == pytest.approx(variance.sum(), rel=0.03)


def test_the_hybrid_bound_meets_the_plain_one_where_nothing_drifts_and_grows_with_the_drift():
    plan = plan_of("pairs")
    rest = {"axis_noise": 1e-4, "direct": 1.0, "surface": 0.01, "step_s": 1e-3}
    errors = [drifting_pairs_error(plan, 1e-3, drift_rad=rad, **rest) for rad in (1e-4, 0.1, 1.0)]
    assert errors[0] == pytest.approx(pilots_error(plan, 1e-3), rel=0.01)
    assert errors[0] < errors[1] < errors[2]


def test_half_sums_tell_three_tenths_of_the_steps_of_a_fast_walk():
    """Far above the noise 1 / sqrt(2) of half a step's variance is left: Wiener's integral over the spectrum."""
    rest = {"axis_noise": 1e-9, "direct": 1.0, "surface": 0.0, "step_s": 1.0}
    error = drifting_pairs_error(plan_of("pairs"), 0.0, drift_rad=0.2, **rest)
    assert error == pytest.approx(np.sqrt(0.5) * 0.2**2 / 4, rel=0.01)


@pytest.mark.parametrize("drift_deg", [0.0, 10.0])
def test_raw_estimates_stand_at_the_bound(drift_deg):
    raw, denoised, *_ = condition_rows(20.0, Conditions(40.0, 1e-3, drift_deg=drift_deg), seeds=range(1))
    assert raw.keys() >= KEYS
    assert raw["nmse_db"] == pytest.approx(raw["crlb_db"], abs=0.8)
    assert raw["least_over_db"] == raw["most_over_db"] == pytest.approx(raw["nmse_db"] - raw["crlb_db"])
    assert denoised["nmse_db"] < raw["nmse_db"] - 2


def test_a_large_surface_at_30_db_is_known_to_42_db_and_better():
    rows = large_rows(seeds=range(1))
    assert len(rows) == 4
    assert all(row["nmse_db"] < -42 for row in rows if "pairs" in row["case"] or "denoised" in row["case"])


def test_what_drift_must_cost_is_told_beside_what_it_costs():
    """Half-sums of slow soundings cannot tell the phase's steps: the bound itself stands far above that of no drift."""
    fast, slow = (condition_rows(20.0, Conditions(40.0, s, drift_deg=10.0), seeds=range(2))[0] for s in (1e-4, 7e-3))
    assert fast["bound_over_still_db"] < 1 < 9 < slow["bound_over_still_db"]
    assert slow["least_over_db"] < slow["most_over_db"] < 0.5


def test_walkers_cost_a_sweep_of_single_soundings_more_than_ten_decibels_and_pairs_less_than_one():
    rows = condition_rows(20.0, Conditions(40.0, 7e-3, walkers_db=-40.0), seeds=range(1))
    lost = [row["nmse_db"] - row["crlb_db"] for row in rows if row["case"].endswith("raw")]
    assert lost[0] < 1
    assert lost[1] > 10


def test_references_take_out_what_multiplies_and_not_what_adds():
    def gain_db(conditions):
        rows = {row["case"]: row["nmse_db"] for row in condition_rows(20.0, conditions, seeds=range(1))}
        bare, referred = (next(nmse for case, nmse in rows.items() if case.endswith(end)) for end in ENDS)
        return bare - referred

    assert gain_db(Conditions(40.0, 1e-3, drift_deg=10.0)) > 8
    assert -2 < gain_db(Conditions(40.0, 7e-3, walkers_db=-40.0)) < 2


ENDS = ("N + 1 raw", "a reference every 8 raw")


def test_sweeps_over_four_states_stand_at_their_bound():
    rows = states_rows(20.0, seeds=range(1))
    assert [row["condition"] > 1.001 for row in rows] == [False] * 2 + [True] * 6
    for raw, denoised in zip(rows[::2], rows[1::2], strict=True):
        assert raw["nmse_db"] == pytest.approx(raw["crlb_db"], abs=0.8)
        assert denoised["nmse_db"] < raw["nmse_db"] - 6, "errors that only the direct channel ties are no structure"


@pytest.mark.parametrize("guards", [0.0, 0.15])
def test_starts_are_right_or_marked(guards):
    row = offset_row(20.0, seeds=range(1), guards=guards)
    assert row["wrong"] == 0
    assert row["ambiguous"] <= 0.01 * row["soundings"]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(("direct_db", "seed"), [(30.0, 91), (30.0, 139), (20.0, 160)])
def test_a_single_delay_between_two_samples_is_not_shared_out_to_both(monkeypatch, direct_db, seed, rounded):
    """Power places such soundings with half a sample in common: half of them rounded up would confirm each other, and
    where that happens all are in doubt, and one of them tells the others."""
    tried = []
    like_one = start_search.StartSearch._like_one
    monkeypatch.setattr(start_search.StartSearch, "_like_one", lambda *these: tried.append(1) or like_one(*these))
    if rounded:
        monkeypatch.setattr(start_search, "whole_samples", lambda advances: np.round(advances).astype(int))
    row = offset_row(direct_db, seeds=range(seed, seed + 1))
    assert (row["wrong"], row["ambiguous"]) == (0, 0)
    assert bool(tried) == rounded


def test_a_faded_sounding_that_power_misplaces_by_three_samples_is_not_placed_beside_them():
    """The likelihood has a maximum of its own there: the advances next to the ends must be unlikely as well."""
    channel = one_user("paper", 64, 1)
    plan = SweepPlan.from_config(SweepConfig(scheme="pairs"), channel.num_elements, seed=1)
    fft_size = fft_size_of(channel)
    soundings = sound(channel, plan, Conditions(30.0), fft_size=fft_size, seed=1)
    found = align_soundings(soundings, channel, plan)
    left = (found.samples + soundings.start) % fft_size
    assert np.all((left == np.bincount(left).argmax()) | found.ambiguous)


def test_denoising_is_compared_with_the_raw_estimate_at_each_noise():
    rows = list(denoising_rows("lab", 4, users=2, seed=1))
    assert len(rows) == len(NOISE_DB)
    assert all(row["worst_user_ratio"] <= row["rate_ratio"] + 1e-12 for row in rows)
    assert rows[0]["rate_ratio"] == pytest.approx(1, abs=0.01)


def test_a_scene_is_judged_by_its_true_channel():
    rows = scene_rows("lab", 4, users=1, seed=1)
    assert len(rows) == 12
    assert all(row.keys() >= KEYS for row in rows)
    assert all(0 < row["rate_fraction"] <= 1.001 for row in rows)


def test_weak_delays_at_the_windows_end_are_not_lost_to_sidelobes_of_the_first():
    """A channel of 20 taps, strong at the first: its estimate at high SNR stands where noise puts it."""
    links = make_site("paper", size=16, users=1, seed=0).links()
    channel = replace(links.truth, direct=links.truth.direct[0], cascade=links.truth.cascade[0])
    raw = judge_sweep(channel, Conditions(34.0), "pairs", "raw", 0)
    assert raw.nmse_db == pytest.approx(10 * np.log10(raw.crlb), abs=0.5)
