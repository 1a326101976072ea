"""A field test on simulated hardware: fixed beforehand, blind, resumable, and wrong as seldom as it says."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import FieldTestConfig, TestbedConfig
from hil.errors import ConfigError, MeasurementError, Overload, RecordingError
from hil.experiments import field_test
from hil.experiments.begin import begin
from hil.experiments.export import gather
from hil.experiments.field import visits
from hil.experiments.field.blinding import Key, plan_sha256
from hil.experiments.field.draw import draw
from hil.experiments.field_test import FieldTestResult
from hil.interfaces import Progress, no_progress
from hil.measure.recording import Recording
from hil.measure.sounder import Sounder
from hil.measure.verification import Outcome
from hil.testbed import open_testbed

Station = Callable[..., TestbedConfig]

PLAN: dict[str, Any] = {
    "schema": "hil-experiment/1",
    "kind": "field_test",
    "hypothesis": {"arm": "stm", "against": "all_zero", "smallest_effect_db": 0.5},
    "stations": [
        {"name": "desk", "position_m": [2.0, -1.1, 1.2]},
        {"name": "covered", "position_m": [2.0, -1.1, 1.2], "surface": "covered", "patterns_of": "desk"},
    ],
    "arms": [
        {"kind": "uniform", "name": "all_zero"},
        {"kind": "optimized", "name": "stm", "optimizer": {"algorithm": "stm"}},
        {"kind": "best_pilot", "name": "best_pilot"},
        {"kind": "sham", "name": "sham", "of": "stm"},
    ],
    "visits": 1,
    "rounds": 6,
    "pause_s": 0.05,
    "sweep": {"group": [4, 4], "block": 8},
    "analysis": {"resamples": 300},
}


def plan(**changes: Any) -> FieldTestConfig:
    return FieldTestConfig.model_validate({**PLAN, **changes})


def carry_out(
    config: TestbedConfig, test: FieldTestConfig, where: Path | Recording, progress: Progress = no_progress
) -> tuple[Recording, FieldTestResult]:
    """In a new run directory under `where`, or going on in a recording."""
    with open_testbed(config) as testbed:
        recording = where if isinstance(where, Recording) else begin(testbed, test, where)
        return recording, field_test.run(testbed, test, recording, progress)


@pytest.fixture(scope="module")
def ended(station: Station, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, FieldTestResult]:
    """A whole field test, carried out once in a room where people walk."""
    return carry_out(station(**WALKERS), plan(), tmp_path_factory.mktemp("runs"))


WALKERS = {"simulation__room_motion": {"level_db": -30.0, "doppler_hz": 2.0}}


def steps(recording: Recording) -> dict[str, str]:
    """SHA-256 of each step."""
    lines = (recording.path / "events.jsonl").read_text().splitlines()
    return {event["step"]: event["sha256"] for event in map(json.loads, lines)}


def test_a_true_hypothesis_is_supported_and_gains_are_the_true_ones(ended: tuple[Recording, FieldTestResult]) -> None:
    told = field_test.summary(ended[1])
    assert (told["outcome"], told["finding"]) == ("PASS", "supported")
    for arm, true_db in told["true_gain_db"].items():
        assert told["gain_db"]["desk"][arm] == pytest.approx(true_db, abs=0.15)
    low, high = told["sham"]["interval"]
    assert told["sham"]["ok"] and low <= 0 <= high and high - low < 0.2
    assert told["optimised_at"] == ["here"]
    assert told["gain_db"]["all"] == told["gain_db"]["desk"]  # a control is no part of what is claimed


def test_rates_are_the_true_ones_beside_what_was_predicted(ended: tuple[Recording, FieldTestResult]) -> None:
    rates = field_test.summary(ended[1])["rates"]
    for arm, true in rates["true_mbps"]["desk"].items():
        value, low, high = rates["measured_mbps"]["desk"][arm]
        assert low <= value <= high and value == pytest.approx(true, rel=0.02)
        assert rates["predicted_mbps"]["desk"][arm] == pytest.approx(true, rel=0.05)
    value, low, high = rates["gain_mbps"]["desk"]["stm"]
    assert low > 0 and value == pytest.approx(
        rates["true_mbps"]["desk"]["stm"] - rates["true_mbps"]["desk"]["all_zero"], rel=0.1
    )
    assert rates["gain_mbps"]["desk"]["all_zero"] == [0, 0, 0]
    assert set(rates["predicted_mbps"]) == {"all", "desk"}, "nothing can be predicted of a control"


def test_patterns_make_no_difference_where_the_surface_is_covered(ended: tuple[Recording, FieldTestResult]) -> None:
    told = field_test.summary(ended[1])
    for arm in told["arms"]:
        assert told["gain_db"]["covered"][arm] == pytest.approx(0, abs=0.1)
    open_zero, open_stm = (told["controls_db"]["covered"][arm][0] for arm in ("all_zero", "stm"))
    assert open_stm - open_zero == pytest.approx(told["gain_db"]["desk"]["stm"], abs=0.2)


def test_a_false_hypothesis_is_refuted_and_an_undecided_one_not_shown(station: Station, tmp_path: Path) -> None:
    claims = {"refuted": {"arm": "all_zero", "against": "stm"}, "not shown": {"arm": "stm_again", "against": "stm"}}
    again = {"kind": "optimized", "name": "stm_again", "optimizer": {"algorithm": "stm"}}
    for finding, claim in claims.items():
        test = plan(hypothesis=claim, arms=[*PLAN["arms"], again], stations=PLAN["stations"][:1])
        _, result = carry_out(station(**WALKERS), test, tmp_path)
        assert (result.finding, result.outcome) == (finding, Outcome.FAIL)


def test_a_claim_of_less_is_judged_the_other_way_round(ended: tuple[Recording, FieldTestResult]) -> None:
    """The same soundings: what holds of more for one arm holds of less for the other."""
    more = ended[1]
    claims = {"supported": ("all_zero", "stm"), "refuted": ("stm", "all_zero")}
    for finding, (arm, against) in claims.items():
        claim = more.plan.hypothesis.model_copy(update={"direction": "lower", "arm": arm, "against": against})
        less = replace(more, plan=more.plan.model_copy(update={"hypothesis": claim}))
        assert less.finding == finding
        assert less.primary == less.difference(against, arm)
    assert more.primary == more.difference("stm", "all_zero")


def test_gains_of_each_visit_are_told_against_the_reference_arm(ended: tuple[Recording, FieldTestResult]) -> None:
    told = field_test.summary(ended[1])
    for place, by_arm in told["repeatability_db"].items():
        assert by_arm == {arm: [pytest.approx(told["gain_db"][place][arm], abs=1e-5)] for arm in told["arms"]}


def test_everything_is_read_again_from_the_run_directory(ended: tuple[Recording, FieldTestResult]) -> None:
    recording, result = ended
    told = field_test.summary(result)
    assert field_test.summary(field_test.evaluate(Recording.load(recording.path))) == told
    json.dumps(told, allow_nan=False)


def test_a_visit_is_exported_with_its_arms_and_the_powers_of_its_rounds(
    ended: tuple[Recording, FieldTestResult],
) -> None:
    found = {each.name: each.values for each in gather(ended[0], "visit/00/desk/sweep")}
    names = list(found["arm_name"])
    assert set(found["arm_pattern"][names.index("all_zero")]) == {0}
    mean = found["round_power"].mean(axis=0)
    gain_db = 10 * np.log10(mean[names.index("stm")] / mean[names.index("all_zero")])
    assert gain_db == pytest.approx(ended[1].difference("stm", "all_zero").value, abs=1e-5)


def test_the_page_tells_verdict_plan_chain_and_hashes(ended: tuple[Recording, FieldTestResult], tmp_path: Path) -> None:
    files = draw(ended[1], tmp_path)
    assert {file.name for file in files} == {"report.md", "differences.png", "gains.png", "rates.png", "rounds.png"}
    page = files[0].read_text()
    for told in ("PASS", plan_sha256(plan()), "snr_db", "tx_attenuation_db", "Sham arm", "numpy", "rounds excluded"):
        assert told in page
    assert "**no**" not in page


def test_the_plan_is_hashed_before_anything_is_radiated(ended: tuple[Recording, FieldTestResult]) -> None:
    recording, result = ended
    assert recording.manifest["plan_sha256"] == plan_sha256(plan())
    assert recording.names[:2] == ("plan", "sealed")
    assert recording.names[-2:] == ("analysis", "unblinding")
    assert all(result.checks.values())


@pytest.mark.parametrize("cover_up", [False, True])
def test_a_plan_that_changed_between_start_and_resume_is_refused(
    station: Station, tmp_path: Path, cover_up: bool
) -> None:
    with pytest.raises(KeyboardInterrupt):
        carry_out(station(), plan(), tmp_path, interrupted_at("visit 1", 2))
    path = next(tmp_path.iterdir())
    changed = plan(rounds=7)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["experiment"] = changed.model_dump(mode="json", by_alias=True)
    if cover_up:
        manifest["plan_sha256"] = plan_sha256(changed)
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RecordingError, match="the plan is not the one that this test began with"):
        carry_out(station(), changed, Recording.resume(path))


def test_no_arm_has_a_name_before_the_analysis_is_frozen(station: Station, tmp_path: Path) -> None:
    told: list[str] = []
    recording, _ = carry_out(station(), plan(), tmp_path, lambda stage, _done, _total: told.append(stage))
    lines = (recording.path / "events.jsonl").read_text().splitlines()
    frozen = next(i for i, line in enumerate(lines) if '"analysis"' in line)
    assert "unblinding" in lines[frozen + 1]
    analysis = recording.read("analysis").data.tobytes().decode()
    for name in (arm["name"] for arm in PLAN["arms"]):
        assert not any(f'"{name}"' in line for line in lines[: frozen + 1])
        assert f'"{name}"' not in analysis and name not in "".join(told)


def test_orders_are_random_and_each_round_shows_each_arm(ended: tuple[Recording, FieldTestResult]) -> None:
    orders = [tuple(each.tries[-1].order) for rounds in ended[1].rounds.values() for each in rounds]
    assert len(set(orders)) > len(orders) // 2
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3)}


def interrupted_at(stage: str, count: int) -> Progress:
    """Ctrl+C in the middle of whatever runs."""

    def progress(current: str, done: int, _total: int) -> None:
        if stage in current and done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(("stage", "count"), [("sweep", 9), ("desk", 6), ("covered", 3)])
def test_an_interrupted_test_goes_on_to_the_same_records(
    station: Station, tmp_path: Path, ended: tuple[Recording, FieldTestResult], stage: str, count: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        carry_out(station(**WALKERS), plan(), tmp_path, interrupted_at(stage, count))
    path = next(tmp_path.iterdir())
    before = steps(Recording.load(path))
    resumed, result = carry_out(station(**WALKERS), plan(), Recording.resume(path))
    assert before.items() <= steps(resumed).items()
    assert steps(resumed) == steps(ended[0])
    assert field_test.summary(result) == field_test.summary(ended[1])


def test_a_sham_arm_that_shows_a_difference_leaves_no_verdict(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = plan(stations=PLAN["stations"][:1])
    place = Key.drawn([arm.name for arm in test.arms], plan_sha256(test)).index("sham")
    honest = visits.load_arms

    def swapped(*arguments: Any) -> Any:
        patterns = honest(*arguments).copy()
        patterns[place] = 1 - patterns[place]
        return patterns

    monkeypatch.setattr(visits, "load_arms", swapped)
    _, result = carry_out(station(), test, tmp_path)
    assert not result.sham_ok
    assert (result.finding, result.outcome) == ("supported", Outcome.ERROR)


def test_rounds_of_too_little_snr_are_taken_again_then_excluded_and_counted(station: Station, tmp_path: Path) -> None:
    test = plan(rules=[{"quantity": "snr_db", "limit": 90.0}], stopping={"max_retakes": 1, "max_excluded": 0.5})
    with pytest.raises(MeasurementError, match="fewer than 6 rounds count"):
        carry_out(station(), test, tmp_path)
    names = Recording.load(next(tmp_path.iterdir())).names
    assert sum("desk/round" in name for name in names) == 12
    assert "analysis" not in names


def test_a_test_of_which_too_much_is_excluded_has_no_verdict(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, calls = Sounder.sound, []

    def sometimes_clipped(self: Sounder) -> Any:
        calls.append(1)
        if 60 < len(calls) < 70:
            raise Overload("receiver: clipped")
        return sound(self)

    monkeypatch.setattr(Sounder, "sound", sometimes_clipped)
    test = plan(rounds=8, stations=PLAN["stations"][:1], stopping={"max_retakes": 2, "max_excluded": 0.2})
    _, result = carry_out(station(), test, tmp_path)
    told = field_test.summary(result)
    assert (told["excluded"], told["retaken"], told["outcome"]) == (2, 4, "ERROR")
    assert result.finding == "supported"


def test_a_rule_that_stops_the_test_says_why_and_a_resumed_test_tells_of_it(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = plan(rules=[{"quantity": "temperature_c", "limit": 60.0, "then": "stop"}])
    monkeypatch.setattr("hil.drivers.pluto.PlutoSdr.temperature_c", 71.5)
    with pytest.raises(MeasurementError, match=r"temperature_c 71\.5 is above 60.*--resume"):
        carry_out(station(), warm, tmp_path)
    path = next(tmp_path.iterdir())
    with pytest.raises(MeasurementError, match="stopped by its plan"):  # still warm
        carry_out(station(), warm, Recording.resume(path))
    monkeypatch.undo()
    _, result = carry_out(station(), warm, Recording.resume(path))
    told = field_test.summary(result)
    assert told["outcome"] == "PASS"
    assert [each["why"] for each in told["aborted"]] == ["temperature_c 71.5 is above 60"] * 2
    assert told["excluded"] == 0


def test_the_operator_is_asked_before_each_visit_and_not_again_for_finished_ones(
    station: Station, tmp_path: Path
) -> None:
    asked: list[str] = []
    for progress in (interrupted_at("covered", 2), no_progress):
        with open_testbed(station()) as testbed:
            testbed.operator = asked.append
            runs = list(tmp_path.iterdir())
            recording = Recording.resume(runs[0]) if runs else begin(testbed, plan(), tmp_path)
            try:
                field_test.run(testbed, plan(), recording, progress)
            except KeyboardInterrupt:
                continue
    assert [text.partition(":")[0] for text in asked] == ["visit 1, desk", "visit 1, covered", "visit 1, covered"]
    assert "cover the surface with absorber" in asked[1]


def test_a_state_that_the_surface_does_not_have_is_refused_before_anything_is_radiated(
    station: Station, tmp_path: Path
) -> None:
    arms = [*PLAN["arms"], {"kind": "uniform", "name": "third", "state": 2}]
    with pytest.raises(ConfigError, match="third: state 2: the elements of this surface have 2 states"):
        carry_out(station(), plan(arms=arms), tmp_path)
    assert Recording.load(next(tmp_path.iterdir())).names == ()


def test_a_frozen_analysis_that_the_soundings_do_not_give_is_found_out(
    ended: tuple[Recording, FieldTestResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = field_test.analyse
    monkeypatch.setattr(field_test, "analyse", lambda *arguments: {**honest(*arguments), "codes": []})
    result = field_test.evaluate(Recording.load(ended[0].path))
    assert not result.checks["the soundings give the frozen analysis again"]
    assert result.outcome is Outcome.ERROR
    assert replace(result, checks=ended[1].checks).outcome is Outcome.PASS


def test_on_hardware_the_instruments_stay_the_operator_moves_and_there_is_no_truth(
    station: Station, tmp_path: Path
) -> None:
    """The simulated instruments, told that they are real: nothing is opened anew, nobody covers the surface."""
    asked: list[str] = []
    with open_testbed(station()) as bench:
        parts = {
            "radio": bench.config.radio.model_copy(update={"uri": "ip:192.168.2.1"}),
            "surface": bench.config.surface.model_copy(update={"port": "/dev/ttyUSB0"}),
        }
        bench.config, bench.truth, bench.operator = bench.config.model_copy(update=parts), None, asked.append
        recording = begin(bench, plan(), tmp_path)
        with pytest.raises(KeyboardInterrupt):
            field_test.run(bench, plan(), recording, interrupted_at("desk", 3))
        result = field_test.run(bench, plan(), Recording.resume(recording.path))
        assert bench.surface.read_pattern() is not None  # still open
    told = field_test.summary(result)
    assert told["outcome"] == "PASS" and len(asked) == 3
    assert told["gain_db"]["covered"]["stm"] == pytest.approx(told["gain_db"]["desk"]["stm"], abs=0.1)
    assert set(told["true_gain_db"].values()) == {None}
    assert "True gains" not in draw(result, tmp_path)[0].read_text()


@pytest.mark.parametrize("name", ["visit/00/desk/truth", "visit/00/covered/truth"])
def test_the_truth_of_a_visit_is_kept_where_the_test_was_cut_behind_its_last_round(
    station: Station,
    ended: tuple[Recording, FieldTestResult],
    tmp_path: Path,
    cut: Callable[[str, Callable[[], object]], None],
    everything: Callable[[Path], object],
    name: str,
) -> None:
    with open_testbed(station(**WALKERS)) as testbed:
        path = begin(testbed, plan(), tmp_path).path
        cut(name, lambda: field_test.run(testbed, plan(), Recording.resume(path)))
    carry_out(station(**WALKERS), plan(), Recording.resume(path))
    assert everything(path) == everything(ended[0].path)


def test_what_is_sounded_again_after_the_analysis_leaves_no_verdict_whoever_reads_it(
    station: Station, ended: tuple[Recording, FieldTestResult], tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(ended[0].path, path)
    for event in map(json.loads, (path / "events.jsonl").read_text().splitlines()):
        if event["step"] == "visit/00/desk/sweep/00001":
            (path / event["file"]).unlink()
    _, result = carry_out(station(**WALKERS), plan(), Recording.resume(path))
    assert result.outcome is Outcome.ERROR
    assert [name for name, holds in result.checks.items() if not holds] == [
        "the analysis was frozen after the last sounding and before the names were known"
    ]
    assert field_test.evaluate(Recording.load(path)).checks == result.checks
