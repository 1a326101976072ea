"""What a user sees of the pilots: crest factor with advice, SNR by subcarrier, effective taps."""

import json

import numpy as np
import pytest

from hil.experiments import closed_loop
from hil.testbed import open_testbed


def test_a_run_tells_crest_factor_snr_and_effective_taps(finished):
    told = closed_loop.summary(finished[1])
    assert 2 < told["crest_factor_db"] < 6
    snr = told["sounding_snr_db"]
    assert snr["lowest"] < snr["median"] < snr["highest"]
    assert told["estimate"]["effective_taps"] == pytest.approx(told["estimate"]["num_taps"], abs=0.1)
    json.dumps(told)


def test_the_snr_by_subcarrier_is_that_of_the_true_channel(finished):
    _, result = finished
    setup, soundings = result.setup, result.sweep.soundings
    used = setup.grid.used
    with open_testbed(setup.testbed) as bed:
        patterns = result.sweep.plan.patterns(slice(0, 64))
        truth = np.mean([np.abs(bed.truth.response(pattern)[used]) ** 2 for pattern in patterns], axis=0)
    expected = 10 * np.log10(truth / setup.budget.scale**2 / soundings.noise_var.mean())
    np.testing.assert_allclose(soundings.snr_db(used), expected, atol=0.5)


def test_the_papers_pilot_is_warned_of_and_good_ones_are_not(station):
    from hil.phy.ofdm import OfdmGrid

    def advice(pilot):
        return OfdmGrid.from_config(station(ofdm__pilot=pilot).ofdm).pilot_advice

    assert "24.1 dB" in advice("constant")
    assert "zadoff_chu or newman" in advice("constant")
    assert advice("zadoff_chu") is None
    assert advice("newman") is None


def test_a_pilot_on_the_carrier_is_warned_of(station):
    from hil.phy.ofdm import OfdmGrid

    assert "skip_dc" in OfdmGrid.from_config(station(ofdm__skip_dc=False).ofdm).pilot_advice
    both = OfdmGrid.from_config(station(ofdm__skip_dc=False, ofdm__pilot="constant").ofdm).pilot_advice
    assert "crest factor" in both
    assert "skip_dc" in both
