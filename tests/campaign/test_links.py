"""The judge: rates by the true channel and what the surface really does, bounds that nothing passes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from hil.campaign.sites import make_site
from hil.optimize.solve import solve


def every_pattern(num_elements: int) -> np.ndarray:
    return np.array(list(itertools.product([0, 1], repeat=num_elements)), dtype=np.uint8)


@pytest.mark.parametrize("scene", ["lab", "sp-cup-2021"])
def test_no_pattern_of_a_small_surface_passes_the_bound(scene):
    links = make_site(scene, size=3, users=1, bits=1).links()
    patterns = every_pattern(9)
    bound = links.bound_mbps()
    for user in range(links.num_users):
        alone = replace(links.truth, direct=links.truth.direct[user], cascade=links.truth.cascade[user])
        best = max(float(alone.rate_mbps(reflection)) for reflection in links.reflection(patterns))
        assert best <= bound[user]
        if links.elements is None:
            assert best >= 0.97 * bound[user]


def test_the_bound_of_a_coupled_surface_allows_every_reflection_that_coupling_makes():
    links = make_site("sp-cup-2021", size=8, users=1).links()
    patterns = np.random.default_rng(0).integers(2, size=(200, 64), dtype=np.uint8)
    arc = links._arc(links.elements)
    reflections = links.reflection(patterns).ravel()
    assert np.abs(reflections[:, None] - arc).min(axis=1).max() < np.abs(np.diff(arc)).max()


def test_a_coupled_surface_is_judged_by_what_its_neighbours_do_to_it():
    links = make_site("sp-cup-2021", size=8, users=1).links()
    solution = solve(links.truth, "stm", certify=False)
    assert not np.allclose(links.rate_mbps(solution), solution.rate_mbps)
    really = links.elements.reflection(solution.pattern, links.carrier_hz)
    assert links.rate_mbps(solution) == pytest.approx(links.truth.rate_mbps(really))


def test_a_claimed_rate_is_not_believed():
    links = make_site("paper", size=4, users=2).links()
    solution = solve(links.truth, "random", certify=False)
    boast = replace(solution, rate_mbps=np.full(4, 1e9))
    assert links.rate_mbps(boast) == pytest.approx(solution.rate_mbps)


def test_without_the_surface_only_the_direct_channel_is_left():
    links = make_site("paper", size=4, users=1).links()
    removed = replace(links.truth, cascade=0 * links.truth.cascade)
    assert links.no_surface_mbps() == pytest.approx(removed.rate_mbps(np.ones((2, 16), dtype=complex)))


def test_a_pattern_means_nothing_where_any_phase_can_be_set():
    links = make_site("paper", size=4, users=1).links()
    with pytest.raises(ValueError, match="any phase"):
        links.reflection(np.zeros((1, 16), dtype=np.uint8))
