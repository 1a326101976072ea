"""Many users end to end: who starts where, what is kept, resumption, a book that is damaged, and the truth outside."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.config import ManyUsersConfig, TestbedConfig
from hil.errors import ConfigError, RecordingError
from hil.experiments import many_users
from hil.experiments.begin import begin
from hil.experiments.many_users import ManyUsersResult, Served
from hil.experiments.users.book import BOOK
from hil.experiments.users.draw import draw
from hil.interfaces import Progress, no_progress
from hil.measure.known import KnownConfigurations
from hil.measure.recording import Recording
from hil.measure.verification import Interval, Outcome, Verification
from hil.optimize.power_only import CONFIRMATIONS
from hil.testbed import Testbed, open_testbed
from hil.testbed import place as places
from hil.yamlfile import load_yaml_text

Station = Callable[..., TestbedConfig]
PROCEDURE = """
schema: hil-experiment/1
kind: many_users
users:
  - {name: desk, position_m: [2.0, -1.1, 1.2]}
  - {name: chair, position_m: [2.1, -1.0, 1.2]}
reach_m: 0.5
sweep: {block: 64}
optimizer: {algorithm: tap-space-quick}
search: {method: flips_block, figure: rate, budget: 64, batch: 32}
verification: {rounds: 4, soundings: 1, held_out: 0}
turns_s: [0.005, 0.1]
"""


def procedure(**overrides: object) -> ManyUsersConfig:
    return load_yaml_text(PROCEDURE, "procedure", ManyUsersConfig, overrides)


def carried_out(
    station: TestbedConfig, experiment: ManyUsersConfig, folder: Path, progress: Progress = no_progress
) -> tuple[Recording, ManyUsersResult]:
    with open_testbed(station) as testbed:
        recording = begin(testbed, experiment, folder)
        return recording, many_users.run(testbed, experiment, recording, progress)


def steps(recording: Recording) -> dict[str, tuple[bytes, float, object]]:
    """All that was recorded, by name."""
    found = {name: recording.read(name) for name in recording.names}
    return {name: (step.data.tobytes(), step.time_s, step.facts) for name, step in found.items()}


@pytest.fixture(scope="module")
def finished(station: Station, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, ManyUsersResult]:
    return carried_out(station(), procedure(), tmp_path_factory.mktemp("runs"))


def test_the_first_is_swept_and_the_next_starts_from_him(finished: tuple[Recording, ManyUsersResult]) -> None:
    recording, result = finished
    desk, chair = result.users
    assert (desk.nearest, desk.way_m, desk.soundings) == (None, None, 512)
    assert (desk.began, chair.nearest, chair.soundings) == ("sweep", "desk", 3 * CONFIRMATIONS + 64)
    assert chair.way_m == pytest.approx(0.141, abs=1e-3)
    told = many_users.summary(result)
    rates = told["users"][1]["true_rate_mbps"]
    assert set(rates) == {"all_zero", "nearest", "turned", "chosen", "cold"}
    assert rates["chosen"] >= 0.995 * rates[chair.began]
    assert -3 * CONFIRMATIONS <= told["users"][1]["saved"] <= 64 - 3 * CONFIRMATIONS
    book = KnownConfigurations(recording.path / BOOK, 256)
    assert {each.user: each.rate_mbps for each in book} == {
        each.user: each.verification.rate_mbps["chosen"].value for each in result.users
    }
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(("nearest_mbps", "misled"), [(9.0, True), (11.0, False)])
def test_a_nearest_pattern_below_all_zeros_is_told_though_what_was_found_passes(
    nearest_mbps: float, misled: bool
) -> None:
    rates = {"all_zero": 10.0, "nearest": nearest_mbps, "chosen": 20.0}
    about = {name: Interval(rate, rate - 1, rate + 1) for name, rate in rates.items()}
    over = {name: Interval(20 - rate, 19 - rate, 21 - rate) for name, rate in rates.items() if name != "chosen"}
    served = Served("chair", "desk", 0.2, "turned", 76, Verification(about, {}, over, {}, 0.95), 40, {})
    assert served.verification.outcome is Outcome.PASS
    assert served.misled is misled


def test_turns_pay_for_switching(finished: tuple[Recording, ManyUsersResult]) -> None:
    result = finished[1]
    turns, user = result.turns, many_users.summary(result)["users"][0]
    assert len(turns.sent_s) == 2 * 3 and not turns.named_s.size
    assert 5e-3 < turns.switch_s < 20e-3  # 256 bits as text at 115200 baud
    assert user["served_mbps"]["0.005 s"] == 0
    assert user["served_mbps"]["0.1 s"] == pytest.approx(user["rate_mbps"]["chosen"] * (1 - turns.switch_s / 0.1) / 2)


def test_the_result_follows_from_the_run_directory_and_has_a_page(
    finished: tuple[Recording, ManyUsersResult], tmp_path: Path
) -> None:
    recording, result = finished
    again = many_users.evaluate(Recording.load(recording.path))
    assert many_users.summary(again) == many_users.summary(result)
    files = draw(again, tmp_path)
    assert [path.name for path in files] == ["report.md", "users.png", "served.png"]
    page = files[0].read_text()
    assert "| chair | desk |" in page and "full sweep" in page and BOOK in page


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize(
    "stage", ["user/desk/sweep", "user/desk/verify", "user/chair/starts", "user/chair/search", "user/chair/cold"]
)
def test_an_interrupted_run_records_what_the_whole_one_would_have(
    station: Station, tmp_path: Path, finished: tuple[Recording, ManyUsersResult], stage: str
) -> None:
    def stop(at: str, done: int, _total: int) -> None:
        if at == stage and done:
            raise Stopped

    with pytest.raises(Stopped):
        carried_out(station(), procedure(), tmp_path, stop)
    path = next(tmp_path.iterdir())
    with open_testbed(station()) as testbed:
        many_users.run(testbed, procedure(), Recording.resume(path))
    assert steps(Recording.load(path)) == steps(finished[0])


def test_a_run_begins_with_the_book_of_another_and_needs_it_once(
    station: Station, tmp_path: Path, finished: tuple[Recording, ManyUsersResult]
) -> None:
    book = tmp_path / "found.jsonl"
    book.write_bytes((finished[0].path / BOOK).read_bytes())
    late = [{"name": "late", "position_m": [2.0, -1.1, 1.2]}]
    experiment = procedure(users=late, book=str(book), compare_cold=False)
    recording, result = carried_out(station(), experiment, tmp_path / "runs")
    assert (result.users[0].nearest, result.users[0].way_m, result.users[0].saved) == ("desk", 0.0, None)
    book.unlink()
    assert many_users.summary(many_users.evaluate(Recording.load(recording.path)))["users"][0]["nearest"] == "desk"
    assert {each.user for each in KnownConfigurations(recording.path / BOOK, 256)} == {"desk", "chair", "late"}


def test_a_book_that_is_damaged_or_missing_is_refused(
    station: Station, tmp_path: Path, finished: tuple[Recording, ManyUsersResult]
) -> None:
    book = tmp_path / "found.jsonl"
    book.write_bytes((finished[0].path / BOOK).read_bytes()[:-40])
    for path in (book, tmp_path / "nothing.jsonl"):
        with pytest.raises(RecordingError, match=r"\.jsonl: holds no configurations"):
            carried_out(station(), procedure(book=str(path)), tmp_path / "runs")


def test_nothing_acts_on_the_truth(
    station: Station, tmp_path: Path, finished: tuple[Recording, ManyUsersResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the truth is recorded alike whatever the truth says."""

    def scrambled(*args: Any, **named: Any) -> Testbed:
        testbed = open_testbed(*args, **named)
        assert testbed.truth is not None
        response = testbed.truth.response
        testbed.truth.response = lambda *told: 0.5 * response(*told)  # type: ignore[method-assign]
        return testbed

    monkeypatch.setattr(places, "open_testbed", scrambled)
    other, _ = carried_out(station(), procedure(), tmp_path)
    mine, theirs = steps(finished[0]), steps(other)
    differing = {name for name in mine if mine[name] != theirs[name]}
    assert differing == {"user/desk/truth", "user/chair/truth"}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"users": [{"name": "a", "position_m": [1, 0, 1]}, {"name": "a", "position_m": [2, 0, 1]}]}, "same name"),
        ({"search.method": "voting"}, "has no start"),
        ({"users": []}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_opened(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        procedure(**wrong)


@pytest.mark.parametrize("hurt", [("user/chair/verify/00000",), ("user/desk/sweep/00001", "user/chair/arms")])
def test_what_was_damaged_of_a_user_who_was_served_is_measured_again(
    station: Station, finished: tuple[Recording, ManyUsersResult], tmp_path: Path, hurt: tuple[str, ...]
) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished[0].path, path)
    for event in map(json.loads, (path / "events.jsonl").read_text().splitlines()):
        if event["step"] in hurt:
            (path / event["file"]).unlink()
    with open_testbed(station()) as testbed:
        resumed = Recording.resume(path)
        assert set(resumed.damaged) == set(hurt)
        many_users.run(testbed, procedure(), resumed)
    assert set(Recording.load(path).names) == set(finished[0].names)
