"""Two Plutos with a crystal each: where one capture holds many patterns the estimate is nearly that of one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.errors import ConfigError
from hil.estimation.estimate import estimate_channel
from hil.estimation.prediction import nmse_to_truth_db
from hil.experiments import closed_loop
from hil.experiments.calibration.board_clock import measure_board_clock
from hil.experiments.probing import suited
from hil.experiments.sound import load_sweep, sound_surface
from hil.measure.setup import Setup
from hil.measure.sweep import choose_mode
from hil.testbed import open_testbed

MakeStation = Callable[..., TestbedConfig]


def error_db(config: TestbedConfig, folder: Path, mode: str, repetitions: int = 4) -> float:
    """Of the estimate against the true responses of random patterns, up to a phase and a delay common to all."""
    with open_testbed(config) as bed:
        recording = closed_loop.new_recording(bed, root=folder)
        asked = {"mode": mode, "scheme": "pairs", "group": (4, 2), "repetitions": repetitions}
        sound_surface(bed, recording, SweepConfig.model_validate(asked), seed=1)
        setup, done = Setup.from_json(recording.manifest), load_sweep(recording)
        blocks = np.random.default_rng(1).integers(0, 2, (16, 4, 8)).astype(np.uint8)
        patterns = blocks.repeat(4, axis=1).repeat(2, axis=2).reshape(16, -1)
        assert bed.truth is not None
        truth = np.array([bed.truth.response(pattern) for pattern in patterns]) * bed.grid.used
    predicted = estimate_channel(done, setup).predict_patterns(patterns) * setup.grid.used * setup.budget.scale
    return nmse_to_truth_db(predicted, truth, 512 * setup.testbed.ofdm.fft_size)


@pytest.fixture(scope="module")
def wired(station: MakeStation, small_board: Callable[..., str]) -> MakeStation:
    """With a board that does all modes, the receiver's pulses on its trigger input."""
    path = small_board()
    return lambda **more: station(**{"surface__profile": path, "surface__trigger": "radio", **more})


@pytest.fixture(scope="module")
def one_db(tmp_path_factory: pytest.TempPathFactory, wired: MakeStation) -> Callable[[str, int], float]:
    """Of one Pluto, by mode and symbols."""
    return cache(lambda mode, symbols: error_db(wired(), tmp_path_factory.mktemp("one"), mode, symbols))


@pytest.mark.parametrize("mode", ["burst", "sequence", "triggered"])
@pytest.mark.parametrize("crystals", [(9.04, {}), (-5.0, {"offset_ppm": 4.0, "warm_up_ppm": 1.0}), (54.0, {})])
def test_two_plutos_estimate_within_two_db_of_one(
    wired: MakeStation,
    tmp_path: Path,
    one_db: Callable[[str, int], float],
    mode: str,
    crystals: tuple[float, dict[str, float]],
) -> None:
    """Also at +-300 kHz, as far apart as crystals are."""
    sender, receiver = crystals
    two = wired(
        receiver={"uri": "sim"}, simulation__crystal={"offset_ppm": sender}, simulation__receiver_crystal=receiver
    )
    assert error_db(two, tmp_path, mode) < one_db(mode, 4) + 2


def test_one_symbol_of_each_pattern_is_enough_for_two_plutos(
    wired: MakeStation, tmp_path: Path, one_db: Callable[[str, int], float]
) -> None:
    """Within a dwell nothing can be followed then."""
    two = wired(receiver={"uri": "sim"}, simulation__crystal={"offset_ppm": -54.0})
    assert error_db(two, tmp_path, "sequence", 1) < one_db("sequence", 1) + 2


def test_two_plutos_offer_only_what_one_capture_holds_together(station: MakeStation, wired: MakeStation) -> None:
    with open_testbed(station(receiver={"uri": "sim"})) as bed:
        assert bed.sweep_modes(4) == ("burst",)
        with pytest.raises(ConfigError, match="pipelined is not possible here"):
            choose_mode("pipelined", bed.sweep_modes(4))
    with open_testbed(wired(receiver={"uri": "sim"})) as bed:
        assert bed.sweep_modes(4) == ("triggered", "sequence", "burst")
    with open_testbed(wired(receiver={"uri": "sim"}, surface__trigger="none")) as bed:
        assert bed.sweep_modes(4) == ("sequence", "burst")


def test_two_plutos_follow_nobody(wired: MakeStation) -> None:
    with open_testbed(wired(receiver={"uri": "sim"})) as bed, pytest.raises(ConfigError, match="with one radio"):
        suited(SweepConfig(), bed)


@pytest.mark.parametrize(("sender_ppm", "receiver_ppm"), [(50.0, 10.0), (0.0, 50.0)])
def test_the_boards_clock_is_measured_over_two_plutos_too(
    wired: MakeStation, tmp_path: Path, sender_ppm: float, receiver_ppm: float
) -> None:
    """Against the sender's, whatever the receiver's; over 512 dwells to a symbol, some 20 millionths."""
    crystals = {
        "simulation__crystal": {"offset_ppm": sender_ppm},
        "simulation__receiver_crystal": {"offset_ppm": receiver_ppm},
    }
    near = {"power__radiated_power_dbm": -12, "radio__rx_gain_db": 42}
    with open_testbed(wired(receiver={"uri": "sim"}, **crystals, **near)) as bed:
        recording = closed_loop.new_recording(bed, root=tmp_path)
        measure_board_clock(bed, recording)
    assert recording.read("board_clock").facts["ppm"] == pytest.approx(sender_ppm, abs=22.0)
