"""Sweeps told pattern by pattern into one long capture, and what USB, link and board do to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.config import TestbedConfig
from hil.errors import BoardReset, MeasurementError
from hil.experiments.sound import Sweep
from hil.testbed import Testbed

MakeStation = Callable[..., TestbedConfig]
Hurt = Callable[[Testbed], None]
Swept = Callable[..., tuple[Sweep, np.ndarray]]
SMALL: dict[str, Any] = {"scheme": "pairs", "group": (4, 2)}  # 64 patterns


@pytest.fixture
def board(small_board: Callable[..., str]) -> str:
    """Profile of a reference board of 16 x 16 elements on a slow line."""
    return small_board(baud=1_000_000)


@pytest.fixture
def burst(swept: Callable[..., Any], shifts_and_likeness: Callable[..., Any]) -> Swept:
    """A burst sweep and how alike each sounding and the true response of its pattern are."""

    def sweep(*where: object, **asked: object) -> tuple[Sweep, np.ndarray]:
        done, bed = swept(*where, **{"mode": "burst", "scheme": "hadamard", **asked})
        return done, shifts_and_likeness(done, bed)[1]

    return sweep


def test_patterns_that_are_answered_one_by_one_are_each_found_in_the_capture(
    station: MakeStation, tmp_path: Path, burst: Swept
) -> None:
    sweep, likeness = burst(station(), tmp_path, scheme="pairs", group=(4, 2))
    assert sweep.mode == "burst"
    assert likeness.min() > 0.997
    assert sweep.retaken == 0
    assert sweep.radio_time_s < 1.1 * sweep.floor_s


def test_patterns_that_nobody_waits_for_are_each_found_in_the_capture(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept
) -> None:
    sweep, likeness = burst(station(surface__profile=board), tmp_path)
    assert likeness.min() > 0.997
    assert sweep.retaken == 0
    assert sweep.radio_time_s < 1.1 * sweep.floor_s


def test_a_capture_that_starts_late_is_read_where_its_patterns_are(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.sim.pluto_rx.START_JITTER_S", 3.6e-3)  # nobody knows by how much within it
    monkeypatch.setattr("hil.sim.pluto_rx.random_at", lambda *of: np.random.default_rng(0))  # more than half of it
    sweep, likeness = burst(station(surface__profile=board), tmp_path, **SMALL)
    assert likeness.min() > 0.997
    assert sweep.retaken == 0


def lost(samples: np.ndarray) -> np.ndarray:
    """A quarter of the way a gap of 100 000 samples."""
    at = samples.size // 4
    return np.concatenate([samples[:at], samples[at + 100_000 :], samples[-100_000:]])


def twice(samples: np.ndarray) -> np.ndarray:
    """In the middle a block comes a second time, and is a whole number of periods long."""
    at, length = samples.size // 2, 320 * 400
    return np.insert(samples, at, samples[at - length : at])[: samples.size]


def slipped(samples: np.ndarray) -> np.ndarray:
    """In the middle 100 samples are missing: less than what is left of a dwell."""
    at = samples.size // 2
    return np.concatenate([samples[:at], samples[at + 100 :], samples[-100:]])


def fading(samples: np.ndarray) -> np.ndarray:
    """In the middle, for a little longer than from one pattern to the next, the level falls to half."""
    at, length = samples.size // 2, 12_000
    faded = samples.copy()
    faded[at : at + length] *= np.linspace(1.0, 0.5, length, dtype=np.float32)
    return faded


def test_a_pattern_that_did_not_stand_still_is_taken_again(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept, first_changed: Callable[..., Hurt]
) -> None:
    sweep, likeness = burst(station(surface__profile=board), tmp_path, first_changed(fading), **SMALL)
    assert likeness.min() > 0.997
    assert np.flatnonzero(sweep.soundings.retakes).size in (1, 2)


@pytest.mark.parametrize(("change", "kept"), [(lost, 0.2), (slipped, 0.5), (twice, 0.5)])
def test_what_comes_behind_a_gap_or_a_repeated_block_is_taken_again_and_what_came_before_is_kept(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept, change: Callable[[np.ndarray], np.ndarray],
    kept: float, first_changed: Callable[..., Hurt],
) -> None:  # fmt: skip
    """Also where the gap is longer than captures take to start: what came before it tells the start."""
    sweep, likeness = burst(station(surface__profile=board), tmp_path, first_changed(change), **SMALL)
    assert likeness.min() > 0.997
    assert (sweep.soundings.retakes == 0).mean() == pytest.approx(kept, abs=0.02)
    assert np.all(np.diff(sweep.soundings.retakes) >= 0)


def test_a_restart_in_the_midst_makes_the_capture_void(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept
) -> None:
    def hurt(bed: Testbed) -> None:
        stream, line = bed.surface.stream, bed.surface._link.line  # type: ignore[attr-defined]
        told: list[float] = []

        def streamed(*args: object) -> object:
            if not told:
                told.append(bed.clock.now_s())
                line._at(bed.clock.now_s() + 20e-3, lambda made, time_s: made.reset(time_s))
            return stream(*args)

        bed.surface.stream = streamed  # type: ignore[attr-defined]

    sweep, likeness = burst(station(surface__profile=board), tmp_path, hurt)
    assert likeness.min() > 0.997
    assert sweep.soundings.resets == 1


def test_frames_that_were_damaged_on_their_way_are_not_taken_for_those_that_were_sent(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept
) -> None:
    def hurt(bed: Testbed) -> None:
        faults = bed.surface._link.line.faults  # type: ignore[attr-defined]
        to_board, sent = faults.to_board, []

        def damaged(data: bytes) -> object:
            sent.append(data)
            if len(sent) in (40, 41, 90):
                data = data[:20] + bytes([data[20] ^ 1 or 2]) + data[21:]
            return to_board(data)

        faults.to_board = damaged

    sweep, likeness = burst(station(surface__profile=board), tmp_path, hurt)
    assert likeness.min() > 0.997
    assert 0 < sweep.retaken < 80


def once(bed: Testbed, name: str, change: Callable[[Any], Any]) -> None:
    """What the board's first such call returns is changed."""
    call, seen = getattr(bed.surface, name), list[int]()

    def called(*args: object) -> Any:
        answer = call(*args)
        seen.append(0)
        return change(answer) if len(seen) == 1 else answer

    setattr(bed.surface, name, called)


def test_the_one_pattern_that_is_also_shown_before_each_burst_is_taken_again_behind_another(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept
) -> None:
    """In pairs the second pattern stands before the burst: into it there is no step to begin with."""

    def unknown(settled_s: np.ndarray) -> np.ndarray:
        return np.where(np.arange(settled_s.size) == 1, np.nan, settled_s)

    config = station(surface__profile=board)
    sweep, likeness = burst(config, tmp_path, lambda bed: once(bed, "stream", unknown), **SMALL)
    assert np.flatnonzero(sweep.soundings.retakes).tolist() == [1]
    assert likeness.min() > 0.997


def lose(_: object) -> None:
    raise BoardReset("banner seen")


@pytest.mark.parametrize(
    ("call", "answer"), [("check", lose), ("read_pattern", lambda held: None if held is None else 1 - held)]
)
def test_a_board_that_lost_its_pattern_unheard_makes_the_capture_void(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept, call: str, answer: Callable[[Any], Any]
) -> None:
    sweep, likeness = burst(station(surface__profile=board), tmp_path, lambda bed: once(bed, call, answer), **SMALL)
    assert sweep.soundings.resets == 1
    assert np.all(sweep.soundings.retakes == 1)
    assert likeness.min() > 0.997


def test_a_burst_that_clipped_is_taken_again(
    station: MakeStation, board: str, tmp_path: Path, burst: Swept, clipping: Callable[[Testbed], None]
) -> None:
    sweep, _ = burst(station(surface__profile=board), tmp_path, clipping, **SMALL)
    assert sweep.soundings.overloaded.all() and np.all(sweep.soundings.retakes == 1)


def test_a_surface_that_nobody_sees_is_told(station: MakeStation, board: str, tmp_path: Path, burst: Swept) -> None:
    config = station(surface__profile=board, power__noise_figure_db=40, radio__rx_gain_db=25)
    with pytest.raises(MeasurementError, match="is the surface seen"):
        burst(config, tmp_path, max_retakes=0)
