"""Contests: everyone under the bound, the truth as judge, times as ratios, refusals told."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from hil.campaign.judge import judge
from hil.campaign.optimizers import compare, contestants, table
from hil.campaign.sites import SCENES, make_site
from hil.errors import ConfigError
from hil.optimize.algorithms import ALGORITHMS
from hil.optimize.solve import solve

FAST = ("all-zero", "random", "best-pilot", "stm", "tap-space")


@pytest.mark.parametrize("csi", ["perfect", "ls"])
@pytest.mark.parametrize("scene", SCENES)
def test_nobody_passes_the_certified_bound(scene, csi):
    verdict = judge(make_site(scene, size=8, users=2), contestants(FAST), csi=csi)
    for name in FAST:
        assert (verdict.rate_mbps[name] <= verdict.bound_mbps).all()
        assert max(verdict.row(name)[f"{kind}_fraction"] for kind in ("los", "nlos")) <= 1
    assert (verdict.no_surface_mbps <= verdict.bound_mbps).all() or scene == "lab"


def test_a_scrambled_estimate_changes_the_configuration_and_the_truth_still_judges():
    site = make_site("paper", size=8, users=2)

    def misled(problem):
        order = np.random.default_rng(0).permutation(problem.num_elements)
        return solve(replace(problem, cascade=problem.cascade[:, order]), "tap-space", certify=False)

    honest = partial(solve, algorithm="tap-space", certify=False)
    verdict = judge(site, {"honest": honest, "misled": misled})
    claimed = misled(site.links().truth).rate_mbps
    assert claimed == pytest.approx(honest(site.links().truth).rate_mbps, rel=1e-3)
    assert (verdict.rate_mbps["misled"][verdict.line_of_sight] < 0.8 * claimed[verdict.line_of_sight]).all()


def test_noise_costs_rate_and_denoising_wins_some_back():
    site = make_site("paper", size=16, users=3)
    rates = {
        csi: judge(site, contestants(["tap-space"]), csi=csi).rate_mbps["tap-space"].mean()
        for csi in ("perfect", "ls", "denoised")
    }
    assert rates["ls"] < rates["denoised"] < rates["perfect"]


def test_the_same_seed_gives_the_same_verdict():
    first, again = (
        judge(make_site("lab", size=4, users=2, seed=4), contestants(FAST, seed=4), csi="ls", seed=4) for _ in range(2)
    )
    assert all(np.array_equal(first.rate_mbps[name], again.rate_mbps[name]) for name in FAST)
    assert np.array_equal(first.bound_mbps, again.bound_mbps)


def test_batches_do_not_change_the_verdict(monkeypatch):
    site = make_site("paper", size=4, users=3)
    whole = judge(site, contestants(["stm"]))
    monkeypatch.setattr("hil.campaign.sites.BATCH_ELEMENTS", 32)
    parts = judge(site, contestants(["stm"]))
    assert parts.rate_mbps["stm"] == pytest.approx(whole.rate_mbps["stm"])
    assert np.array_equal(parts.line_of_sight, whole.line_of_sight)


def test_every_batch_hears_noise_of_its_own(monkeypatch):
    site = make_site("paper", size=4, users=1)
    site = replace(site, users=(site.users[0], site.users[0].model_copy(update={"line_of_sight": False})) * 2)
    monkeypatch.setattr("hil.campaign.sites.BATCH_ELEMENTS", 32)
    heard = []
    judge(site, {"listener": lambda problem: heard.append(problem) or solve(problem, "stm", certify=False)}, csi="ls")
    assert len(heard) == 2 and not np.array_equal(heard[0].cascade, heard[1].cascade)


def test_who_cannot_take_a_problem_is_left_out_with_the_reason():
    verdict = judge(make_site("paper", size=3, users=1), contestants(["turn-sweep", "stm"]))
    assert list(verdict.rate_mbps) == ["stm"]
    assert "turn-sweep" in verdict.refused


def test_the_table_has_the_contracts_keys_and_times_in_multiples_of_stm():
    rows = {row["algorithm"]: row for row in table(compare(make_site("paper", size=4, users=1), contestants(FAST)))}
    assert list(rows) == ["no-surface", *FAST, "certified-bound"]
    keys = {"algorithm", "los_mbps", "nlos_mbps", "los_fraction", "nlos_fraction", "ms_per_user"}
    assert all(keys <= set(row) for row in rows.values())
    assert rows["stm"]["times_stm"] == 1 and rows["certified-bound"]["los_fraction"] == 1
    assert rows["tap-space"]["ms_per_user"] > 0


def test_all_algorithms_compete_and_an_unknown_one_is_refused():
    assert list(contestants()) == list(ALGORITHMS)
    with pytest.raises(ConfigError, match="tap-space"):
        contestants(["stm", "magic"])
