"""A simulated radio whose phase walks: the sweep shows it, and the estimate does not."""

from pathlib import Path

import numpy as np
import pytest

from hil.estimation import estimate
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.sound import sound_surface
from hil.measure.setup import Setup
from hil.testbed import open_testbed


def test_a_walk_of_the_simulated_radio_is_measured_and_taken_out(station, procedure, tmp_path: Path, monkeypatch):
    with open_testbed(station(simulation__rf_drift__phase_deg_per_sqrt_s=20)) as testbed:
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        sweep = sound_surface(testbed, recording, procedure().sweep, seed=0)
        setup = Setup.from_json(recording.manifest)
        patterns = np.random.default_rng(1).integers(0, 2, (16, setup.num_elements)).astype(np.uint8)
        truth = np.array([testbed.truth.response(pattern) for pattern in patterns]) * setup.grid.used

    def error_db(found):
        predicted = found.predict_patterns(patterns) * setup.grid.used * setup.budget.scale
        return nmse_to_truth_db(predicted, truth, setup.testbed.ofdm.fft_size)

    found = estimate_channel(sweep, setup)
    assert found.drift_deg == pytest.approx(20, rel=0.2)
    assert found.drift_db == 0
    monkeypatch.setattr(estimate, "remove_drift", lambda *_: None)
    assert error_db(found) < error_db(estimate_channel(sweep, setup)) - 8
