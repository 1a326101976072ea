"""Calibration on the simulated 16x16 station: hidden faults come out, and a run that relies on it is right again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import CalibrateConfig, TestbedConfig
from hil.errors import CalibrationError, MeasurementError
from hil.estimation.estimate import estimate_channel
from hil.experiments import calibrate, closed_loop
from hil.experiments.begin import begin
from hil.experiments.calibrate import CalibrationResult
from hil.experiments.calibration import board_clock
from hil.experiments.calibration.board_clock import measure_board_clock
from hil.experiments.calibration.draw import draw
from hil.experiments.calibration.first_look import first_look, look_for_surface
from hil.experiments.calibration.receive import candidates, measure_levels, set_gain
from hil.experiments.calibration.summary import summary
from hil.experiments.choose import problem_of
from hil.experiments.sound import sound_surface
from hil.firmware.profile import load_profile
from hil.measure.calibration import Calibration
from hil.measure.recording import Recording
from hil.sim.hidden import true_states, wiring
from hil.testbed import Testbed, open_surface, open_testbed

Station = Callable[..., TestbedConfig]

PROCEDURE = CalibrateConfig.model_validate(
    {
        "schema": "hil-experiment/1",
        "kind": "calibrate",
        "candidates": 6,
        "switches": 4,
        "watch_s": 4.0,
        "watch_soundings": 200,
        "sweep": {"repetitions": 16},
    }
)
CONFIGS = Path(__file__).parents[2] / "configs/testbeds"
HIDDEN = {
    "mirrored": "left_right",
    "dead_columns": [5],
    "stuck_elements": {"17": 1},
    "settle_s": 2.2e-3,
}
LOUD = {"power__radiated_power_dbm": -8.0}  # so strong that a short sweep tells each element


def calibrated(station: TestbedConfig, folder: Path) -> tuple[Recording, CalibrationResult]:
    with open_testbed(station, user="shelf") as testbed:
        recording = begin(testbed, PROCEDURE, folder)
        return recording, calibrate.run(testbed, PROCEDURE, recording)


@pytest.fixture(scope="module")
def faulty(station: Station, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, CalibrationResult]:
    """A whole calibration of a station with faults, run once."""
    return calibrated(station(simulation__surface=HIDDEN, **LOUD), tmp_path_factory.mktemp("calibrations"))


def test_the_hidden_faults_come_out(faulty: tuple[Recording, CalibrationResult]) -> None:
    told = summary(faulty[1])
    assert told["outcome"] == "PASS"
    assert set(told["dead_elements"]) == {17, *range(5, 256, 16)}
    assert told["dead_columns"] == [5]
    assert told["settle_time_s"] == pytest.approx(2.2e-3, rel=0.1)
    assert told["element_moves"] == np.arange(256).reshape(16, 16)[:, ::-1].ravel().tolist()
    assert "mirrored left to right" in told["element_order"]
    assert told["drift_deg_per_s"] == 0
    assert told["motion_db"] is None
    assert not told["state_ratio"]["measured"]
    assert len(told["findings"]) == 4
    json.dumps(told, allow_nan=False)


def test_levels_are_those_of_the_simulated_radio(faulty: tuple[Recording, CalibrationResult]) -> None:
    told, levels = summary(faulty[1]), faulty[1].levels
    noise_dbm = -174 + 8 - 1.5 + 10 * np.log10(25e6)  # noise figure, cable, sample rate: what the ADC gets
    assert told["noise_floor_dbfs"] == pytest.approx(noise_dbm + told["rx_gain_db"], abs=0.3)
    assert told["rx_dc_dbfs"] == pytest.approx(-50, abs=0.5)
    assert told["lo_leakage_dbfs"] == pytest.approx(told["lo_leakage_dbc"] + levels["received_dbfs"])
    assert told["transmit_power_dbm"] == pytest.approx(-8, abs=3)  # as far as the straight way is all there is
    assert told["transmit_power_planned_dbm"] == -8
    assert told["linearity_db"] == pytest.approx(0, abs=0.05)
    assert told["image_dbc"] is None
    assert -15 < levels["strongest_peak_dbfs"] < -8.9


def test_everything_is_read_again_from_the_run_directory(
    faulty: tuple[Recording, CalibrationResult], tmp_path: Path
) -> None:
    recording, result = faulty
    again = calibrate.evaluate(Recording.load(recording.path))
    assert summary(again) == summary(result)
    assert {file.name for file in draw(again, tmp_path)} == {
        "report.md",
        "elements.png",
        "watch.png",
        "settling.png",
        "quiet.png",
    }


def test_the_page_says_what_is_not_as_declared_and_what_to_do(
    faulty: tuple[Recording, CalibrationResult], tmp_path: Path
) -> None:
    draw(faulty[1], tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "mirrored left to right" in page
    assert "columns 5 do not follow" in page
    assert "hil run --calibration" in page
    assert all(f"]({name}.png)" in page for name in ("elements", "settling", "watch", "quiet"))
    assert "nan" not in page.lower()


def test_a_calibration_that_is_interrupted_goes_on_where_it_was(
    faulty: tuple[Recording, CalibrationResult], station: Station, tmp_path: Path
) -> None:
    whole, config = faulty[0], station(simulation__surface=HIDDEN, **LOUD)

    class Stop(Exception):
        pass

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "sweep" and done >= 128:
            raise Stop

    with open_testbed(config, user="shelf") as testbed:
        recording = begin(testbed, PROCEDURE, tmp_path)
        with pytest.raises(Stop):
            calibrate.run(testbed, PROCEDURE, recording, stop)
    resumed = Recording.resume(recording.path)
    done = set(resumed.names)
    with open_testbed(config, user="shelf") as testbed:
        result = calibrate.run(testbed, PROCEDURE, resumed)
    assert {"gain", "look/begin", "gain/best", "switches"} <= done
    np.testing.assert_array_equal(resumed.read("sweep/00003").data, whole.read("sweep/00003").data)
    assert result.calibration.dead_elements == faulty[1].calibration.dead_elements


def test_a_run_relies_on_it(faulty: tuple[Recording, CalibrationResult], station: Station, tmp_path: Path) -> None:
    record = faulty[1].calibration
    config = station(simulation__surface=HIDDEN, calibration=str(faulty[0].path), **LOUD)
    with open_testbed(config, user="shelf") as testbed:
        assert testbed.settings.rx_gain_db == record.rx_gain_db
        assert testbed.surface.timing.settle_s == pytest.approx(1.1 * record.settle_time_s)
        recording = closed_loop.new_recording(testbed, root=tmp_path)
        sweep = sound_surface(testbed, recording)
        setup = testbed.setup
        assert testbed.truth is not None
        mirrored = np.random.default_rng(0).integers(0, 2, 256, dtype=np.uint8)
        testbed.surface.apply(mirrored)
        held = testbed.surface.read_pattern()
    np.testing.assert_array_equal(held, mirrored)  # both ways through the corrected order
    assert recording.manifest["calibration"]["sha256"] == record.sha256
    assert recording.manifest["dead"] == list(record.dead_elements)
    estimate = estimate_channel(sweep, setup, denoised=False)
    problem = problem_of(estimate, setup)
    assert not problem.cascade[list(record.dead_elements)].any()
    assert np.abs(problem.cascade[0]).max() > 0


def test_the_corrected_order_is_the_true_one(faulty: tuple[Recording, CalibrationResult], station: Station) -> None:
    config = station(simulation__surface=HIDDEN, calibration=str(faulty[0].path), **LOUD)
    assert config.simulation is not None
    true = wiring(16, 16, config.simulation.surface)
    with open_testbed(config, user="shelf") as testbed:
        order = testbed.surface.profile.geometry.wire_order()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(order, true)  # the wire runs row by row, and moves these


def test_a_board_alone_takes_the_order_and_the_settle_time_too(
    faulty: tuple[Recording, CalibrationResult], station: Station
) -> None:
    config = station(simulation__surface=HIDDEN, calibration=str(faulty[0].path), **LOUD)
    assert config.simulation is not None
    with open_surface(config) as surface:
        np.testing.assert_array_equal(
            surface.profile.geometry.wire_order(),  # type: ignore[attr-defined]
            wiring(16, 16, config.simulation.surface),
        )
        assert surface.timing.settle_s > 2e-3
    other = station(calibration=str(faulty[0].path), surface__profile="uofg-3bit-192", **LOUD)
    with pytest.raises(CalibrationError, match="foreign"), open_surface(other):
        pass


@pytest.mark.parametrize("changes", [{"simulation__seed": 2}, {"radio__lo_hz": 5.6e9}])
def test_a_foreign_calibration_is_refused(
    faulty: tuple[Recording, CalibrationResult], station: Station, changes: dict[str, object]
) -> None:
    config = station(calibration=str(faulty[0].path), **changes)
    with pytest.raises(CalibrationError, match="foreign"):
        open_testbed(config, user="shelf")


def test_without_a_surface_nothing_is_kept(station: Station, tmp_path: Path) -> None:
    recording, result = calibrated(station(simulation__surface_condition="covered"), tmp_path)
    assert summary(result)["outcome"] == "FAIL"
    with pytest.raises(CalibrationError, match="no calibration"):
        Calibration.load(recording.path)


def test_a_first_look_sees_the_surface_and_what_repeats(station: Station) -> None:
    with open_testbed(station()) as testbed:
        checks = {check.name: check for check in first_look(testbed, watch_s=5.0)}
    assert all(check.ok for check in checks.values()), checks
    assert set(checks) == {"noise", "pilots", "leakage", "surface", "link budget", "repeatability"}
    assert "dBFS" in checks["surface"].detail
    assert "least sounding" in checks["surface"].detail
    assert "predicted" in checks["link budget"].detail


def test_a_first_look_over_two_radios_sees_the_same_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("PAIRS", 16), ("WATCHED", 100)):  # two radios' soundings take time to be brought to one clock
        monkeypatch.setattr(f"hil.experiments.calibration.first_look.{name}", few)
    with open_testbed(CONFIGS / "sim-opensource-ris.yaml", user="desk") as one_radio:
        seen = look_for_surface(one_radio)
    with open_testbed(CONFIGS / "sim-two-plutos.yaml", user="desk") as two_radios:
        assert look_for_surface(two_radios).surface_dbfs == pytest.approx(seen.surface_dbfs, abs=0.3)
        assert all(check.ok for check in first_look(two_radios, watch_s=2.0))


def test_a_cable_is_judged_by_its_attenuation(station: Station) -> None:
    with open_testbed(station()) as testbed:
        assert testbed.truth is not None
        response = testbed.truth.response(np.zeros(256, dtype=np.uint8))
        loss_db = -10 * np.log10(np.mean(np.abs(response) ** 2))
        for wrong_db, ok in ((0.0, True), (10.0, False)):
            looked = first_look(testbed, cabled=True, attenuation_db=loss_db + wrong_db, watch_s=2.0)
            checks = {check.name: check for check in looked}
            assert checks["link budget"].ok == ok
            assert checks["surface"].ok is None


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"simulation__surface_condition": "covered"}, "surface"),
        ({"simulation__rf_drift": {"phase_deg_per_sqrt_s": 90.0}}, "repeatability"),
        ({"radio__rx_gain_db": 62, "power__radiated_power_dbm": -6.0, "power__tx_antenna_gain_dbi": 5.0}, "pilots"),
    ],
)
def test_a_first_look_says_what_is_wrong(station: Station, changes: dict[str, object], name: str) -> None:
    with open_testbed(station(**changes)) as testbed:
        checks = {check.name: check for check in first_look(testbed, watch_s=5.0)}
    assert checks[name].ok is False
    assert checks[name].fix


def test_every_state_of_a_board_of_eight_is_measured_and_a_run_reckons_with_it(
    station: Station, tmp_path: Path
) -> None:
    hidden = {"state_db": -2.0, "state_deg": 25.0}
    config = station(surface__profile="uofg-3bit-192", simulation__surface=hidden, **LOUD)
    quick = PROCEDURE.model_copy(update={"watch_s": 1.0, "watch_soundings": 64, "switches": 2})
    with open_testbed(config, user="shelf") as testbed:
        declared = testbed.setup.states
        recording = begin(testbed, quick, tmp_path)
        result = calibrate.run(testbed, quick, recording)
    assert config.simulation is not None
    states = true_states(load_profile("uofg-3bit-192").state_set(), config.simulation.surface)
    gamma = states.reflection(np.array([config.radio.lo_hz]))[0]
    plus, minus = gamma[states.plus], gamma[states.minus]
    true = (gamma - (plus + minus) / 2) / ((plus - minus) / 2)
    assert result.calibration.states is not None
    assert len(result.calibration.states["frequency_hz"]) == 1  # one number each: these states do not vary
    with open_testbed(config.model_copy(update={"calibration": str(recording.path)}), user="shelf") as testbed:
        believed = testbed.setup.states
    np.testing.assert_allclose(believed, true, atol=0.005)
    assert np.abs(declared - true).max() > 0.2
    assert "states.png" in {file.name for file in draw(result, tmp_path)}


def test_the_gain_is_set_on_the_strongest_pattern_and_the_overload_is_where_its_peak_fills_the_receiver(
    station: Station, tmp_path: Path
) -> None:
    usual = CalibrateConfig.model_validate({"schema": "hil-experiment/1", "kind": "calibrate"})
    with open_testbed(station(power__rx_chain_gain_db=12.0, **LOUD), user="shelf") as testbed:
        patterns = candidates(testbed, usual)
        recording = begin(testbed, usual, tmp_path)
        gain = set_gain(testbed, recording, "gain", patterns, usual)
        levels = measure_levels(testbed, recording, gain)
    assert patterns.shape == (34, 256)
    assert not patterns[0].any()
    assert (patterns[1] == testbed.surface.states.plus).all()
    power = np.sum(np.abs(gain.response) ** 2, axis=1)
    strongest = int(np.flatnonzero((patterns == gain.strongest).all(axis=1))[0])
    assert power[strongest] > 0.9 * power.max()
    assert gain.gain_db + gain.peak_at_0_db <= -usual.headroom_db
    assert levels["overload_gain_db"] == pytest.approx(-gain.peak_at_0_db, abs=2)


def test_the_clock_of_a_board_of_few_rows_is_measured_by_those_that_it_has(
    station: Station, tmp_path: Path, small_board: Callable[..., str]
) -> None:
    profile = Path(small_board())
    profile.write_text(profile.read_text().replace("rows: 16", "rows: 8").replace("cols: 16", "cols: 8"))
    with open_testbed(station(surface__profile=str(profile), **LOUD)) as testbed:
        recording = begin(testbed, PROCEDURE, tmp_path)
        measure_board_clock(testbed, recording)
    assert recording.read("board_clock").facts["ppm"] == pytest.approx(0.0, abs=80.0)


@pytest.mark.parametrize("name", ["look/begin", "switches", "board_clock"])
def test_a_calibration_cut_between_its_stages_records_what_the_whole_one_did(
    station: Station,
    faulty: tuple[Recording, CalibrationResult],
    tmp_path: Path,
    cut: Callable[[str, Callable[[], object]], None],
    everything: Callable[[Path], object],
    name: str,
) -> None:
    config = station(simulation__surface=HIDDEN, **LOUD)
    with open_testbed(config, user="shelf") as testbed:
        path = begin(testbed, PROCEDURE, tmp_path).path
        cut(name, lambda: calibrate.run(testbed, PROCEDURE, Recording.resume(path)))
    with open_testbed(config, user="shelf") as testbed:
        calibrate.run(testbed, PROCEDURE, Recording.resume(path))
    assert everything(path) == everything(faulty[0].path)


def test_a_clock_that_is_too_faint_to_be_timed_costs_no_calibration(
    faulty: tuple[Recording, CalibrationResult], station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faint(_testbed: Testbed) -> float:
        raise MeasurementError("no change stands out of the noise")

    path = tmp_path / "run"
    shutil.copytree(faulty[0].path, path)
    monkeypatch.setattr(board_clock, "_measure", faint)
    with open_testbed(station(simulation__surface=HIDDEN, **LOUD), user="shelf") as testbed:
        recording = Recording.resume(path)
        recording.set_aside(["board_clock"])
        told = summary(calibrate.run(testbed, PROCEDURE, recording))
    assert told["outcome"] == "PASS" and told["board_clock_ppm"] is None
    assert "the board's clock could not be timed: no change stands out of the noise" in told["findings"]
