"""A run for other programs: the numbers are those that were recorded and those that the run came to."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import ClosedLoopConfig
from hil.errors import ConfigError, RecordingError
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.experiments.draw import draw
from hil.experiments.draw_estimate import draw_sweep
from hil.experiments.export import export, gather, sweep_stages
from hil.experiments.sound import sound_surface
from hil.measure.recording import Recording
from hil.testbed import Testbed


@pytest.fixture
def swept(testbed: Testbed, recording: Recording, procedure: Callable[..., ClosedLoopConfig]) -> Recording:
    """A run that holds a sweep and no more."""
    sound_surface(testbed, recording, procedure(sweep__group=[8, 8]).sweep)
    return recording


def test_what_is_exported_is_what_the_run_holds(finished: tuple[Recording, ClosedLoopResult]) -> None:
    recording, result = finished
    found = {each.name: each.values for each in gather(recording)}
    np.testing.assert_array_equal(found["response"], result.sweep.soundings.response)
    np.testing.assert_array_equal(found["arm_pattern"][3], result.choice.patterns["chosen"])
    np.testing.assert_array_equal(found["cascade"], result.estimate.cascade)
    assert list(found["arm_name"]) == ["all_zero", "best_pilot", "stm", "chosen"]
    told = closed_loop.summary(result)
    assert list(found["arm_rate"]) == list(told["rate_mbps"].values())
    assert found["arm_gain_low"][3] == told["gain_interval_db"]["chosen"][0]
    np.testing.assert_array_equal(found["arm_true_response"][2], result.truth["stm"])


def test_the_exported_estimate_predicts_the_exported_held_out_soundings(
    finished: tuple[Recording, ClosedLoopResult],
) -> None:
    found = {each.name: each.values for each in gather(finished[0])}
    signs = found["state_reflection"][found["pattern"]]
    predicted = (found["direct"] + signs @ found["cascade"]) @ found["basis"].T
    used = found["used"] == 1
    power = np.mean(np.abs(found["response"][:, used]) ** 2, axis=1) - found["noise_var"]
    np.testing.assert_allclose(np.mean(np.abs(predicted[:, used]) ** 2, axis=1), power, rtol=0.02)
    error = found["held_out_measured"] - found["held_out_predicted"]
    assert np.sum(np.abs(error) ** 2) < 1e-2 * np.sum(np.abs(found["held_out_measured"]) ** 2)


@pytest.mark.parametrize(
    ("kind", "name"), [("netcdf", "result.nc"), ("matlab", "result.mat"), ("csv", "csv/index.csv")]
)
def test_each_format_is_written_into_the_run_directory_or_where_one_asks(
    finished: tuple[Recording, ClosedLoopResult], swept: Recording, tmp_path: Path, kind: str, name: str
) -> None:
    for recording in (finished[0], swept):
        assert export(recording, kind)[0] == recording.path / name
    assert export(swept, kind, tmp_path / "elsewhere")[0].exists()


def test_a_sweep_alone_has_figures_of_its_estimate(swept: Recording, tmp_path: Path) -> None:
    files = draw_sweep(swept, tmp_path)
    assert [file.name for file in files] == ["estimate.png", "residuals.png", "sounding_snr.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_one_of_several_sweeps_has_to_be_named(
    testbed: Testbed, recording: Recording, procedure: Callable[..., ClosedLoopConfig], tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match="holds no sweep"):
        export(recording, "csv")
    for stage in ("visit/00/desk/sweep", "visit/01/desk/sweep"):
        sound_surface(testbed, recording, procedure(sweep__group=[8, 8]).sweep, stage=stage)
    assert sweep_stages(recording) == ["visit/00/desk/sweep", "visit/01/desk/sweep"]
    with pytest.raises(ConfigError, match=r"which sweep.*visit/00/desk/sweep, visit/01"):
        export(recording, "matlab")
    assert export(recording, "matlab", tmp_path / "one.mat", "visit/01/desk/sweep")[0].exists()
    with pytest.raises(ConfigError, match="--format excel: allowed: netcdf, matlab, csv"):
        export(recording, "excel")


def test_a_run_that_held_nothing_out_is_told_drawn_and_exported_without_a_prediction(
    testbed: Testbed, procedure: Callable[..., ClosedLoopConfig], tmp_path: Path
) -> None:
    plan = procedure(sweep__group=[8, 8], verification__held_out=0)
    recording = closed_loop.new_recording(testbed, plan, tmp_path)
    result = closed_loop.run(testbed, plan, recording)
    assert closed_loop.summary(result)["prediction_nmse_db"] is None
    assert not any(each.name == "prediction.png" for each in draw(result, tmp_path))
    for kind in ("netcdf", "matlab", "csv"):
        assert not any("held_out" in path.name for path in export(recording, kind))
