"""One pattern watched for a while: what moved, by soundings of any symbol and channel that a station may have."""

import numpy as np
import pytest

from hil.experiments.calibration.watch import stability_of
from hil.measure.stepping import SoundingBlock
from hil.phy.ofdm import OfdmGrid


@pytest.mark.parametrize(("num_subcarriers", "num_taps"), [(64, 8), (16, 9), (8, 5)])
def test_a_channel_at_rest_is_seen_at_rest_and_one_that_turns_is_seen_turning(num_subcarriers, num_taps):
    rng, count = np.random.default_rng(0), 64
    carrier = np.arange(num_subcarriers) - num_subcarriers // 2
    grid = OfdmGrid.build(num_subcarriers, num_subcarriers, 10e6, (carrier != 0) | (num_taps == 5), "newman")
    taps = rng.normal(size=(num_taps, 2)) @ [1, 1j] * 0.7 ** np.arange(num_taps)
    channel = taps @ np.exp(-2j * np.pi / num_subcarriers * np.outer(np.arange(num_taps), carrier)) * grid.used
    noise = 0.01 * (rng.normal(size=(count, num_subcarriers, 2)) @ [1, 1j]) * grid.used
    turn = np.exp(1j * np.radians(10) * np.cumsum(rng.normal(size=count)) / np.sqrt(10))[:, None]

    def drift_deg(responses):
        none = np.zeros(count, dtype=int)
        time_s, noise_var = np.arange(count) / 10, np.full(count, 2e-4)
        block = SoundingBlock(responses.astype(np.complex64), noise_var, time_s, none, none.astype(bool), 0)
        return stability_of(block, grid, num_taps).stability.phase_deg

    assert drift_deg(channel + noise) < 1
    assert drift_deg(turn * channel + noise) == pytest.approx(10, rel=0.5)
