"""Long captures are written and aligned while they arrive, and what is recorded is what was sounded."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hil.config import TestbedConfig
from hil.drivers import pluto_receiver
from hil.estimation import align
from hil.estimation.estimate import estimate_channel
from hil.experiments.sound import Sweep, load_sweep
from hil.measure import frames, hearing, sequence, triggered
from hil.measure.draft import Draft
from hil.measure.recording import Recording
from hil.measure.stepping import SoundingBlock
from hil.testbed import Testbed

MakeStation = Callable[..., TestbedConfig]
Swept = Callable[..., tuple[Sweep, Testbed]]


@pytest.fixture
def wired(station: MakeStation, small_board: Callable[..., str]) -> TestbedConfig:
    """A station with a reference board of 16 x 16 elements, on the radio's pulse too."""
    return station(surface__profile=small_board(), surface__trigger="radio")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pluto_receiver, "PIECE_SAMPLES", 1 << 15)
    monkeypatch.setattr(sequence, "PIECE_SAMPLES", 1 << 15)
    monkeypatch.setattr(frames, "GROUP_SAMPLES", 1 << 14)
    monkeypatch.setattr(hearing, "STRETCH", 1 << 14)
    monkeypatch.setattr(hearing, "FIRST", 20)
    monkeypatch.setattr(align, "SUBSET", 64)
    monkeypatch.setattr(align, "TOGETHER", 16)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The share of each step's array that was written before the end."""
    finish, shares = Draft.finish, list[float]()

    def noted(draft: Draft) -> str:
        shares.append(draft._num_written / max(draft.data.nbytes, 1))
        return finish(draft)

    monkeypatch.setattr(Draft, "finish", noted)
    return shares


def recorded(root: Path) -> Recording:
    (path,) = root.iterdir()
    recording = Recording.resume(path)
    assert recording.damaged == ()
    return recording


@pytest.mark.parametrize("mode", ["triggered", "sequence"])
def test_most_of_a_capture_is_written_and_aligned_when_it_ends(
    wired: TestbedConfig, tmp_path: Path, swept: Swept, begun: list[float], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alignment, there = align.Together.alignment, list[int]()

    def noted(together: align.Together, noise_var: np.ndarray) -> object:
        there.append(together._num_there)
        return alignment(together, noise_var)

    monkeypatch.setattr(align.Together, "alignment", noted)
    sweep, _ = swept(wired, tmp_path, mode=mode, scheme="pairs", repetitions=1)
    assert max(begun) > 0.95
    assert there == [512]
    assert sweep.alignment is not None


@pytest.mark.parametrize("mode", ["triggered", "sequence"])
@pytest.mark.parametrize(("repetitions", "group"), [(1, (1, 1)), (2, (1, 1)), (1, (8, 8))])
def test_the_record_makes_the_estimate_that_was_made_while_it_arrived(
    wired: TestbedConfig, tmp_path: Path, swept: Swept, mode: str, repetitions: int, group: tuple[int, int]
) -> None:
    sweep, bed = swept(wired, tmp_path, mode=mode, scheme="pairs", repetitions=repetitions, group=group)
    again = load_sweep(recorded(tmp_path))
    assert again.alignment is None
    assert again.soundings.records().tobytes() == sweep.soundings.records().tobytes()
    one, other = (estimate_channel(each, bed.setup) for each in (sweep, again))
    np.testing.assert_array_equal(one.cascade, other.cascade)
    np.testing.assert_array_equal(one.cascade_var, other.cascade_var)


def test_frames_that_are_taken_once_more_are_recorded_as_they_were_the_second_time(
    wired: TestbedConfig, tmp_path: Path, swept: Swept, begun: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    split, taken = triggered.split_frames, list[SoundingBlock]()

    def disturbed(*args: object, **more: object) -> tuple[SoundingBlock, np.ndarray]:
        block, good = split(*args, **more)  # type: ignore[arg-type]
        good[7] &= bool(taken)
        taken.append(SoundingBlock.from_records(block.records()))
        return block, good

    monkeypatch.setattr(triggered, "split_frames", disturbed)
    sweep, _ = swept(wired, tmp_path, mode="triggered", scheme="hadamard", repetitions=1)
    assert len(taken) == 2 and sweep.soundings.retakes.sum() == 1
    wanted = taken[0].response.copy()
    wanted[7] = taken[1].response[7]
    recording = recorded(tmp_path)
    np.testing.assert_array_equal(load_sweep(recording).soundings.response, wanted)
    np.testing.assert_array_equal(sweep.soundings.response, wanted)
    file = io.BytesIO()
    np.save(file, recording.read("sweep/00000").data)
    assert file.getvalue() in [path.read_bytes() for path in (recording.path / "steps").iterdir()]
    assert max(begun) == 0 and sweep.alignment is None


def test_a_capture_that_was_void_leaves_nothing_in_the_record(
    wired: TestbedConfig, tmp_path: Path, swept: Swept, clipping: Callable[[Testbed], None], begun: list[float]
) -> None:
    sweep, _ = swept(wired, tmp_path, hurt=clipping, mode="triggered", scheme="hadamard", repetitions=1)
    assert sweep.soundings.overloaded.all()
    np.testing.assert_array_equal(load_sweep(recorded(tmp_path)).soundings.response, sweep.soundings.response)
    assert max(begun) > 0.95 and sweep.alignment is not None
