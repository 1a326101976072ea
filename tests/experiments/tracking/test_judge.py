"""The judge of a track: when it looks, what was on the surface then, how old the soundings are that it serves on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import TrackConfig
from hil.experiments.track import _true_figures
from hil.experiments.tracking.judge import TRUTH, _instants, timelines
from hil.experiments.tracking.round_record import load_rounds
from hil.measure.recording import Recording, Step

BEGIN_S, FIRST = 3.1, np.array([9, 9], dtype=np.uint8)
NEVER_S = 1e9


def config(**changes: Any) -> TrackConfig:
    values = {"schema": "hil-experiment/1", "kind": "track", "duration_s": 2.0, "judge_every_s": 0.25}
    return TrackConfig.model_validate(values | changes)


def round_of(number: int, times_s: list[float], serving: int, **facts: Any) -> Step:
    """A round that sounded a pattern at each of these times, told by its number, and let another one serve."""
    count = len(times_s)
    kinds: list[Any] = [("patterns", "u1", (count, 2)), ("time_s", "<f8", (count,)), ("serving", "u1", (2,))]
    data = np.zeros(1, dtype=kinds)
    data["patterns"][0] = 10 * number + np.arange(count)[:, None]
    data["time_s"][0], data["serving"][0] = times_s, serving
    return Step(data, facts.pop("end_s"), {"number": number, **facts})


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """A first round that sounds two patterns, a second one that is lost, a third one that only listens."""
    recording = Recording.create(tmp_path, kind="k", testbed="t", manifest={})
    recording.append("track/begin", Step(FIRST, BEGIN_S))
    stages_s = {"reference": 0.1, "sound": 0.3, "serve": 0.2}
    away = {"away_from_s": 3.3, "away_until_s": 3.6, "listening": 0.25}
    first = round_of(1, [3.2, 3.5], 1, begin_s=3.1, applied_s=3.7, known_s=3.5, stages_s=stages_s, end_s=3.9, **away)
    lost = round_of(2, [], 1, begin_s=4.0, applied_s=4.2, known_s=4.1, lost="noise", end_s=4.3)
    third = round_of(3, [], 2, begin_s=4.4, applied_s=4.7, known_s=4.5, stages_s={"reference": 0.2}, end_s=4.9)
    for number, step in enumerate((first, lost, third), 1):
        recording.append(f"round/{number:05d}", step)
    return recording


def test_what_was_on_the_surface_and_whether_data_flowed_is_known_at_each_time(recording: Recording) -> None:
    configured, surface = timelines(recording)
    served = [(3.1, 9), (3.69, 9), (3.71, 1), (4.69, 1), (4.71, 2), (NEVER_S, 2)]
    assert [(time_s, configured.at(time_s)[0][0]) for time_s, _ in served] == served
    there = [
        (3.15, 9, 0.0),  # listened to
        (3.25, 9, 1.0),  # not away yet, though the first pattern was asked for
        (3.35, 10, 0.75), (3.55, 11, 0.75),
        (3.65, 9, 1.0), (3.75, 1, 1.0), (4.45, 1, 0.0), (4.65, 1, 1.0), (4.75, 2, 1.0),
    ]  # fmt: skip
    assert [(time_s, surface.at(time_s)[0][0], surface.at(time_s)[1]) for time_s, *_ in there] == there
    assert [bool(surface.away[index]) for index in np.searchsorted(surface.time_s, [3.35, 3.55, 3.65]) - 1] == [1, 1, 0]
    flowed_s = surface.data_s(3.1, 3.7)
    assert flowed_s.sum() == pytest.approx(0.1 + 0.75 * 0.3 + 0.1)
    assert flowed_s[surface.away].sum() == pytest.approx(0.75 * 0.3)


def test_a_round_lasts_until_its_step_and_serves_until_the_next_one_applies(
    recording: Recording,
) -> None:
    rounds = load_rounds(recording)
    assert [each.period_s for each in rounds] == pytest.approx([0.8, 0.3, 0.5])
    assert rounds[0].age_s == pytest.approx((3.7 + 4.2) / 2 - 3.5)
    assert [each.age_s for each in rounds[1:]] == [None, None], "a lost one made no pattern, of the last none knows"
    assert [each.lag_s for each in rounds] == [pytest.approx(0.2), None, pytest.approx(0.2)]


def test_one_instant_is_judged_in_each_whole_interval_the_same_for_every_policy(
    recording: Recording,
) -> None:
    found = _instants(recording, config())
    assert [around for _, around in found] == [(3.25 + 0.25 * k, 3.5 + 0.25 * k) for k in range(5)]
    assert all(low <= time_s < high for time_s, (low, high) in found)
    assert len({round((time_s - low) / (high - low), 6) for time_s, (low, high) in found}) == 5
    assert found == _instants(recording, config(policy={"name": "hold"})) != _instants(recording, config(seed=1))


def test_a_long_last_round_is_judged_no_longer_than_was_asked_for(recording: Recording) -> None:
    recording.append("track/end", Step(np.empty(0), 30.0))
    assert [around[1] for _, around in _instants(recording, config())][-1] == pytest.approx(5.0)


def test_a_judge_may_look_once_a_round_as_its_pattern_begins_to_serve(recording: Recording) -> None:
    """In the whole of it: a round that was lost took its time, whichever stages it came to."""
    found = _instants(recording, config(judge_every_s="round"))
    assert found == [(at_s, (begin_s, pytest.approx(end_s))) for at_s, begin_s, end_s in
                     ((3.7, 3.1, 3.9), (4.2, 4.0, 4.3), (4.7, 4.4, 4.9))]  # fmt: skip


def test_fractions_are_means_of_each_instants_own_fraction_of_the_best() -> None:
    truth = np.array([(0, 50, 40, 20, 100), (1, 10, 9, 10, 10)], dtype=TRUTH)
    figures = _true_figures(truth)
    assert figures["mean_true_fraction"] == pytest.approx(0.75)
    assert figures["mean_served_fraction"] == pytest.approx(0.65)
    assert figures["mean_hold_fraction"] == pytest.approx(0.6)
    assert (figures["optimum_mbps"], figures["judged_instants"]) == (55, 2)
