"""A station that leaves both edges of its band alone: from the waveform to the verdict."""

import numpy as np
import pytest

from hil.experiments import closed_loop
from hil.experiments.closed_loop import summary
from hil.testbed import open_testbed

K = 256


def run(config, procedure, folder):
    with open_testbed(config) as bed:
        return closed_loop.run(bed, procedure(), closed_loop.new_recording(bed, root=folder))


@pytest.mark.parametrize("guards", [26, 51])
def test_a_loop_with_guards_reaches_what_the_rest_of_the_band_allows(station, procedure, finished, tmp_path, guards):
    result = run(station(ofdm__guard_subcarriers=guards), procedure, tmp_path)
    told, whole = summary(result), summary(finished[1])
    share = 1 - 2 * guards / K
    assert told["outcome"] == "PASS"
    assert told["true_rate_mbps"]["chosen"] == pytest.approx(share * whole["true_rate_mbps"]["chosen"], rel=0.01)
    for arm, rate in told["rate_mbps"].items():
        assert rate == pytest.approx(told["true_rate_mbps"][arm], rel=2e-3)
        assert result.choice.predicted_mbps[arm] == pytest.approx(told["true_rate_mbps"][arm], rel=0.01)
    assert told["true_rate_mbps"]["chosen"] <= 1.001 * told["bound_mbps"]
    assert told["prediction_nmse_db"] < -45
    assert told["true_prediction_nmse_db"] < -45
    assert told["estimate"]["effective_taps"] < whole["estimate"]["effective_taps"] - 2


def test_guards_are_silent_and_carry_no_rate(station):
    with open_testbed(station(ofdm__guard_subcarriers=26)) as bed:
        used, spectrum = bed.grid.used, np.abs(np.fft.fft(bed.grid.frame))
        assert not used[:26].any() and not used[-26:].any()
        assert used.sum() == K - 52 - 1
        assert np.sum(spectrum > 1e-6 * spectrum.max()) == used.sum()
        inside = np.ones(K, dtype=complex)
        inside[:26] = inside[-26:] = 0
        assert bed.setup.rate_mbps(np.ones(K, dtype=complex)) == bed.setup.rate_mbps(inside) > 0
