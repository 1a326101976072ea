"""A second receiver on a coupler: found by what it hears; a radio that drifts estimates as one that stands still."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.measure.reference import find_coupling
from hil.measure.setup import Setup
from hil.testbed import open_testbed

MakeStation = Callable[..., TestbedConfig]
DRIFT = {"simulation__rf_drift": {"phase_deg_per_sqrt_s": 60.0, "gain_db_per_sqrt_s": 0.05}}
TWO = {"simulation__num_channels": 2, "simulation__reference_db": -40.0}


def swept(config: TestbedConfig, folder: Path, **sweep: object) -> tuple[Sweep, float]:
    """A sweep and the error of its estimate against the true responses of random patterns, in dB."""
    asked = {"scheme": "pairs", "group": (4, 2), **sweep}
    with open_testbed(config) as bed:
        recording = closed_loop.new_recording(bed, root=folder)
        sound_surface(bed, recording, SweepConfig.model_validate(asked), seed=1)
        setup, done = Setup.from_json(recording.manifest), load_sweep(recording)
        blocks = np.random.default_rng(1).integers(0, 2, (16, 4, 8)).astype(np.uint8)
        patterns = blocks.repeat(4, axis=1).repeat(2, axis=2).reshape(16, -1)
        truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * bed.grid.used
        still = np.array([bed.truth.no_surface()]) * bed.grid.used
    predicted = estimate_channel(done, setup).predict_patterns(patterns) * setup.grid.used * setup.budget.scale
    relative_db = 20 * np.log10(np.linalg.norm(truth) / np.linalg.norm(truth - still))
    return done, nmse_to_truth_db(predicted, truth, 512 * setup.testbed.ofdm.fft_size) + relative_db


@pytest.mark.parametrize(
    ("board", "heard"), [({}, False), ({**TWO, "simulation__reference_db": None}, False), (TWO, True)]
)
def test_a_coupler_is_found_by_what_the_second_receiver_hears(
    station: MakeStation, board: dict[str, object], heard: bool
) -> None:
    with open_testbed(station(**board)) as bed, bed.on_air():
        coupling = find_coupling(bed.sdr, bed.grid)  # type: ignore[arg-type]
        assert (coupling is not None) == heard
        capture = bed.sdr.capture(3200)
        assert (capture.reference is not None) == heard
        assert coupling is None or coupling.snr_db > 25


@pytest.mark.parametrize("mode", ["pipelined", "burst"])
def test_with_a_reference_a_radio_that_drifts_estimates_as_one_that_stands_still(
    station: MakeStation, tmp_path: Path, mode: str
) -> None:
    _, still_db = swept(station(), tmp_path / "still", mode=mode)
    sweep, with_db = swept(station(**DRIFT, **TWO), tmp_path / "with", mode=mode)
    _, without_db = swept(station(**DRIFT), tmp_path / "without", mode=mode)
    assert sweep.reference_snr_db is not None

    assert with_db < still_db + 1
    assert without_db > with_db + 2


def test_a_reference_can_be_left_off(station: MakeStation, tmp_path: Path) -> None:
    sweep, _ = swept(station(**TWO), tmp_path, reference="off", group=(4, 4))
    assert sweep.reference_snr_db is None
    assert sweep.soundings.reference is None
