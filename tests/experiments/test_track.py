"""A track end to end: a user who walks is followed by each policy, on boards that step by themselves or are told."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import TestbedConfig, TrackConfig
from hil.errors import BoardReset, ConfigError, RadioError
from hil.estimation.least_squares import CascadedEstimate
from hil.experiments import track
from hil.experiments.begin import begin
from hil.experiments.retakes import retakes_by_stage
from hil.experiments.track import TrackResult
from hil.experiments.tracking.draw import draw
from hil.experiments.tracking.judge import Timeline, served_mbps, timelines
from hil.experiments.tracking.round_record import Round
from hil.experiments.tracking.rounds import MAX_LOST
from hil.interfaces import Capture, Truth
from hil.measure.recording import Recording
from hil.measure.sweep import SweepPlan
from hil.sim.adi_pluto import Pluto
from hil.testbed import Testbed, open_testbed
from hil.yamlfile import load_yaml_text

REFERENCE = Path(__file__).parents[2] / "firmware_profiles/reference-64x64.yaml"
MakeStation = Callable[..., TestbedConfig]
LOOP = """
schema: hil-experiment/1
kind: track
duration_s: 1.0
policy: {patterns: 12, modes: 32, fastest_m_per_s: 0.2}
serve_s: 0.1
judge_every_s: 0.25
"""


def loop(**overrides: object) -> TrackConfig:
    values = {path.replace("__", "."): value for path, value in overrides.items()}
    return load_yaml_text(LOOP, "loop", TrackConfig, values)


def walking(config: TestbedConfig, speed_m_per_s: float = 0.1, start_s: float = 2.0) -> TestbedConfig:
    """The station with a user who sets off once the first sweep is made."""
    user = config.users[0]
    path = {"to_m": [(user.position_m[0] + 0.5, *user.position_m[1:])], "speed_m_per_s": speed_m_per_s}
    walker = type(user).model_validate({**user.model_dump(), "path": {**path, "start_s": start_s}})
    return config.model_copy(update={"users": (walker,)})


Learnt = tuple[SweepPlan, CascadedEstimate, float]
_LEARNT: dict[str, Learnt] = {}


def followed(
    config: TestbedConfig, experiment: TrackConfig, folder: Path, hurt: Callable[[Testbed], None] = lambda bed: None
) -> tuple[Recording, TrackResult]:
    """A track; the first sweep of each station is made once for all tests: before it nobody moves."""
    place = f"{config.surface.profile} {config.users[0].position_m}"
    with open_testbed(config) as bed:
        recording = begin(bed, experiment, folder)
        if place not in _LEARNT:
            _LEARNT[place] = (*track.learn(bed, recording, experiment), bed.clock.now_s())
        plan, estimate, time_s = _LEARNT[place]
        bed.continue_at(time_s)
        hurt(bed)
        return recording, track.follow(bed, recording, experiment, plan, estimate)


@pytest.fixture(scope="module")
def small_board(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A profile of the board that steps by itself, with 16 x 16 elements."""
    text = REFERENCE.read_text().replace("rows: 64", "rows: 16").replace("cols: 64", "cols: 16")
    path = tmp_path_factory.mktemp("board") / "small.yaml"
    path.write_text(text.replace("slots: 4096", "slots: 512"))
    return str(path)


@pytest.fixture(scope="module")
def told(station: MakeStation, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, TrackResult]:
    """One track on the board that is told pattern by pattern."""
    return followed(walking(station()), loop(), tmp_path_factory.mktemp("runs"))


def test_every_round_is_recorded_and_judged(told: tuple[Recording, TrackResult]) -> None:
    _, result = told
    figures = track.summary(result)
    assert figures["rounds"] == len(result.rounds) >= 3
    assert figures["lost_rounds"] == 0
    assert figures["mean_true_fraction"] > 0.9
    assert 0 < figures["mean_served_fraction"] <= figures["mean_true_fraction"] + 0.02
    assert figures["follows_m_per_s"] > 0
    assert {"reference", "sound", "compute", "apply", "serve"} <= set(figures["stages_s"])
    json.dumps(figures, allow_nan=False)
    assert result.truth is not None
    assert (result.truth["configured_mbps"] <= result.truth["optimum_mbps"]).all()


def test_the_figures_follow_from_the_run_directory_alone(told: tuple[Recording, TrackResult]) -> None:
    recording, result = told
    assert track.summary(track.evaluate(Recording.load(recording.path))) == track.summary(result)


def test_figures_are_drawn(told: tuple[Recording, TrackResult], tmp_path: Path) -> None:
    assert [path.name for path in draw(told[1], tmp_path)] == ["track.png", "stages.png"]


def test_the_surface_shows_what_the_timeline_says(told: tuple[Recording, TrackResult]) -> None:
    recording, result = told
    configured, surface = timelines(recording)
    sounded = next(each for each in result.rounds if each.patterns)
    assert sounded.away_from_s is not None and sounded.away_until_s is not None
    before, flowing = configured.at(sounded.away_from_s)[0], surface.at(sounded.begin_s - 1e-6)[1]
    assert flowing == 1.0
    shown, flowing = surface.at(sounded.begin_s + 1e-6)
    assert flowing == 0 and np.array_equal(shown, before), "pilots are listened to while the pattern stays"
    during, flowing = surface.at((sounded.away_from_s + sounded.away_until_s) / 2)
    assert flowing < 1 and not np.array_equal(during, before)
    assert np.array_equal(surface.at(sounded.away_until_s + 1e-6)[0], before)


def test_the_first_pattern_is_foreseen_in_every_round_and_sounded_in_some(station: MakeStation, tmp_path: Path) -> None:
    _, result = followed(walking(station()), loop(policy__quiet=0.0, hold_every=3), tmp_path)
    sounded = [each.hold_mbps is not None for each in result.rounds]
    assert sounded[::3] == [True] * len(sounded[::3])
    assert not all(sounded)
    begin = result.rounds[0]
    assert begin.hold_mbps == begin.measured_mbps, "the first pattern still serves: nothing is compared with itself"
    assert all((each.hold_predicted_mbps or 0) > 0 for each in result.rounds)


def test_served_is_the_mean_over_an_interval_of_what_was_on_the_surface() -> None:
    """0.4 s of what was configured at 100, 0.1 s without data, 0.2 s of another at 50 half the time, 0.3 s again."""
    here, other = np.zeros(4, dtype=np.uint8), np.ones(4, dtype=np.uint8)
    surface = Timeline(
        np.array([0.0, 1.4, 1.5, 1.7]),
        [here, here, other, here],
        np.array([1.0, 0.0, 0.5, 1.0]),
        np.array([False, False, True, False]),
    )
    assert surface.data_s(1.0, 2.0) == pytest.approx([0.4, 0.0, 0.1, 0.3])
    rng = np.random.default_rng(0)
    served = served_mbps(surface, (1.0, 2.0), 100.0, lambda pattern: 50.0 if pattern[0] else float("nan"), rng)
    assert served == pytest.approx(0.7 * 100 + 0.1 * 50)


@pytest.mark.parametrize("policy", ["hold", "full", "grouped", "partial", "progressive", "two_timescale"])
def test_each_policy_follows_on_a_board_that_steps_by_itself(
    station: MakeStation, small_board: str, tmp_path: Path, policy: str
) -> None:
    experiment = loop(
        policy__name=policy, policy__patterns=32, policy__symbols=8, duration_s=0.3, serve_s=0.02, judge_every_s=0.05
    )
    config = walking(station(surface__profile=small_board), speed_m_per_s=0.02, start_s=0.4)
    _, result = followed(config, experiment, tmp_path)
    assert [each.lost for each in result.rounds if each.lost] == []
    figures = track.summary(result)
    assert figures["mean_true_fraction"] > 0.8
    assert (policy == "hold") == (not any(each.patterns for each in result.rounds))


def test_who_stands_is_not_sounded_again_and_again(station: MakeStation, tmp_path: Path) -> None:
    _, result = followed(station(), loop(), tmp_path)
    assert [each.patterns > 0 for each in result.rounds] == [True] + [False] * (len(result.rounds) - 1)
    assert all(each.surprise is None or each.surprise < 3e-3 for each in result.rounds)


def test_the_clock_is_charged_for_the_software(station: MakeStation, tmp_path: Path) -> None:
    _, result = followed(station(), loop(duration_s=0.3, compute_s=0.123, policy__name="full"), tmp_path)
    assert all(each.stages_s["compute"] == pytest.approx(0.123) for each in result.rounds)


def test_where_rounds_overlap_the_next_is_sounded_while_this_one_is_computed(
    station: MakeStation, small_board: str, tmp_path: Path
) -> None:
    config = walking(station(surface__profile=small_board), speed_m_per_s=0.2, start_s=0.4)
    settings: dict[str, Any] = {"duration_s": 0.5, "serve_s": 0.0, "compute_s": 0.06, "policy__quiet": 0.0}
    in_turn = followed(config, loop(**settings), tmp_path)[1].rounds[2:]
    overlapping = followed(config, loop(**settings, overlap=True), tmp_path)[1].rounds[2:]
    for one, other in zip(in_turn, overlapping, strict=False):
        sounded_s = one.stages_s["reference"] + one.stages_s["sound"]
        assert one.stages_s["compute"] == pytest.approx(0.06)
        assert other.stages_s["compute"] == pytest.approx(0.06 - sounded_s, abs=1e-3), "what is left of it"
        assert one.known_s == one.sounded_s
        assert other.known_s is not None and other.known_s < other.begin_s, "of the round before"
    assert len(overlapping) > 1.2 * len(in_turn)
    assert all((each.lag_s or 0) > 0.06 for each in overlapping)


def test_an_overlapping_track_is_the_same_again(station: MakeStation, small_board: str, tmp_path: Path) -> None:
    config = walking(station(surface__profile=small_board), speed_m_per_s=0.2, start_s=0.4)
    one, other = (followed(config, loop(duration_s=0.3, serve_s=0.0, overlap=True), tmp_path)[0] for _ in range(2))
    assert served(one) == served(other)


def test_what_sounding_takes_of_the_software_is_charged_with_it(
    station: MakeStation, small_board: str, tmp_path: Path
) -> None:
    config = walking(station(surface__profile=small_board), speed_m_per_s=0.2, start_s=0.4)
    settings: dict[str, Any] = {"duration_s": 0.3, "serve_s": 0.0, "compute_s": 0.06, "policy__quiet": 0.0}
    free, charged = (followed(config, loop(**settings, receive_s=each), tmp_path)[1].rounds[1] for each in (0.0, 0.02))
    assert charged.stages_s["sound"] == pytest.approx(free.stages_s["sound"] + 0.02)
    assert charged.stages_s["compute"] == pytest.approx(free.stages_s["compute"] - 0.02)
    assert 0 < (charged.thinking_ms or 0) < charged.software_ms
    with pytest.raises(ConfigError, match="part of compute_s"):
        track.check(loop(compute_s=0.01, receive_s=0.02))


@pytest.mark.parametrize("policy", ["partial", "progressive"])
def test_rounds_of_policies_that_take_turns_do_not_overlap(policy: str) -> None:
    with pytest.raises(ConfigError, match="overlap"):
        track.check(loop(policy__name=policy, overlap=True))


def test_a_round_that_is_lost_leaves_the_last_good_pattern_on_the_surface(station: MakeStation, tmp_path: Path) -> None:
    def restart_once(bed: Testbed) -> None:
        apply, calls = bed.surface.apply, iter(range(100))

        def restarting(*args: object, **more: object) -> None:
            if 1 <= next(calls) <= 6:  # as often as a pattern is tried
                raise BoardReset("the board restarted")
            apply(*args, **more)  # type: ignore[arg-type]

        bed.surface.apply = restarting  # type: ignore[method-assign]

    recording, result = followed(walking(station()), loop(policy__quiet=0.0), tmp_path, restart_once)
    lost = [each for each in result.rounds if each.lost]
    assert len(lost) == 1 and "restarted 6 times" in str(lost[0].lost)
    serving = recording.read(f"round/{lost[0].number:05d}").data[0]["serving"]
    assert np.array_equal(serving, recording.read("track/begin").data)
    assert track.summary(result)["lost_rounds"] == 1
    assert sum(lost[0].stages_s.values()) > 0.5 * (lost[0].period_s or 0.0), "what failed took its time"


def test_trouble_that_stays_ends_the_track_with_its_error(station: MakeStation, tmp_path: Path) -> None:
    def broken(bed: Testbed) -> None:
        apply, calls = bed.surface.apply, iter(range(1000))

        def gone(*args: object, **more: object) -> None:
            if next(calls):
                raise BoardReset("gone for good")
            apply(*args, **more)  # type: ignore[arg-type]

        bed.surface.apply = gone  # type: ignore[method-assign]

    with pytest.raises(BoardReset, match="gone for good"):
        followed(walking(station()), loop(duration_s=60.0, policy__quiet=0.0), tmp_path, broken)
    recording = Recording.load(next(tmp_path.iterdir()))
    assert sum(name.startswith("round/") for name in recording.names) == MAX_LOST


def test_a_radio_that_is_lost_amid_a_track_is_named_by_what_happened_to_it(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx = Pluto.rx

    def pulled(_bed: Testbed) -> None:
        calls = iter(range(1000))

        def gone(radio: Pluto) -> np.ndarray:
            if next(calls) == 20:
                raise OSError(errno.EPIPE, "Broken pipe")
            return rx(radio)

        monkeypatch.setattr(Pluto, "rx", gone)

    with pytest.raises(RadioError, match="Broken pipe"):
        followed(walking(station()), loop(duration_s=60.0, policy__quiet=0.0), tmp_path, pulled)
    lost = [each.lost for each in track.evaluate(Recording.load(next(tmp_path.iterdir()))).rounds if each.lost]
    assert len(lost) == MAX_LOST and all("call configure() first" in why for why in lost[1:])


def test_nothing_acts_on_the_truth(told: tuple[Recording, TrackResult], station: MakeStation, tmp_path: Path) -> None:
    """Patterns are the same whatever the truth says."""

    def scramble(bed: Testbed) -> None:
        assert bed.truth is not None
        bed.truth = _Scrambled(bed.truth)  # type: ignore[assignment]

    other, _ = followed(walking(station()), loop(), tmp_path, scramble)
    assert served(told[0]) == served(other)
    assert not np.array_equal(told[0].read("truth").data, other.read("truth").data)


def served(recording: Recording) -> list[bytes]:
    """Patterns of all rounds."""
    rounds = [name for name in recording.names if name.startswith("round/")]
    return [recording.read(name).data[0]["serving"].tobytes() for name in rounds]


class _Scrambled:
    """Another channel than the one that is there."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def __getattr__(self, name: str) -> object:
        value = getattr(self._truth, name)
        return (lambda *args: 0.5 * value(*args)) if name == "response" else value


def test_an_interrupted_track_has_ended(told: tuple[Recording, TrackResult], station: MakeStation) -> None:
    recording, result = told
    plan, estimate, _ = next(iter(_LEARNT.values()))
    with open_testbed(walking(station())) as bed:
        repeated = track.follow(bed, Recording.resume(recording.path), loop(), plan, estimate)
    assert [each.number for each in repeated.rounds] == [each.number for each in result.rounds]


def test_a_first_sweep_of_groups_is_refused() -> None:
    with pytest.raises(ConfigError, match="single elements"):
        track.check(loop(sweep__scheme="pairs", sweep__group=[2, 2]))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"sweep__scheme": "dft"}, "two states"), ({"sweep__patterns": 100}, "policy.patterns")],
)
def test_what_rounds_cannot_go_on_from_is_refused_with_the_reason(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        track.check(loop(**settings))


def test_references_belong_to_the_first_sweep_only(station: MakeStation, tmp_path: Path) -> None:
    experiment = loop(sweep__scheme="hadamard", sweep__reference_every=16, policy__name="full", duration_s=0.1)
    track.check(experiment)
    with open_testbed(station()) as bed:
        result = track.run(bed, experiment, recording := begin(bed, experiment, tmp_path))
    sounded = sum(recording.read(f"sweep/{block:05d}").data["time_s"].size for block in range(5))
    assert sounded == 256 + 17, "one before each 16 and one at the end"
    assert result.rounds[0].patterns == 1 + 256, "of what served, and of the sweep"
    assert track.summary(result)["mean_true_fraction"] > 0.95


def test_what_was_sounded_again_is_counted_and_told(station: MakeStation, tmp_path: Path) -> None:
    """A reference that clipped and a pattern that met a restart: both in round, summary and record."""

    def trouble(bed: Testbed) -> None:
        capture, apply = bed.sdr.capture, bed.surface.apply
        captures, applied = iter(range(1000)), iter(range(1000))

        def clipping(num_samples: int) -> Capture:
            taken = capture(num_samples)
            return replace(taken, overloaded=True) if next(captures) == 1 else taken  # loops settle on the first

        def restarting(*args: object, **more: object) -> None:
            if next(applied) == 1:  # the first pattern of the first round
                raise BoardReset("the board restarted")
            apply(*args, **more)  # type: ignore[arg-type]

        bed.sdr.capture, bed.surface.apply = clipping, restarting  # type: ignore[method-assign]

    recording, result = followed(walking(station()), loop(policy__quiet=0.0), tmp_path, trouble)
    figures = track.summary(result)
    assert (figures["overloaded"], figures["restarts"]) == (1, 1)
    assert figures["retaken"] == 2
    assert retakes_by_stage(recording)["round"] == figures["retaken"]
    first = recording.read("round/00001").data[0]
    assert first["retakes"][0] == 1 and np.any(first["reference"])


def test_the_first_pattern_is_compared_in_rounds_in_which_it_was_sounded(told: tuple[Recording, TrackResult]) -> None:
    result = told[1]

    def told_of(*rates: tuple[float, float | None]) -> tuple[str, float | None, int]:
        rounds = [Round(number, 0.0, measured_mbps=mine, hold_mbps=first) for number, (mine, first) in enumerate(rates)]
        figures = track.summary(replace(result, rounds=rounds))
        return figures["outcome"], figures["gain_over_hold_mbps"], figures["rounds_compared"]

    assert told_of((100.0, 90.0), (50.0, None)) == ("PASS", 10.0, 1), "a worse place says nothing of the first pattern"
    assert told_of((80.0, 90.0), (150.0, None)) == ("FAIL", -10.0, 1)
    assert told_of((80.0, 80.0), (150.0, None)) == ("PASS", None, 0)
