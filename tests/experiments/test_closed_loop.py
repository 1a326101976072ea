"""The main job on simulated hardware: it configures the surface, says so truthfully, and loses nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.arrays import Complex, Pattern
from hil.config import ClosedLoopConfig, TestbedConfig, VerificationConfig
from hil.errors import MeasurementError, RadioError
from hil.experiments import closed_loop, verify
from hil.experiments.closed_loop import ClosedLoopResult
from hil.experiments.draw import draw
from hil.experiments.sound import sound_surface
from hil.interfaces import Progress, TrueChannel, Truth
from hil.measure.recording import Recording
from hil.measure.stepping import SoundingBlock
from hil.measure.verification import Outcome
from hil.testbed import Testbed, open_testbed

Station = Callable[..., TestbedConfig]
Procedure = Callable[..., ClosedLoopConfig]


def test_the_chosen_pattern_is_better_and_the_verdict_is_true(finished: tuple[Recording, ClosedLoopResult]) -> None:
    _, result = finished
    true_mbps = {name: result.setup.rate_mbps(response) for name, response in result.truth.items()}
    assert result.verification.outcome is Outcome.PASS
    assert true_mbps["chosen"] > true_mbps["best_pilot"] > true_mbps["all_zero"]
    for name, interval in result.verification.rate_mbps.items():
        assert interval.value == pytest.approx(true_mbps[name], rel=0.02)


def test_the_estimate_predicts_patterns_that_it_never_saw(finished: tuple[Recording, ClosedLoopResult]) -> None:
    _, result = finished
    assert result.true_nmse_db is not None
    assert result.true_nmse_db < -35
    told = result.prediction
    assert result.true_nmse_db - 4 < told.nmse_db < max(result.true_nmse_db, told.resolution_db) + 4


def test_everything_is_read_again_from_the_run_directory(finished: tuple[Recording, ClosedLoopResult]) -> None:
    recording, result = finished
    again = closed_loop.evaluate(Recording.load(recording.path))
    assert closed_loop.summary(again) == closed_loop.summary(result)
    assert np.array_equal(again.estimate.direct, result.estimate.direct)
    assert np.array_equal(again.estimate.cascade, result.estimate.cascade)
    json.dumps(closed_loop.summary(again), allow_nan=False)


Drown = Callable[[Pattern], None]


@pytest.fixture
def drown(finished: tuple[Recording, ClosedLoopResult], monkeypatch: pytest.MonkeyPatch) -> Drown:
    """Let nothing but noise be heard of some soundings of the verification: which ones a function tells."""
    recording, result = finished
    read, facts = verify.load_blocks, recording.read("verify/begin").facts
    config = VerificationConfig.model_validate(facts["config"])
    order = verify.Examination.of(result.choice, config, result.setup, facts["seed"]).patterns(slice(None))

    def drown(pattern: Pattern) -> None:
        hidden = (order == pattern).all(axis=1)

        def drowned(*args: Any) -> SoundingBlock:
            block, rng = read(*args), np.random.default_rng(7)
            noise = rng.standard_normal((*block.response.shape, 2)) @ [1, 1j]
            noise *= np.sqrt(block.noise_var / 2)[:, None] * result.setup.grid.used
            return replace(block, response=np.where(hidden[:, None], noise, block.response))

        monkeypatch.setattr(verify, "load_blocks", drowned)

    return drown


def test_of_a_chosen_pattern_that_noise_hides_nothing_is_said(
    finished: tuple[Recording, ClosedLoopResult], drown: Drown
) -> None:
    recording, result = finished
    assert verify.load_verdict(recording, result.choice).outcome is Outcome.PASS
    drown(result.choice.patterns["chosen"])
    with pytest.raises(MeasurementError, match=r"too deep in noise .* raise ofdm.repetitions"):
        verify.load_verdict(recording, result.choice)


def test_over_a_pattern_that_noise_hides_the_gain_is_told_as_far_as_noise_lets_it_be_seen(
    finished: tuple[Recording, ClosedLoopResult], drown: Drown
) -> None:
    recording, result = finished
    drown(result.choice.patterns["all_zero"])
    heard = closed_loop.evaluate(recording)
    gain = heard.verification.gain_db["chosen"]
    assert heard.verification.outcome is Outcome.PASS
    assert result.verification.gain_db["chosen"].high + 20 < gain.low <= gain.value < 100
    json.dumps(closed_loop.summary(heard), allow_nan=False)


def test_the_figures_are_drawn_from_the_run_directory(
    finished: tuple[Recording, ClosedLoopResult], tmp_path: Path
) -> None:
    files = draw(finished[1], tmp_path)
    names = {"response", "rates", "patterns", "prediction", "estimate", "residuals", "sounding_snr"}
    assert {file.name for file in files} == {f"{name}.png" for name in names}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_the_pattern_left_on_the_surface_is_the_chosen_one(
    testbed: Testbed, recording: Recording, procedure: Procedure
) -> None:
    result = closed_loop.run(testbed, procedure(), recording)
    held = testbed.surface.read_pattern()
    assert held is not None
    np.testing.assert_array_equal(held, result.choice.patterns["chosen"])


class Scrambled:
    """A truth that lies."""

    def __init__(self, truth: Truth) -> None:
        self._num_subcarriers = truth.no_surface().size

    def response(self, pattern: Pattern, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        return np.exp(1j * np.arange(self._num_subcarriers) ** 2) * (1 + pattern.sum())

    def no_surface(self, time_s: float | None = None) -> Complex[np.ndarray, "subcarrier"]:
        return np.ones(self._num_subcarriers, dtype=complex)

    def channel(self, time_s: float | None = None) -> TrueChannel:
        return TrueChannel(self.no_surface(), np.ones((1, self._num_subcarriers), dtype=complex))


def test_no_pattern_depends_on_the_truth(
    station: Station, procedure: Procedure, tmp_path: Path, finished: tuple[Recording, ClosedLoopResult]
) -> None:
    with open_testbed(station()) as testbed:
        assert testbed.truth is not None
        testbed.truth = Scrambled(testbed.truth)
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        result = closed_loop.run(testbed, procedure(), recording)
    _, honest = finished
    for name, pattern in honest.choice.patterns.items():
        np.testing.assert_array_equal(result.choice.patterns[name], pattern)
    assert steps(recording, but="truth") == steps(finished[0], but="truth")
    assert result.true_nmse_db != honest.true_nmse_db


def steps(recording: Recording, but: str = "") -> dict[str, str]:
    """SHA-256 of each step, and the noise on each subcarrier that stands beside it."""
    lines = (recording.path / "events.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["step"] != but]
    return {event["step"]: f"{event['sha256']} {event['facts'].get('noise_by_subcarrier')}" for event in events}


def interrupted_at(stage: str, count: int) -> Progress:
    """Ctrl+C, as it comes: in the middle of whatever runs."""

    def progress(current: str, done: int, _total: int) -> None:
        if current == stage and done == count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(("stage", "count"), [("sweep", 1), ("sweep", 100), ("sweep", 512), ("verify", 20)])
def test_an_interrupted_run_goes_on_to_the_same_records(
    station: Station,
    procedure: Procedure,
    tmp_path: Path,
    finished: tuple[Recording, ClosedLoopResult],
    stage: str,
    count: int,
) -> None:
    with open_testbed(station()) as testbed:
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        with pytest.raises(KeyboardInterrupt):
            closed_loop.run(testbed, procedure(), recording, interrupted_at(stage, count))
    before = steps(recording)
    with open_testbed(station()) as testbed:
        resumed = Recording.resume(recording.path)
        closed_loop.run(testbed, procedure(), resumed)
    assert before.items() <= steps(resumed).items()
    assert steps(resumed) == steps(finished[0])


def test_on_hardware_an_interrupted_sweep_begins_anew_since_its_phases_are_lost(
    station: Station, procedure: Procedure, tmp_path: Path
) -> None:
    with open_testbed(station()) as testbed:
        testbed.truth = None
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        with pytest.raises(KeyboardInterrupt):
            closed_loop.run(testbed, procedure(), recording, interrupted_at("sweep", 200))
    with open_testbed(station(simulation__seed=7)) as testbed:  # other LO phases
        testbed.truth = None
        result = closed_loop.run(testbed, procedure(), Recording.resume(recording.path))
    assert result.verification.outcome is Outcome.PASS
    assert result.prediction.nmse_db < -35


def test_the_same_seed_records_the_same_world_and_another_seed_another(
    station: Station, procedure: Procedure, tmp_path: Path, finished: tuple[Recording, ClosedLoopResult]
) -> None:
    with open_testbed(station(simulation__seed=2)) as testbed:
        recording = closed_loop.new_recording(testbed, procedure(), tmp_path)
        sound_surface(testbed, recording, procedure().sweep)
    other, one = steps(recording), steps(finished[0])
    assert all(other[name] != one[name] for name in other if name.startswith("sweep/0"))


def test_whatever_breaks_the_radio_is_quiet(testbed: Testbed, recording: Recording, procedure: Procedure) -> None:
    quiet = []
    testbed.config = testbed.config.model_copy(update={"listening": None})
    transmit, hush = testbed.sdr.transmit, testbed.sdr.quiet
    on_air: list[bool] = [False]

    def transmitting(frame: Complex[np.ndarray, "sample"]) -> None:
        transmit(frame)
        on_air[0] = True

    def hushing() -> None:
        hush()
        quiet.append(on_air[0])
        on_air[0] = False

    def breaking(_num_samples: int) -> None:
        raise RadioError("radio: the cable was pulled")

    testbed.sdr.transmit, testbed.sdr.quiet = transmitting, hushing  # type: ignore[method-assign]
    testbed.sdr.capture = breaking  # type: ignore[method-assign, assignment]
    with pytest.raises(RadioError, match="cable was pulled"):
        closed_loop.run(testbed, procedure(), recording)
    assert quiet == [True]
    assert on_air == [False]


@pytest.mark.parametrize("name", ["choice", "verify/begin"])
def test_a_run_cut_between_its_stages_records_what_the_whole_one_did(
    station: Callable[..., TestbedConfig],
    procedure: Callable[..., ClosedLoopConfig],
    finished: tuple[Recording, ClosedLoopResult],
    tmp_path: Path,
    cut: Callable[[str, Callable[[], object]], None],
    everything: Callable[[Path], object],
    name: str,
) -> None:
    with open_testbed(station()) as bed:
        path = closed_loop.new_recording(bed, procedure(), tmp_path).path
        cut(name, lambda: closed_loop.run(bed, procedure(), Recording.resume(path)))
    with open_testbed(station()) as bed:
        closed_loop.run(bed, procedure(), Recording.resume(path))
    assert everything(path) == everything(finished[0].path)
