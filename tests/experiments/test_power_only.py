"""Search by power alone on the simulated bench: judged as everybody, resumable, blind to phase."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import PowerOnlyConfig, TestbedConfig
from hil.errors import RecordingError
from hil.experiments import power_only
from hil.experiments.begin import begin
from hil.experiments.power_only import PowerOnlyResult
from hil.measure.recording import Recording
from hil.testbed import Testbed, open_testbed
from hil.yamlfile import load_yaml_text

PROCEDURE = """
schema: hil-experiment/1
kind: power_only
search: {method: flips_column, budget: 200, batch: 25, repetitions: 2}
verification: {rounds: 6, soundings: 1, held_out: 0}
"""
Station = Callable[..., TestbedConfig]


def procedure(**overrides: object) -> PowerOnlyConfig:
    values = {path.replace("__", "."): value for path, value in overrides.items()}
    return load_yaml_text(PROCEDURE, "procedure", PowerOnlyConfig, values)


@pytest.fixture(scope="module")
def finished(station: Station, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, PowerOnlyResult]:
    with open_testbed(station()) as testbed:
        recording = begin(testbed, procedure(), tmp_path_factory.mktemp("runs"))
        return recording, power_only.run(testbed, procedure(), recording)


def steps(recording: Recording) -> dict[str, bytes]:
    return {name: recording.read(name).data.tobytes() for name in recording.names}


def test_the_chosen_pattern_beats_a_surface_that_nobody_configured(
    finished: tuple[Recording, PowerOnlyResult],
) -> None:
    told = power_only.summary(finished[1])
    true = told["true_rate_mbps"]
    assert told["outcome"] == "PASS"
    assert true["chosen"] > max(true["all_zero"], true["random"])
    assert told["rate_mbps"]["chosen"] == pytest.approx(true["chosen"], rel=0.01)
    assert told["num_pilots"] <= 200
    assert 0 < told["radio_time_s"] < 10


def test_the_result_is_read_from_the_run_directory_alone(finished: tuple[Recording, PowerOnlyResult]) -> None:
    recording, result = finished
    again = power_only.evaluate(Recording.load(recording.path))
    assert power_only.summary(again) == power_only.summary(result)


def test_the_chosen_pattern_is_left_on_the_surface(station: Station, tmp_path: Path) -> None:
    with open_testbed(station()) as testbed:
        result = power_only.run(testbed, procedure(), begin(testbed, procedure(), tmp_path))
        np.testing.assert_array_equal(testbed.surface.read_pattern(), result.found.patterns["chosen"])


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("after", [30])
def test_an_interrupted_run_records_what_the_whole_one_would_have(
    station: Station, tmp_path: Path, finished: tuple[Recording, PowerOnlyResult], after: int
) -> None:
    def stop(_stage: str, done: int, _total: int) -> None:
        if done > after:
            raise Stopped

    with open_testbed(station()) as testbed:
        path = begin(testbed, procedure(), tmp_path).path
        with pytest.raises(Stopped):
            power_only.run(testbed, procedure(), Recording.resume(path), stop)
    with open_testbed(station()) as testbed:
        power_only.run(testbed, procedure(), Recording.resume(path))
    assert steps(Recording.load(path)) == steps(finished[0])


def test_a_recording_of_another_search_is_not_gone_on_with(
    station: Station, tmp_path: Path, finished: tuple[Recording, PowerOnlyResult]
) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished[0].path, path)
    with open_testbed(station()) as testbed, pytest.raises(RecordingError, match="other patterns"):
        power_only.search_on_air(testbed, Recording.resume(path), procedure().search, seed=7)


def test_no_phase_is_looked_at(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A radio whose phase is new at each sounding finds the same pattern."""
    found = []
    for scrambled in (False, True):
        with open_testbed(station()) as testbed:
            if scrambled:
                _scramble(testbed, monkeypatch)
            recording = begin(testbed, procedure(), tmp_path)
            power_only.search_on_air(testbed, recording, procedure().search)
            found.append(power_only.load_search(recording).patterns["chosen"])
    np.testing.assert_array_equal(*found)


def _scramble(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, demodulate = np.random.default_rng(0), testbed.grid.demodulate

    def turned(samples: np.ndarray) -> np.ndarray:
        return demodulate(samples) * np.complex64(np.exp(2j * np.pi * rng.random()))

    monkeypatch.setattr(type(testbed.grid), "demodulate", lambda _grid, samples: turned(samples))


@pytest.mark.parametrize("method", ["quadratic"])
def test_each_method_gains_by_rate_too(station: Station, tmp_path: Path, method: str) -> None:
    with open_testbed(station()) as testbed:
        plan = procedure(search__method=method, search__figure="rate", search__budget=400, search__batch=64)
        recording = begin(testbed, plan, tmp_path)
        power_only.search_on_air(testbed, recording, plan.search)
        patterns = power_only.load_search(recording).patterns
        assert testbed.truth is not None
        rate = {name: testbed.setup.rate_mbps(testbed.truth.response(each)) for name, each in patterns.items()}
    assert rate["chosen"] > 1.01 * rate["all_zero"]


def test_figures_are_drawn(finished: tuple[Recording, PowerOnlyResult], tmp_path: Path) -> None:
    drawn = power_only.draw(finished[1], tmp_path)
    assert [path.name for path in drawn] == ["search.png", "response.png", "rates.png", "patterns.png"]
    assert all(path.stat().st_size > 5000 for path in drawn)


@pytest.mark.parametrize("name", ["found", "verify/begin"])
def test_a_search_cut_at_any_step_records_what_the_whole_one_did(
    station: Station,
    finished: tuple[Recording, PowerOnlyResult],
    tmp_path: Path,
    cut: Callable[[str, Callable[[], object]], None],
    name: str,
) -> None:
    with open_testbed(station()) as testbed:
        path = begin(testbed, procedure(), tmp_path).path
        cut(name, lambda: power_only.run(testbed, procedure(), Recording.resume(path)))
    with open_testbed(station()) as testbed:
        power_only.run(testbed, procedure(), Recording.resume(path))
    assert steps(Recording.load(path)) == steps(finished[0])


def test_questions_behind_a_damaged_answer_are_asked_again(
    station: Station, finished: tuple[Recording, PowerOnlyResult], tmp_path: Path
) -> None:
    """They followed from it; what was found and judged stays what it was."""
    path = tmp_path / "run"
    shutil.copytree(finished[0].path, path)
    asked = sorted(name for name in finished[0].names if name.startswith("search/") and name[7:].isdigit())
    log = (path / "events.jsonl").read_text().splitlines()
    (path / next(event["file"] for event in map(json.loads, log) if event["step"] == asked[1])).unlink()
    with open_testbed(station()) as testbed:
        result = power_only.run(testbed, procedure(), Recording.resume(path))
    assert power_only.summary(result)["rate_mbps"] == power_only.summary(finished[1])["rate_mbps"]
    assert result.found.num_patterns == finished[1].found.num_patterns


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_search_that_was_cut_short_is_no_result_yet(
    finished: tuple[Recording, PowerOnlyResult], tmp_path: Path, lines: int
) -> None:
    copy = shutil.copytree(finished[0].path, tmp_path / "cut")
    log = (copy / "events.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "events.jsonl").write_bytes(b"".join(log[:lines]))
    with pytest.raises(RecordingError, match=r"no step 'found' was recorded; .*hil run --resume"):
        power_only.evaluate(Recording.load(copy))
