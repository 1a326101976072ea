"""Soundings of one pattern: their rates are the channel's, whatever their delay, phase and noise."""

from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig
from hil.errors import ConfigError
from hil.measure.repeated import aligned_in_window, find_each_other, rates_of_each, window_basis
from hil.measure.setup import Setup
from hil.phy.metrics import unbiased_rate
from hil.phy.sync import advance
from hil.testbed import open_testbed, radiation_plan
from hil.yamlfile import load_yaml

STATION = Path(__file__).parents[2] / "configs/testbeds/sim-opensource-ris.yaml"


@pytest.fixture(scope="module")
def setup() -> Setup:
    return setup_of()


def setup_of(**ofdm: int) -> Setup:
    overrides = {f"ofdm.{name}": value for name, value in ofdm.items()}
    with open_testbed(load_yaml(STATION, TestbedConfig, overrides)) as testbed:
        return testbed.setup


def soundings(
    setup: Setup, rng: np.random.Generator, count: int, snr_db: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Responses at the ADC at random delays and phases, their noise, and the rate of what is behind them."""
    num_taps, k = setup.testbed.ofdm.num_taps, np.arange(setup.grid.num_subcarriers)
    taps = (rng.standard_normal((num_taps, 2)) @ [1, 1j]) * 0.7 ** np.arange(num_taps)
    truth = np.exp(-2j * np.pi * np.outer(k - len(k) // 2, np.arange(num_taps)) / len(k)) @ taps
    truth *= np.sqrt(10 / setup.budget.snr_scale / np.mean(np.abs(truth) ** 2)) / setup.budget.scale
    noise_var = np.mean(np.abs(truth) ** 2) / 10 ** (snr_db / 10)
    shifts, phases = rng.integers(0, 40, count), np.exp(2j * np.pi * rng.random(count))
    moved = (
        advance(np.tile(truth * setup.grid.used, (count, 1)), -shifts.astype(float), setup.grid.fft_size)
        * phases[:, None]
    )
    noise = np.sqrt(noise_var / 2) * (rng.standard_normal((*moved.shape, 2)) @ [1, 1j]) * setup.grid.used
    return moved + noise, np.full(count, noise_var), setup.rate_mbps(setup.budget.scale * truth)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_the_rate_of_each_sounding_is_right_on_average(setup: Setup, snr_db: float) -> None:
    responses, noise_var, truth = soundings(setup, np.random.default_rng(1), 400, snr_db)
    rates = rates_of_each(responses, noise_var, setup)
    error = rates.std(ddof=1) / np.sqrt(len(rates))
    assert abs(rates.mean() - truth) < 4 * error + 0.001 * truth


@pytest.mark.parametrize(("snr_db", "enough"), [(30.0, True), (-5.0, True), (-9.0, False), (-20.0, False)])
def test_soundings_that_find_each_other_have_the_right_mean_and_fainter_ones_fall_short(
    setup: Setup, snr_db: float, enough: bool
) -> None:
    rng, shares = np.random.default_rng(2), []
    for _ in range(12):
        responses, noise_var, truth = soundings(setup, rng, 16, snr_db)
        together = setup.budget.scale * aligned_in_window(responses, setup)
        noise = setup.budget.scale**2 * float(noise_var[0])
        ofdm = setup.testbed.ofdm
        rate, _ = unbiased_rate(
            together,
            noise,
            basis=window_basis(setup),
            snr_scale=setup.budget.snr_scale,
            num_taps=ofdm.num_taps,
            bandwidth_hz=ofdm.bandwidth_hz,
        )
        shares.append(rate / truth)
        assert find_each_other(responses, float(noise_var[0]), setup) == enough
    assert (abs(np.mean(shares) - 1) < 0.03) == enough


def test_silence_finds_nothing_and_no_noise_hides_nothing(setup: Setup) -> None:
    responses, _, _ = soundings(setup, np.random.default_rng(3), 4, 0.0)
    assert find_each_other(responses, 0.0, setup)
    assert not find_each_other(np.zeros_like(responses), 0.0, setup)
    assert not find_each_other(np.zeros_like(responses), 1.0, setup)


@pytest.mark.parametrize(("num_subcarriers", "guards", "num_taps"), [(16, 2, 4), (16, 0, 8), (16, 3, 4), (48, 6, 30)])
def test_the_carrier_of_a_short_symbol_is_told_by_the_pilots_beside_it(
    num_subcarriers: int, guards: int, num_taps: int
) -> None:
    short = {"num_subcarriers": num_subcarriers, "fft_size": num_subcarriers, "num_taps": num_taps}
    setup = setup_of(**short, guard_subcarriers=guards)
    responses, noise_var, truth = soundings(setup, np.random.default_rng(4), 400, 40.0)
    assert np.mean(rates_of_each(responses, noise_var, setup)) == pytest.approx(truth, rel=0.005)


@pytest.mark.parametrize(("num_subcarriers", "num_taps"), [(16, 10), (16, 16), (256, 254)])
def test_a_channel_that_the_pilots_cannot_tell_is_refused_before_anything_is_opened(
    num_subcarriers: int, num_taps: int
) -> None:
    long = {"ofdm.num_subcarriers": num_subcarriers, "ofdm.fft_size": num_subcarriers, "ofdm.num_taps": num_taps}
    config = load_yaml(STATION, TestbedConfig, long)
    with pytest.raises(ConfigError, match=rf"^ofdm\.num_taps: {num_taps} .* {num_subcarriers - 1} pilots"):
        radiation_plan(config, config.users[0])
