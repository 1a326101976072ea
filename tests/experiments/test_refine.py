"""The refinement as part of a closed loop: judged with the rest, resumable, off unless asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import ClosedLoopConfig, TestbedConfig
from hil.experiments import closed_loop
from hil.experiments.closed_loop import ClosedLoopResult
from hil.experiments.export import gather
from hil.measure.recording import Recording
from hil.testbed import open_testbed

PLAN = {"change": "flips", "trials": 6, "block": 4, "pairs": 3, "looks": 2, "last_pairs": 8}


@pytest.fixture(scope="module")
def whole(
    station: Callable[..., TestbedConfig], procedure: Callable[..., ClosedLoopConfig], tmp_path_factory
) -> tuple[Recording, ClosedLoopResult]:
    plan = procedure(refinement=PLAN, optimizer__algorithm="random")
    with open_testbed(station()) as testbed:
        recording = closed_loop.new_recording(testbed, plan, tmp_path_factory.mktemp("runs"))
        return recording, closed_loop.run(testbed, plan, recording)


def test_the_pattern_before_and_after_are_judged_beside_each_other(whole: tuple[Recording, ClosedLoopResult]) -> None:
    recording, result = whole
    told = closed_loop.summary(result)
    true = told["true_rate_mbps"]
    assert list(told["rate_mbps"]) == ["all_zero", "best_pilot", "stm", "chosen", "unrefined"]
    assert set(told["predicted_mbps"]) == set(told["rate_mbps"])
    assert true["chosen"] > 1.001 * true["unrefined"]
    assert told["rate_mbps"]["chosen"] == pytest.approx(true["chosen"], rel=0.01)
    again = closed_loop.evaluate(Recording.load(recording.path))
    assert closed_loop.summary(again) == told
    exported = {each.name: each.values for each in gather(recording)}
    assert list(exported["arm_name"]) == list(told["rate_mbps"])
    assert list(exported["arm_rate"]) == list(told["rate_mbps"].values())


def test_a_resumed_refinement_records_what_the_whole_one_would_have(
    whole: tuple[Recording, ClosedLoopResult],
    station: Callable[..., TestbedConfig],
    procedure: Callable[..., ClosedLoopConfig],
    tmp_path: Path,
) -> None:
    plan = procedure(refinement=PLAN, optimizer__algorithm="random")

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "refine" and done > 20:
            raise InterruptedError

    with open_testbed(station()) as testbed:
        path = closed_loop.new_recording(testbed, plan, tmp_path).path
        with pytest.raises(InterruptedError):
            closed_loop.run(testbed, plan, Recording.resume(path), stop)
    with open_testbed(station()) as testbed:
        closed_loop.run(testbed, plan, Recording.resume(path))
    resumed = Recording.load(path)
    assert set(resumed.names) == set(whole[0].names)
    for name in resumed.names:
        np.testing.assert_array_equal(resumed.read(name).data, whole[0].read(name).data)


def test_without_a_refinement_there_is_none(finished: tuple[Recording, ClosedLoopResult]) -> None:
    recording, result = finished
    assert not [name for name in recording.names if name.startswith("refine")]
    assert "unrefined" not in result.choice.patterns


@pytest.mark.parametrize(("change", "least"), [("taps", 1.05), ("flips", 1.005)])
def test_on_the_air_a_poor_start_gains_and_a_good_one_is_not_lost(
    station: Callable[..., TestbedConfig],
    procedure: Callable[..., ClosedLoopConfig],
    tmp_path: Path,
    change: str,
    least: float,
) -> None:
    """By the true channel. STM on this estimate is a local optimum: nothing that either change tries is better."""
    for algorithm, gain in (("random", least), ("stm", 1.0)):
        plan = procedure(sweep__group=[4, 4], refinement={"change": change, "block": 4}, optimizer__algorithm=algorithm)
        with open_testbed(station()) as testbed:
            recording = closed_loop.new_recording(testbed, plan, tmp_path)
            true = closed_loop.summary(closed_loop.run(testbed, plan, recording))["true_rate_mbps"]
        assert true["chosen"] >= gain * true["unrefined"]
