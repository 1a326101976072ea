"""On-air refinement: gains are found, chance is not believed, and nobody ends below where he started."""

from collections.abc import Callable

import numpy as np
import pytest

from hil.optimize.objective import Problem, dft_basis
from hil.optimize.power_only import PowerSearch
from hil.optimize.refinement import Change, Comparison, flip_change, refine, tap_change

STATES = np.array([1, -1], dtype=complex)
TRIAL, LAST = Comparison(pairs=4, looks=3, confidence=0.95), Comparison(pairs=24, looks=1, confidence=0.999)


def problem(seed: int, error: float = 0.0) -> Problem:
    """A link over 8 x 8 elements; the same with errors in its estimate."""
    rng = np.random.default_rng(seed)

    def taps(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) + 1j * rng.normal(size=shape)

    direct, cascade = 10 * taps(3), taps(64, 3)
    rng = np.random.default_rng([seed, 1])
    return Problem(
        direct + 10 * error * taps(3), cascade + error * taps(64, 3), dft_basis(16, 3), 0.03, 3, 1e6, 8, 8, STATES
    )


def rate(link: Problem, patterns: np.ndarray) -> np.ndarray:
    return link.rate_mbps(STATES[patterns])


def refined(
    link: Problem, start: np.ndarray, change: Change, noise: float, seed: int, drift: float = 0.0, trials: int = 20
) -> tuple[np.ndarray, int]:
    rng = np.random.default_rng([seed, 2])
    search = PowerSearch(refine(start, change, trials=trials, trial=TRIAL, last=LAST, seed=seed))
    asked = 0
    while not search.done:
        patterns = search.ask()
        slope = drift * (asked + np.arange(len(patterns)))
        asked += len(patterns)
        search.tell(rate(link, patterns) + noise * rng.normal(size=len(patterns)) + slope)
    return search.best, asked


def start_of(seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 3]).integers(0, 2, 64).astype(np.uint8)


def greedy(link: Problem) -> np.ndarray:
    """A pattern that no flip of a 2 x 2 block makes better."""
    blocks = np.zeros((7, 7, 8, 8), dtype=np.uint8)
    for row, col in np.ndindex(7, 7):
        blocks[row, col, row : row + 2, col : col + 2] = 1
    pattern = np.zeros(64, dtype=np.uint8)
    while True:
        others = pattern ^ np.concatenate([np.zeros((1, 64), dtype=np.uint8), blocks.reshape(-1, 64)])
        best = int(np.argmax(rate(link, others)))
        if best == 0:
            return pattern
        pattern = others[best]


CHANGES: dict[str, Callable[[int], Change]] = {
    "flips": lambda _seed: flip_change(8, 8, 2, 2),
    "taps": lambda seed: tap_change(problem(seed, error=0.5), 0.3),
}


@pytest.mark.parametrize("name", CHANGES)
def test_over_many_seeds_nobody_ends_below_where_he_started(name: str) -> None:
    """The noise of one measurement is as large as what a change does; there is a lot to be wrong about."""
    lost = gained = 0
    for seed in range(50):
        link, start = problem(seed), start_of(seed)
        noise = 0.5 * abs(rate(link, CHANGES["flips"](0)(start, np.random.default_rng(seed))) - rate(link, start))
        best, _ = refined(link, start, CHANGES[name](seed), noise + 0.02, seed)
        before, after = rate(link, np.stack([start, best]))
        lost += after < before
        gained += after > before
    assert lost == 0
    assert gained > 25


def test_who_starts_at_the_top_stays_there() -> None:
    """All changes are losses, 20 are tried, each with a chance of one in twenty to look like a gain."""
    for seed in range(25):
        link = problem(seed)
        top = greedy(link)
        best, _ = refined(link, top, CHANGES["flips"](seed), 0.2, seed)
        assert rate(link, best) >= rate(link, top)


def test_a_refinement_of_a_wrong_model_finds_what_the_model_missed() -> None:
    gains = []
    for seed in range(10):
        link, told = problem(seed), problem(seed, error=0.5)
        start = greedy(told)
        best, _ = refined(link, start, flip_change(8, 8, 2, 2), 0.003, seed, trials=60)
        gains.append(float(rate(link, best) / rate(link, start)))
    assert min(gains) >= 1
    assert np.mean(gains) > 1.01


def test_a_steady_drift_is_no_gain() -> None:
    """Each later measurement reads higher; a change that does nothing must not be taken for what time did."""
    link, start = problem(1), start_of(1)
    best, _ = refined(link, start, lambda held, _rng: held[::-1].copy() if held is start else start, 0.0, 1, drift=1e-3)
    assert rate(link, best) >= rate(link, start)
    comparison = Comparison(pairs=4, looks=1, confidence=0.95)
    assert comparison.better(np.array([1, -1, 1, -1.0])) is None


def test_the_more_often_one_looks_the_more_each_look_must_show() -> None:
    differences = np.array([0.2, 0.9, 0.4, 1.0])
    assert Comparison(4, 1, 0.97).better(differences) is True
    assert Comparison(4, 10, 0.97).better(differences) is None
    assert Comparison(4, 1, 0.97).better(-differences) is False


def test_a_change_of_the_taps_changes_the_more_the_larger_the_step() -> None:
    link, rng = problem(0), np.random.default_rng(0)
    held = greedy(link)
    for _ in range(40):
        held = tap_change(link, 1e-9)(held, rng)  # until it is aligned with its own weights
    changed = [np.mean([(tap_change(link, step)(held, rng) != held).sum() for _ in range(20)]) for step in (0.05, 0.5)]
    assert 0 < changed[0] < 0.3 * changed[1]


def test_weights_bring_back_a_pattern_that_has_gone_astray() -> None:
    """The model is right and the pattern is not: single elements would need one trial each."""
    gains = []
    for seed in range(10):
        link, start = problem(seed), start_of(seed)
        best, _ = refined(link, start, tap_change(link, 0.3), 0.003, seed, trials=12)
        gains.append(float((rate(link, best) - rate(link, start)) / (rate(link, greedy(link)) - rate(link, start))))
    assert min(gains) > 0.5


def test_a_block_flips_within_the_surface() -> None:
    rng, held = np.random.default_rng(0), np.zeros(64, dtype=np.uint8)
    for _ in range(50):
        changed = flip_change(8, 8, 2, 3)(held, rng).reshape(8, 8)
        assert changed.sum() == 9
        assert np.ptp(np.nonzero(changed), axis=1).tolist() == [2, 2]


def test_nothing_to_change_asks_for_nothing() -> None:
    start = start_of(0)
    search = PowerSearch(refine(start, lambda held, _rng: held, trials=5, trial=TRIAL, last=LAST, seed=0))
    assert search.done
    assert search.best is start
