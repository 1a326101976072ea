"""The settle time from symbols across changes, on changes that are known."""

import numpy as np
import pytest

from hil.measure.settling import progress_of, settle_time

SYMBOL_S = 10e-6


def capture(settle_s: float, noise: float, rng: np.random.Generator, symbols: int = 1000) -> np.ndarray:
    """complex[symbol, subcarrier]: a change that begins at symbol 300 or a little later, exponential, ringing."""
    before, after = rng.normal(size=(2, 64)) + 1j * rng.normal(size=(2, 64))
    time_s = (np.arange(symbols) - 300 - rng.integers(20)) * SYMBOL_S
    left = np.where(
        time_s < 0, 1.0, np.exp(-4 * np.maximum(time_s, 0) / settle_s) * np.exp(2j * np.pi * 2 * time_s / settle_s)
    )
    left = np.where(time_s > settle_s, 0, left)
    sent = after + left[:, None] * (before - after)
    return sent + noise * (rng.normal(size=sent.shape) + 1j * rng.normal(size=sent.shape))


def found(settle_s: float, noise: float, seed: int = 0, settled_db: float = -34.0):
    rng = np.random.default_rng(seed)
    curves, noises = zip(*(progress_of(capture(settle_s, noise, rng)) for _ in range(8)), strict=True)
    return settle_time(np.stack(curves), np.array(noises), SYMBOL_S, settled_db=settled_db)


@pytest.mark.parametrize("settle_s", [0.2e-3, 1e-3, 2.5e-3])
def test_the_settle_time_is_when_less_than_asked_is_left(settle_s: float) -> None:
    settling = found(settle_s, 0.02)
    assert settling is not None
    assert not settling.hidden
    until_s = settle_s * 34 / 20 * np.log(10) / 4  # when an exponential of that pace has fallen by 34 dB
    assert settling.settle_s == pytest.approx(min(until_s, settle_s), abs=2 * SYMBOL_S)


def test_where_noise_hides_the_end_it_is_said_and_the_floor_is_what_was_seen() -> None:
    settling = found(1e-3, 1.0)
    assert settling is not None
    assert settling.hidden
    assert settling.floor > 10 ** (-34 / 20)


def test_a_change_that_noise_hides_altogether_is_not_seen() -> None:
    assert found(1e-3, 30.0) is None


def test_what_is_faster_than_a_few_symbols_is_taken_as_declared() -> None:
    settling = found(5e-6, 0.02)
    assert settling is not None
    assert settling.given(5e-6) == 5e-6
    assert settling.given(1e-3) == settling.settle_s


def test_a_radio_that_drifts_is_not_a_surface_that_settles_for_ever() -> None:
    rng = np.random.default_rng(4)
    curves, noises = [], []
    for _ in range(8):
        symbols = capture(1e-3, 0.02, rng) + 5 * np.exp(0.1j * np.arange(64) ** 2)  # what stands still besides
        walk = np.cumsum(rng.normal(size=len(symbols))) * np.radians(20) * np.sqrt(SYMBOL_S)
        curve, noise = progress_of(symbols * np.exp(1j * walk)[:, None])
        curves.append(curve)
        noises.append(noise)
    settling = settle_time(np.stack(curves), np.array(noises), SYMBOL_S, settled_db=-34.0)
    assert settling is not None
    assert settling.settle_s == pytest.approx(1e-3 * 34 / 20 * np.log(10) / 4, abs=3 * SYMBOL_S)
