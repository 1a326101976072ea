"""What cannot be placed is sounded again before the radio is quiet, durably, and the table says so."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.estimation.estimate import estimate_channel
from hil.experiments import again, closed_loop, sound
from hil.experiments.sound import Sweep, load_sweep, sound_surface
from hil.measure.recording import Recording
from hil.testbed import Testbed, open_testbed

MakeStation = Callable[..., TestbedConfig]
DOUBTFUL = np.array([4, 5, 70, 71])
SWEEP = SweepConfig(group=(2, 2), block=64, repetitions=2)  # 128 soundings


@pytest.fixture
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pairs of every sweep are in doubt."""
    monkeypatch.setattr(again.Doubt, "__call__", lambda doubt, soundings: DOUBTFUL)


def swept(bed: Testbed, folder: Path) -> tuple[Sweep, Recording]:
    recording = closed_loop.new_recording(bed, root=folder)
    return sound_surface(bed, recording, SWEEP, seed=1), recording


def steps(recording: Recording) -> dict[str, str]:
    lines = (recording.path / "events.jsonl").read_text().splitlines()
    return {event["step"]: event["sha256"] for event in map(json.loads, lines)}


@pytest.mark.usefixtures("in_doubt")
def test_soundings_in_doubt_are_replaced_by_better_ones_and_counted(testbed: Testbed, tmp_path: Path) -> None:
    sweep, recording = swept(testbed, tmp_path)
    first = sound.load_blocks(recording, "sweep", sweep.plan.num_patterns, sweep.plan.block_size)
    changed = np.flatnonzero(np.any(sweep.soundings.response != first.response, axis=1))
    np.testing.assert_array_equal(changed, DOUBTFUL)
    np.testing.assert_array_equal(sweep.soundings.retakes - first.retakes, np.isin(np.arange(128), DOUBTFUL))
    assert sweep.ambiguous == 4
    assert sweep.retaken == int(first.retakes.sum()) + 4
    assert np.all(sweep.soundings.time_s[DOUBTFUL] > first.time_s.max())
    assert np.median(sweep.soundings.noise_var[DOUBTFUL]) < 0.5 * np.median(first.noise_var)
    assert estimate_channel(sweep, testbed.setup).lost == 0


@pytest.mark.usefixtures("in_doubt")
@pytest.mark.parametrize(("where", "name"), [(sound, "sound_again"), (again, "sound_patterns")])
def test_an_interrupted_retake_goes_on_to_the_same_records(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: ModuleType, name: str
) -> None:
    with open_testbed(station()) as bed:
        whole = steps(swept(bed, tmp_path)[1])
    with open_testbed(station()) as bed:
        recording = closed_loop.new_recording(bed, root=tmp_path)

        def ctrl_c(*_args: object, **_more: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as hurt, pytest.raises(KeyboardInterrupt):
            hurt.setattr(where, name, ctrl_c)
            sound_surface(bed, recording, SWEEP, seed=1)
    assert "sweep/again" not in recording
    with open_testbed(station()) as bed:
        resumed = Recording.resume(recording.path)
        sound_surface(bed, resumed, SWEEP, seed=1)
    assert steps(resumed) == whole


def test_a_sweep_without_doubt_has_nothing_to_take_again(testbed: Testbed, tmp_path: Path) -> None:
    sweep, recording = swept(testbed, tmp_path)
    assert sweep.ambiguous == 0
    assert recording.read("sweep/again").data.size == 0
    assert load_sweep(recording).retaken == sweep.retaken


def test_in_noise_what_was_in_doubt_is_placed_by_longer_soundings(station: MakeStation, tmp_path: Path) -> None:
    with open_testbed(station(power__radiated_power_dbm=-59)) as bed:
        sweep, recording = swept(bed, tmp_path)
        first = sound.load_blocks(recording, "sweep", sweep.plan.num_patterns, sweep.plan.block_size)
        before = again.Doubt(bed, sweep.plan)(first)
        after = again.Doubt(bed, sweep.plan)(sweep.soundings)
        np.testing.assert_array_equal(recording.read("sweep/again").facts["which"], before)
        assert before.size > 20
        assert after.size < 0.25 * before.size


def test_both_of_a_pair_are_sounded_again(testbed: Testbed, tmp_path: Path) -> None:
    sweep, _ = swept(testbed, tmp_path)
    sweep.soundings.response[9] = sweep.soundings.response[9, ::-1].conj() * 1e-3  # one sounding is mere noise
    doubt = again.Doubt(testbed, sweep.plan)
    np.testing.assert_array_equal(doubt(sweep.soundings), [8, 9])
    assert doubt.alignment is None


def test_what_was_aligned_while_sounding_makes_the_estimate_that_the_record_makes(
    testbed: Testbed, tmp_path: Path
) -> None:
    sweep, recording = swept(testbed, tmp_path)
    recorded = load_sweep(recording)
    assert sweep.alignment is not None and recorded.alignment is None
    np.testing.assert_array_equal(sweep.soundings.records(), recorded.soundings.records())
    assert vars(sweep).keys() == vars(recorded).keys()
    for name in ("mode", "radio_time_s", "floor_s", "upload_s", "ambiguous", "reference_snr_db", "listening"):
        assert getattr(sweep, name) == getattr(recorded, name)
    mine, theirs = (estimate_channel(each, testbed.setup) for each in (sweep, recorded))
    np.testing.assert_array_equal(mine.cascade, theirs.cascade)
    np.testing.assert_array_equal(mine.direct, theirs.direct)
