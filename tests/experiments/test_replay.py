"""Raw samples of a run go again through driver, sounder and estimator: the same to the byte, or it is told."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import SweepConfig, TestbedConfig
from hil.errors import BoardReset, RecordingError
from hil.experiments import closed_loop, sound
from hil.experiments import replay as replaying
from hil.experiments.replay import replay
from hil.experiments.sound import load_sweep, sound_surface
from hil.measure.raw_iq import RawCapture, RawStep, read_raw
from hil.measure.recording import Recording
from hil.sim.adi_pluto import Pluto
from hil.testbed import Testbed, open_testbed

MakeStation = Callable[..., TestbedConfig]


def recorded(
    config: TestbedConfig, folder: Path, hurt: Callable[[Testbed], object] = lambda bed: None, **sweep: object
) -> Recording:
    """A sweep of 16 soundings in two steps with its raw samples."""
    asked = {"group": (8, 4), "block": 8, "record_iq": True, **sweep}
    with open_testbed(config) as bed:
        recording = closed_loop.new_recording(bed, root=folder)
        hurt(bed)
        sound_surface(bed, recording, SweepConfig.model_validate(asked), seed=1)
    return Recording.load(recording.path)


def clip(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Let the radio's ADC stand at its limit in some of its captures."""
    rx, count = Pluto.rx, iter(range(10_000))

    def clipped(self: Pluto) -> Any:
        samples = rx(self)
        return samples + (2047 - samples.real.max()) if next(count) in numbers else samples

    monkeypatch.setattr(Pluto, "rx", clipped)


@pytest.mark.parametrize("mode", ["auto", "stepped"])
def test_a_sweep_comes_out_of_its_raw_samples_to_the_byte(station: MakeStation, tmp_path: Path, mode: str) -> None:
    recording = recorded(station(), tmp_path, mode=mode)
    assert load_sweep(recording).mode == ("pipelined" if mode == "auto" else "stepped")
    found = replay(recording)
    assert found.same
    assert [(step.name, step.soundings) for step in found.steps] == [("sweep/00000", 8), ("sweep/00001", 8)]
    assert found.estimates == {"sweep": ""}


def test_a_second_receivers_samples_are_replayed_too(station: MakeStation, tmp_path: Path) -> None:
    recording = recorded(station(simulation__num_channels=2, simulation__reference_db=-40.0), tmp_path)
    assert load_sweep(recording).soundings.reference is not None
    assert read_raw(recording, "sweep/00000").captures[0].samples.shape[1:] == (2, 2)
    assert replay(recording).same


LONG: dict[str, dict[str, object]] = {
    "sequence": {"group": (4, 4), "repetitions": 1},  # stored patterns
    "sequence made by the board": {"group": (1, 1), "scheme": "hadamard", "repetitions": 2},
    "triggered": {"group": (1, 1), "scheme": "hadamard", "repetitions": 1},
    "burst": {"group": (4, 4), "repetitions": 2},
}


@pytest.fixture(scope="session")
def long_station(station: MakeStation, small_board: Callable[..., str]) -> MakeStation:
    """With a board for all modes of many patterns in a capture."""
    path = small_board()
    return lambda **more: station(**{"surface__profile": path, "surface__trigger": "radio", **more})


def restart_during(calls: dict[str, int]) -> Callable[[Testbed], None]:
    """The board restarts 2 ms after the call of that name and number was made, and says so."""

    def hurt(bed: Testbed) -> None:
        line = bed.surface._link.line  # type: ignore[attr-defined]
        for name, number in calls.items():
            call, count = getattr(bed.surface, name), iter(range(10_000))

            def called(
                *args: object, call: Any = call, count: Any = count, number: int = number, **more: object
            ) -> Any:
                if next(count) == number:
                    line._at(bed.clock.now_s() + 2e-3, lambda made, time_s: made.reset(time_s))
                return call(*args, **more)

            setattr(bed.surface, name, called)

    return hurt


@pytest.mark.parametrize(("case", "radios"), [*((case, 1) for case in LONG), ("sequence", 2), ("burst", 2)])
def test_many_patterns_in_a_capture_come_out_of_their_raw_samples_to_the_byte(
    long_station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, radios: int
) -> None:
    """Captures that clipped and restarts of the board among them."""
    mode = case.split()[0]
    clip(monkeypatch, 3)
    two = {"receiver": {"uri": "sim"}, "simulation__crystal": {"offset_ppm": 20.0}} if radios == 2 else {}
    hurt = restart_during({"stream": 1, "arm_sequence": 1, "arm_hadamard": 1})
    recording = recorded(long_station(**two), tmp_path, hurt, mode=mode, **LONG[case])
    sweep = load_sweep(recording)
    assert sweep.mode == mode
    found = replay(recording)
    assert [step.difference for step in found.steps] == [""] * sweep.plan.num_blocks
    assert found.estimates == {"sweep": ""}
    assert sum(step.captures for step in found.steps) > sweep.plan.num_blocks
    assert sweep.soundings.resets == 1


def test_retaken_captures_and_restarts_are_part_of_what_is_replayed(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart(bed: Testbed) -> None:
        check, count = bed.surface.check, iter(range(10_000))

        def restarting() -> None:
            check()
            if next(count) == 5:
                raise BoardReset("banner seen")

        monkeypatch.setattr(bed.surface, "check", restarting)

    clip(monkeypatch, 3, 4, 12)
    recording = recorded(station(), tmp_path, restart)
    sweep = load_sweep(recording)
    assert sweep.retaken == 4 and sweep.soundings.resets == 1
    found = replay(recording)
    assert found.same
    assert sum(step.captures for step in found.steps) == 16 + 4


def test_a_whole_run_is_replayed_its_verification_too(
    station: MakeStation, procedure: Callable[..., Any], tmp_path: Path
) -> None:
    experiment = procedure(sweep__record_iq=True, sweep__group=[8, 4])
    with open_testbed(station()) as bed:
        recording = closed_loop.new_recording(bed, experiment, tmp_path)
        closed_loop.run(bed, experiment, recording)
    found = replay(Recording.load(recording.path))
    assert found.same
    assert {step.name.split("/")[0] for step in found.steps} == {"sweep", "verify"}


def test_soundings_that_were_sounded_again_are_replayed_in_their_place(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound.Doubt, "__call__", lambda *of: np.array([2, 3, 12, 13]))
    recording = recorded(station(), tmp_path)
    assert load_sweep(recording).ambiguous == 4
    found = replay(recording)
    assert found.same and found.estimates == {"sweep": ""}
    assert [(step.name, step.captures) for step in found.steps][-1] == ("sweep/again", 4)


def test_other_samples_are_a_difference(station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(station(), tmp_path)

    def altered(recording: Recording, step: str) -> RawStep:
        raw = read_raw(recording, step)
        raw.captures[2].samples[7, 0, 0] += 1
        return raw

    monkeypatch.setattr(replaying, "read_raw", altered)
    found = replay(recording)
    assert not found.same
    assert all("differ in 1 of 8 soundings" in step.difference for step in found.steps)
    assert "dB" in found.estimates["sweep"]


@pytest.mark.parametrize(
    ("change", "told"), [(slice(0, 7), "not asked for"), (slice(1, 8), "ends after 7"), (slice(0, 8), "")]
)
def test_other_captures_than_the_driver_asks_for_are_a_difference(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: slice, told: str
) -> None:
    recording = recorded(station(), tmp_path)

    def fewer(recording: Recording, step: str) -> RawStep:
        raw = read_raw(recording, step)
        captures = raw.captures[change] if told != "not asked for" else (*raw.captures, raw.captures[0])
        return RawStep(captures, raw.conduct)

    monkeypatch.setattr(replaying, "read_raw", fewer)
    found = replay(recording)
    assert found.same == (not told)
    assert all(told in step.difference for step in found.steps)


@pytest.mark.parametrize("kind", ["data", "meta"])
def test_a_flipped_bit_or_a_missing_file_is_named_with_what_to_do(
    station: MakeStation, tmp_path: Path, kind: str
) -> None:
    recording = recorded(station(), tmp_path)
    path = recording.path / f"iq/sweep-00001.sigmf-{kind}"
    content = bytearray(path.read_bytes())
    for place in (0, len(content) // 2, len(content) - 1):
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=rf"sweep-00001\.sigmf-{kind}.*copy iq/ again"):
            replay(recording)
        content[place] ^= 1
    path.unlink()
    with pytest.raises(RecordingError, match=rf"sweep-00001\.sigmf-{kind}.*copy iq/ again"):
        replay(recording)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"plan": {"mode": "burst", "dwell": 3}}, "argument"),
        ({"plan": {"mode": "backwards"}}, "backwards"),
        ({"speed": 1}, "speed"),
        ({"restarts": 0}, "not iterable"),
    ],
)
def test_samples_that_another_version_took_otherwise_are_told_as_such(
    station: MakeStation, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    path = recorded(station(), tmp_path, block=16).path
    meta, log = path / "iq/sweep-00000.sigmf-meta", path / "events.jsonl"
    values, before = json.loads(meta.read_text()), hashlib.sha256(meta.read_bytes()).hexdigest()
    values["global"]["hil:conduct"] |= change
    meta.write_text(json.dumps(values))
    log.write_text(log.read_text().replace(before, hashlib.sha256(meta.read_bytes()).hexdigest()))
    with pytest.raises(RecordingError, match=f"sweep.00000.*{told}.*another version of hil"):
        replay(Recording.load(path))


def test_a_run_without_raw_samples_says_how_they_are_kept(station: MakeStation, tmp_path: Path) -> None:
    recording = recorded(station(), tmp_path, record_iq=False)
    assert not (recording.path / "iq").exists()
    with pytest.raises(RecordingError, match="record_iq: true"):
        replay(recording)


def test_a_resumed_run_keeps_the_samples_it_has(
    station: MakeStation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recorded(station(), tmp_path / "whole")
    config = SweepConfig(group=(8, 4), block=8, record_iq=True)
    with open_testbed(station()) as bed:
        recording = closed_loop.new_recording(bed, root=tmp_path)
        append = recording.append

        def interrupted(name: str, *step: Any) -> None:
            if name == "sweep/00001":
                raise KeyboardInterrupt  # its samples are on disk, its line in the log is not
            append(name, *step)

        monkeypatch.setattr(recording, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sound_surface(bed, recording, config, seed=1)
    kept = {path.name: path.read_bytes() for path in (recording.path / "iq").iterdir()}
    assert set(kept) == {f"sweep-0000{i}.sigmf-{kind}" for i in (0, 1) for kind in ("data", "meta")}
    resumed = Recording.resume(recording.path)
    with open_testbed(station()) as bed:
        sound_surface(bed, resumed, config, seed=1)
    assert replay(resumed).same
    assert all((recording.path / "iq" / name).read_bytes() == content for name, content in kept.items())
    for step in ("sweep/00000", "sweep/00001"):
        one, other = read_raw(resumed, step), read_raw(whole, step)
        assert one.conduct == other.conduct
        assert all(
            a.time_s == b.time_s and np.array_equal(a.samples, b.samples)
            for a, b in zip(one.captures, other.captures, strict=True)
        )


def test_a_step_whose_samples_cannot_be_written_is_not_recorded(station: MakeStation, tmp_path: Path) -> None:
    def full(bed: Testbed) -> None:
        (next(tmp_path.iterdir()) / "iq").write_text("in the way")

    with pytest.raises(RecordingError, match="cannot be written"):
        recorded(station(), tmp_path, full)
    assert Recording.load(next(tmp_path.iterdir())).names == ("sweep/begin", "listening/sweep")


def test_other_programs_read_the_samples(station: MakeStation, tmp_path: Path) -> None:
    import sigmf

    recording = recorded(station(), tmp_path)
    meta = recording.path / "iq/sweep-00001.sigmf-meta"
    file = sigmf.fromfile(str(meta))
    file.validate()
    raw = read_raw(recording, "sweep/00001").captures
    words = raw[3].samples[:, 0].astype(float)
    np.testing.assert_allclose(file.read_samples_in_capture(3) * 2**15, words[:, 0] + 1j * words[:, 1], atol=1e-2)
    about = json.loads(meta.read_text())
    assert about["global"]["core:datatype"] == "ci16_le"
    assert about["global"]["core:sample_rate"] == 25e6
    assert about["global"]["core:hw"].startswith("sim+")
    assert [each["core:frequency"] for each in about["captures"]] == [recording.manifest["radio"]["lo_hz"]] * 8
    times = load_sweep(recording).soundings.time_s[8:]
    assert [each["hil:time_s"] for each in about["captures"]] == list(times)


def test_samples_that_are_no_integers_are_refused() -> None:
    with pytest.raises(RecordingError, match="no 16-bit integers"):
        RawCapture.of(np.array([[0.5 + 0j]]), 0.0)
    assert RawCapture.of(np.array([[-2048 + 2047j]]), 0.0).samples.tolist() == [[[-2048, 2047]]]
