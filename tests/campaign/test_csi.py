"""What optimizers are told: the truth where it is perfect, noisy soundings of the real surface where it is not."""

import numpy as np
import pytest

from hil.campaign.csi import assumed, estimates, observe, pilot_taps, sweep_plan
from hil.campaign.sites import make_site
from hil.errors import ConfigError
from hil.phy.metrics import nmse_db

SITES = {
    "continuous": lambda: make_site("paper", size=4, users=1),
    "two bits": lambda: make_site("paper", size=4, users=1, bits=2),
    "unequal states": lambda: make_site("lab", size=4, users=1),
    "no power of two": lambda: make_site("lab", size=3, users=1),
    "coupled": lambda: make_site("sp-cup-2021", size=4, users=1),
}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("scheme", ["pairs", "hadamard", "hadamard_plus_one"])
def test_pilots_are_the_true_channel_under_each_pattern(site, scheme):
    links = SITES[site]().links()
    plan = sweep_plan(links, scheme, seed=3)
    states = links.reflection(plan.patterns()) if links.truth.states is not None else plan.signs().astype(complex)
    expected = links.truth.direct[:, None] + np.einsum("pn,unt->upt", states, links.truth.cascade)
    assert pilot_taps(links, plan) == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("site", [name for name in SITES if name != "coupled"])
@pytest.mark.parametrize("scheme", ["pairs", "hadamard_plus_one"])
def test_without_noise_the_truth_comes_back(site, scheme):
    links = SITES[site]().links()
    plan = sweep_plan(links, scheme, seed=3)
    told = assumed(links, plan, estimates(links, plan, 0.0, seed=0))
    assert nmse_db(told.cascade, links.truth.cascade) < -100
    assert nmse_db(told.direct, links.truth.direct) < -100


def test_noise_has_the_links_own_power():
    """One sounding has the SNR of data: variance 1 / snr_scale on a subcarrier, N times less on an element."""
    links = make_site("paper", size=16, users=2).links()
    told = observe(links, "ls", seed=1, scheme="pairs")
    error = np.mean(np.abs(told.cascade - links.truth.cascade) ** 2)
    assert error == pytest.approx(1 / links.truth.snr_scale / (2 * 256), rel=0.05, abs=0)


def test_soundings_repeat_with_the_seed_and_change_with_it():
    links = make_site("paper", size=4, users=1).links()
    first, again, other = (observe(links, "ls", seed=seed).cascade for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_perfect_knowledge_is_the_truth_and_of_a_coupled_surface_the_best_model_without_coupling():
    links = make_site("paper", size=4, users=1).links()
    assert observe(links, "perfect", seed=0) is links.truth
    coupled = make_site("sp-cup-2021", size=8, users=1).links()
    model = observe(coupled, "perfect", seed=0, scheme="pairs")
    patterns = np.random.default_rng(1).integers(2, size=(2, 64), dtype=np.uint8)
    true = coupled.truth.response(coupled.reflection(patterns))
    assert nmse_db(model.response(model.states[patterns]), true) < nmse_db(
        coupled.truth.response(coupled.truth.states[patterns]), true
    )


def test_denoising_brings_the_estimate_closer_to_the_truth():
    links = make_site("paper", size=16, users=2).links()
    raw, denoised = (observe(links, csi, seed=2).cascade for csi in ("ls", "denoised"))
    assert nmse_db(denoised, links.truth.cascade) < nmse_db(raw, links.truth.cascade) - 3


@pytest.mark.parametrize("wrong", [{"csi": "guessed"}, {"csi": "ls", "scheme": "walsh"}])
def test_an_unknown_kind_of_knowledge_is_refused(wrong):
    links = make_site("paper", size=4, users=1).links()
    with pytest.raises(ConfigError, match="allowed"):
        observe(links, wrong["csi"], seed=0, scheme=wrong.get("scheme", "hadamard"))
