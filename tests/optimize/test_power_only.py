"""Searches by power alone: what each method finds, what it may ask, and that it needs nothing but the figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.interfaces import Geometry
from hil.optimize.power_only import CONFIRMATIONS, METHODS, power_search

GEOMETRY = Geometry(8, 8, 0.03, 0.03)
NUM_ELEMENTS = 64


class Link:
    """Power over one narrow band: |direct + signs @ cascade|^2 with noise of its own."""

    def __init__(self, direct: float, seed: int = 0, noise: float = 0.0) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = noise
        self._direct = direct
        self._cascade = np.exp(2j * np.pi * self._rng.random(NUM_ELEMENTS))

    def power(self, signs: np.ndarray) -> np.ndarray:
        return abs(self._direct + signs @ self._cascade) ** 2

    def measure(self, signs: np.ndarray) -> np.ndarray:
        power = self.power(signs)
        return power + self._noise * self._rng.normal(size=power.shape)

    @property
    def ceiling(self) -> float:
        """Nothing can be stronger: the largest sum over all directions on which the field is projected."""
        turn = np.exp(1j * np.linspace(0, 2 * np.pi, 721))
        return float(max((abs(self._direct) + abs((self._cascade * each).real).sum()) ** 2 for each in turn))


def search(method: str, link: Link, budget: int, batch: int = 32, seed: int = 0, start: np.ndarray | None = None):
    found = power_search(method, GEOMETRY, budget=budget, batch=batch, seed=seed, start=start)
    asked = 0
    while not found.done:
        patterns = found.ask()
        asked += len(patterns)
        found.tell(link.measure(patterns))
    return found, asked


@pytest.mark.parametrize("method", [name for name in METHODS if name != "flips_block" and name != "flips_column"])
def test_beside_a_strong_direct_path_each_method_finds_most_of_the_power(method: str) -> None:
    """With one bit half the elements' field can be brought in line: 2 / pi of the amplitude, on average."""
    link = Link(direct=30.0)
    found, _ = search(method, link, 4096)
    assert link.power(found.best) > 0.8 * (30 + 2 / np.pi * NUM_ELEMENTS) ** 2
    assert link.power(found.best) <= link.ceiling


def test_without_a_direct_path_a_vote_hears_nothing_and_the_quadratic_form_does() -> None:
    powers = {
        method: np.mean(
            [link.power(search(method, link, 3000)[0].best) for link in (Link(0.0, seed) for seed in range(3))]
        )
        for method in ("voting", "quadratic")
    }
    assert powers["quadratic"] > 0.9 * (2 / np.pi * NUM_ELEMENTS) ** 2
    assert powers["voting"] < 0.5 * powers["quadratic"]


def test_stages_around_the_best_pattern_make_up_for_a_missing_direct_path() -> None:
    links = [Link(0.0, seed) for seed in range(3)]
    found = np.mean([link.power(search("conditional_mean", link, 3000)[0].best) for link in links])
    assert found > 0.7 * (2 / np.pi * NUM_ELEMENTS) ** 2


@pytest.mark.parametrize(("method", "shape"), [("flips_column", (8, 8)), ("flips_block", (2, 4, 2, 4))])
def test_groups_flip_as_a_whole(method: str, shape: tuple[int, ...]) -> None:
    found, _ = search(method, Link(5.0), 600)
    signs = found.best.reshape(8, 8)
    if method == "flips_column":
        assert (signs == signs[0]).all()
    else:
        blocks = signs.reshape(shape)
        assert (blocks == blocks[:, :1, :, :1]).all()
    assert len(np.unique(signs)) == 2


@settings(max_examples=40)
@given(
    method=st.sampled_from(sorted(METHODS)),
    budget=st.integers(64, 700),
    batch=st.integers(4, 32),
    seed=st.integers(0, 5),
)
def test_a_search_keeps_to_its_budget_and_to_its_batches(method: str, budget: int, batch: int, seed: int) -> None:
    found = power_search(method, GEOMETRY, budget=budget, batch=batch, seed=seed)
    rng, asked = np.random.default_rng(seed), 0
    while not found.done:
        patterns = found.ask()
        assert 1 <= len(patterns) <= batch
        assert patterns.shape[1] == NUM_ELEMENTS
        assert (abs(patterns) == 1).all()
        asked += len(patterns)
        found.tell(rng.normal(size=len(patterns)))
    assert asked <= budget
    assert (abs(found.best) == 1).all()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_same_seed_and_figures_ask_for_the_same_patterns(method: str) -> None:
    one, same, other = (power_search(method, GEOMETRY, budget=200, batch=20, seed=seed) for seed in (1, 1, 2))
    differs = False
    while not one.done:
        assert np.array_equal(one.ask(), same.ask())
        differs |= not other.done and not np.array_equal(one.ask(), other.ask())
        for each in (one, same, other):
            if not each.done:
                each.tell(each.ask()[:, :7].sum(axis=1).astype(float))
    assert np.array_equal(one.best, same.best)
    assert differs


@pytest.mark.parametrize("method", sorted(METHODS))
def test_figures_that_say_nothing_but_that_the_start_is_best_end_where_they_began(method: str) -> None:
    start = np.where(np.random.default_rng(4).random(NUM_ELEMENTS) < 0.5, -1, 1).astype(np.int8)
    found = power_search(method, GEOMETRY, budget=300, batch=30, start=start)
    while not found.done:
        found.tell((found.ask() == start).all(axis=1).astype(float))
    assert np.array_equal(found.best, start)


def test_a_figure_for_each_pattern_or_nothing() -> None:
    found = power_search("voting", GEOMETRY, budget=64, batch=20)
    with pytest.raises(RuntimeError, match="19 figures for 20 patterns"):
        found.tell(np.zeros(19))
    while not found.done:
        found.tell(np.zeros(len(found.ask())))
    with pytest.raises(RuntimeError, match="done"):
        found.ask()


def test_a_candidate_is_measured_more_than_once_before_it_is_believed() -> None:
    """One lucky sample must not win: it is measured again beside the best so far."""
    found = power_search("voting", GEOMETRY, budget=112, batch=56)
    samples = found.ask()
    found.tell(np.where(np.arange(len(samples)) == 3, 100.0, 0.0))
    found.tell(np.zeros(len(found.ask())))
    candidates = found.ask()
    assert len(candidates) == 3 * CONFIRMATIONS
    assert np.array_equal(candidates[1], samples[3])
    found.tell(np.tile([1.0, 0.0, 0.0], CONFIRMATIONS))
    assert (found.best == 1).all()


@pytest.mark.parametrize(("budget", "batch"), [(100, 3), (63, 20)])
def test_too_small_a_budget_or_batch_is_refused(budget: int, batch: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        power_search("voting", GEOMETRY, budget=budget, batch=batch)
