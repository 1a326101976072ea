"""Two Plutos with a crystal each: in bursts the estimate is nearly that of one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.errors import ConfigError
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.sound import load_sweep, sound_surface
from hil.measure.setup import Setup
from hil.measure.sweep import choose_mode
from hil.testbed import open_testbed

MakeStation = Callable[..., TestbedConfig]


def error_db(config: TestbedConfig, folder: Path) -> float:
    """Of the estimate against the true responses of random patterns, up to a phase and a delay common to all."""
    with open_testbed(config) as bed:
        recording = closed_loop.new_recording(bed, root=folder)
        asked = {"mode": "burst", "scheme": "pairs", "group": (4, 2)}
        sound_surface(bed, recording, SweepConfig.model_validate(asked), seed=1)
        setup, done = Setup.from_json(recording.manifest), load_sweep(recording)
        blocks = np.random.default_rng(1).integers(0, 2, (16, 4, 8)).astype(np.uint8)
        patterns = blocks.repeat(4, axis=1).repeat(2, axis=2).reshape(16, -1)
        assert bed.truth is not None
        truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * bed.grid.used
    predicted = estimate_channel(done, setup).predict_patterns(patterns) * setup.grid.used * setup.budget.scale
    return nmse_to_truth_db(predicted, truth, 512 * setup.testbed.ofdm.fft_size)


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory, station: MakeStation) -> float:
    return error_db(station(), tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("crystals", [(9.04, {}), (-5.0, {"offset_ppm": 4.0, "warm_up_ppm": 1.0})])
def test_two_plutos_estimate_within_two_db_of_one(
    station: MakeStation, tmp_path: Path, one_db: float, crystals: tuple[float, dict[str, float]]
) -> None:
    sender, receiver = crystals
    two = {"receiver": {"uri": "sim"}, "simulation__crystal": {"offset_ppm": sender}}
    assert error_db(station(**two, simulation__receiver_crystal=receiver), tmp_path) < one_db + 2


def test_two_plutos_offer_only_what_one_capture_holds_together(station: MakeStation) -> None:
    with open_testbed(station(receiver={"uri": "sim"})) as bed:
        assert bed.sweep_modes(4) == ("burst",)
        with pytest.raises(ConfigError, match="pipelined is not possible here"):
            choose_mode("pipelined", bed.sweep_modes(4))
